"""Annotations of functions, resolved: strings and names of the scope that the function was defined in too."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def underlying(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the plain function inside: behind partials, decorators, bound methods and callable objects."""
    inner: Any = function
    while True:
        if isinstance(inner, functools.partial):
            inner = inner.func
        elif hasattr(inner, "__wrapped__"):
            inner = inspect.unwrap(inner)
        elif inspect.ismethod(inner):
            inner = inner.__func__
        elif inspect.isroutine(inner) or isinstance(inner, type):
            return inner
        else:
            inner = type(inner).__call__


def label_of(function: Callable[..., Any]) -> str:
    """Return what to call a function in a message to its author."""
    inner = underlying(function)
    name = getattr(inner, "__qualname__", None) or repr(inner)
    module = getattr(inner, "__module__", None)
    return f"{module}.{name}" if module else str(name)


def names_in_scope(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the names that annotations written as strings may use besides the module's.

    Those are what the function's closure holds, its type parameters, and the local names of the functions and classes
    around it, as far as these are still running: while a decorator runs, they are.
    """
    inner = underlying(function)
    names: dict[str, Any] = {item.__name__: item for item in getattr(inner, "__type_params__", ())}
    if type(inner) is not types.FunctionType:  # a mock pretends to be an instance of one
        return names
    for name, cell in zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
    steps = inner.__qualname__.split(".")
    around = {".".join(steps[:length]) for length in range(1, len(steps)) if steps[length - 1] != "<locals>"}
    frame = inspect.currentframe() if around else None
    while frame is not None:
        if frame.f_code.co_qualname in around and frame.f_globals is inner.__globals__:
            names = {**frame.f_locals, **names}
            around.discard(frame.f_code.co_qualname)  # of a recursion, the innermost
        frame = frame.f_back
    return names


def resolve_annotation(function: Callable[..., Any], name: str, annotation: Any, names: Mapping[str, Any]) -> Any:
    """Return the type that an annotation means.

    Args:
        function: The function that it belongs to.
        name: The parameter that it belongs to.
        annotation: The annotation as it stands: a type, or a string.
        names: What `names_in_scope` says of the function.

    Raises:
        TypeError: A name in it is not known.
    """
    # One at a time, and never the return type: a name that only type checkers import must not spoil the others.
    holder = types.SimpleNamespace(__annotations__={name: annotation})
    scope = getattr(underlying(function), "__globals__", {})
    try:
        return typing.get_type_hints(holder, scope, dict(names), include_extras=True)[name]
    except Exception as error:
        raise TypeError(
            f"{label_of(function)}: the annotation {annotation!r} of {name!r} cannot be resolved ({error}); "
            "define its type at module level, or mark the function with @tool where the type is known"
        ) from error
