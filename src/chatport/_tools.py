"""Tools: Python functions that a model may call."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from chatport._annotations import label_of
from chatport._request import Tool
from chatport._timeouts import checked_tool_timeout
from chatport._tool_context import UNSET

if TYPE_CHECKING:
    from chatport._docstrings import Docstring
    from chatport._signatures import Parameters  # noqa: TC004 - nobody evaluates the annotations of `_Mark`
    from chatport._tool_policy import ToolPolicy

_MARK = "__chatport_tool__"

ToolLike: TypeAlias = Tool | Callable[..., Any]
"""What `tools=` takes: a `Tool`, or a function, marked with `@tool` or not.

Bound methods, objects that can be called and `functools.partial` are functions too; keywords that a partial has bound
are hidden from the model.
"""

_FunctionT = TypeVar("_FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Mark:
    """What `@tool` leaves on a function: how it is to be offered, and what it was found to take."""

    name: str | None
    description: str | None
    source: Callable[..., Any]
    parameters: Parameters
    strict: bool
    timeout: float | None


class CheckedFunction:
    """A function and the check of its arguments: the `Tool.function` of a tool made from a function.

    Called, it calls the function and checks nothing. The check lives here, not in the `Tool` and not in a table
    beside it: so a tool stays a plain value, `dataclasses.replace(tool, name=...)` keeps the check, and it goes when
    the function goes. Two are equal when their functions are.
    """

    def __init__(self, function: Callable[..., Any], parameters: Parameters) -> None:
        """Put the two together."""
        self.__wrapped__ = function
        self.parameters = parameters

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CheckedFunction) and self.__wrapped__ == other.__wrapped__

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return f"<CheckedFunction {label_of(self.__wrapped__)}>"


@overload
def tool(function: _FunctionT, /) -> _FunctionT: ...


@overload
def tool(
    *, name: str | None = None, description: str | None = None, strict: bool = False, timeout: float | None = None
) -> Callable[[_FunctionT], _FunctionT]: ...


def tool(
    function: _FunctionT | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    timeout: float | None = None,
) -> _FunctionT | Callable[[_FunctionT], _FunctionT]:
    """Mark a function as a tool, as `@tool` or `@tool(name=..., description=...)`.

    The function stays what it is and is called as before. The mark checks at once that a model can call it, resolves
    annotations while local types are in scope, and does so once instead of once per session.

    What the model sees comes from the function: its name, the text of its docstring before the sections, and each
    parameter's annotation, default and description (from the docstring, or from pydantic's `Field` in `Annotated`).
    Any type that pydantic can read from JSON will do; a parameter without annotation takes any JSON value. `*args`
    is refused, `**kwargs` lets the model add arguments of its own.

    What the model sends is checked before the function runs, by pydantic's rules for JSON: an ISO date becomes a
    `date`, an object a model or dataclass; `"5"` passes for 5 unless the type is strict; text becomes `bytes` as UTF-8
    (for base64 there is pydantic's `Base64Bytes`); arguments that the function does not have are refused. What does
    not fit goes back to the model, as does what the function raises; the latter is logged with its traceback, at the
    level WARNING of the logger `chatport`.

    An async function runs on the event loop. Any other runs in a worker thread, with the context variables of the
    caller; if it returns an awaitable, that is awaited on the loop. A thread cannot be interrupted: a cancelled turn
    waits for it, so a function that takes long should call `anyio.from_thread.check_cancelled()` now and then.

    A parameter annotated with `ToolContext` is hidden from the model; the session fills it in.

    The returned value may be a str, parts (images, documents …), a sequence of these, a `ToolResult` (its id does
    not matter), None, or anything that pydantic can turn into JSON.

    Args:
        function: The function. In a class, put `@tool` below `@staticmethod` and `@classmethod`.
        name: What the model calls it, instead of the function's name.
        description: What the model is told, instead of the docstring's text.
        strict: Whether the model's arguments have to fit by force, where the service can do that; see `Tool`.
        timeout: How long a call may take, in seconds; see `Tool`. The model reads that it took too long. An async
            function is cancelled; one in a thread hears of it from `check_cancelled()`, and what it gives back late
            is its result all the same.

    Raises:
        TypeError: No schema can be made from the signature; the message names the parameter.
        ValueError: The timeout is not above 0.
    """
    limit = None if timeout is None else checked_tool_timeout(timeout)

    def mark(marked: _FunctionT) -> _FunctionT:
        _leave_mark(marked, name=name, description=description, strict=strict, timeout=limit)
        return marked

    return mark if function is None else mark(function)


def _leave_mark(
    marked: Callable[..., Any], *, name: str | None, description: str | None, strict: bool, timeout: float | None
) -> None:
    _check_callable(marked)
    parameters = _parameters_of(marked, _docstring(marked), skips_first=_is_unbound_method(marked))
    if name is None:
        _own_name(marked)
    try:
        setattr(marked, _MARK, _Mark(name, description, marked, parameters, strict, timeout))
    except (AttributeError, TypeError) as error:
        raise TypeError(f"{label_of(marked)} cannot be marked; wrap it in a function of your own") from error


def as_tool(value: ToolLike) -> Tool:
    """Return what `tools=` takes as a `Tool`; one that is a `Tool` already stays as it is.

    The arguments of a `Tool` made by hand are not checked against its schema: its function gets them as keyword
    arguments, as they came.

    Raises:
        TypeError: It is no function, or no schema can be made from its signature.
    """
    if isinstance(value, Tool):
        return value
    _check_callable(value)
    if _is_unbound_method(value):
        raise TypeError(f"{label_of(value)} is a method without its object: give the method of an instance")
    mark = _mark_of(value)
    docstring = _docstring(value)
    parameters = _known_parameters(value, mark) or _parameters_of(value, docstring)
    name = mark.name if mark is not None and mark.name is not None else _own_name(value)
    described = mark is not None and mark.description is not None
    description = mark.description if mark is not None and described else docstring.description
    strict = mark is not None and mark.strict
    schema = copy.deepcopy(parameters.schema)
    timeout = None if mark is None else mark.timeout
    return Tool(name, description or "", schema, CheckedFunction(value, parameters), strict, timeout)


def as_tools(values: Iterable[ToolLike]) -> tuple[Tool, ...]:
    """Return what `tools=` takes as tools, each name once.

    Raises:
        TypeError: It is no sequence of tools, or one of them is none.
        ValueError: Two tools have the same name; the message says which.
    """
    kind = type(values)
    if issubclass(kind, (Tool, str, bytes, Mapping)) or not issubclass(kind, Iterable):
        raise TypeError(f"tools are given as a sequence, such as [get_weather], not as {kind.__name__}")
    found: dict[str, tuple[Tool, ToolLike]] = {}
    for value in values:
        made = as_tool(value)
        if made.name in found:
            first, second = _origin(found[made.name][1]), _origin(value)
            raise ValueError(
                f"two tools are called {made.name!r}: {first} and {second}; rename one with @tool(name=...)"
            )
        found[made.name] = (made, value)
    return tuple(made for made, _ in found.values())


def is_marked(value: object) -> bool:
    """Whether it is a function that `@tool` has marked."""
    return callable(value) and not isinstance(value, type) and _mark_of(value) is not None


def checked_state(policy: ToolPolicy, tools: Iterable[Tool]) -> ToolPolicy:
    """Return a policy whose state is there where a tool needs one.

    Raises:
        TypeError: A tool says of which type the state is, and none is given.
    """
    if policy.state is UNSET:
        for made in tools:
            if isinstance(made.function, CheckedFunction) and (needed := made.function.parameters.state_type):
                message = f"the tool {made.name!r} takes a ToolContext[{needed}]: give state= to session or turn"
                raise TypeError(message)
    return policy


def _check_callable(value: object) -> None:
    if issubclass(type(value), (staticmethod, classmethod)):
        raise TypeError(f"put @tool below @{type(value).__name__}, next to the function")
    if isinstance(value, type):
        raise TypeError(f"{value.__name__} is a class: a tool is a function, or an object that can be called")
    if not callable(value):
        raise TypeError(f"a tool is a function or a Tool, not {type(value).__name__}")


def _is_unbound_method(function: Callable[..., Any]) -> bool:
    """Whether it is a function in a class that waits for its object: the name and the first parameter tell."""
    inner = inspect.unwrap(function) if isinstance(function, FunctionType) else None
    if type(inner) is not FunctionType:  # a mock pretends to be an instance of one
        return False
    around = inner.__qualname__.rpartition(".")[0]
    names = inner.__code__.co_varnames[: inner.__code__.co_argcount]
    return bool(around) and not around.endswith("<locals>") and names[:1] in {("self",), ("cls",)}


def _mark_of(function: Callable[..., Any]) -> _Mark | None:
    """Return the mark of a function, of its method `__call__`, or of what a partial holds."""
    while True:
        for place in (function, type(function).__call__):
            mark = getattr(place, _MARK, None)
            if isinstance(mark, _Mark):  # mocks have every attribute
                return mark
        if not isinstance(function, functools.partial):
            return None
        function = function.func


def _parameters_of(function: Callable[..., Any], docstring: Docstring, *, skips_first: bool = False) -> Parameters:
    # With pydantic it is a third of what `import chatport` would cost: only who has tools pays for it.
    from chatport._signatures import Parameters  # noqa: PLC0415

    return Parameters(function, docstring.parameters, skips_first=skips_first)


def _known_parameters(function: Callable[..., Any], mark: _Mark | None) -> Parameters | None:
    """Return what `@tool` found, where it is the very function that was marked, or the method that it has become."""
    if mark is None:
        return None
    if function is mark.source:
        return mark.parameters
    method = function.__func__ if inspect.ismethod(function) else type(function).__call__
    return mark.parameters if method is mark.source and mark.parameters.skips_first else None


def _own_name(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None) or type(function).__name__
    if name == "<lambda>":
        raise TypeError(f"{label_of(function)} has no name to call it by: use tool(name=...)(function)")
    return str(name)


def _docstring(function: Callable[..., Any]) -> Docstring:
    from chatport._docstrings import Docstring, parse_docstring  # noqa: PLC0415 - for who has tools, as above

    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function):
        return parse_docstring(inspect.getdoc(function))
    own = parse_docstring(getattr(type(function).__call__, "__doc__", None))
    described = parse_docstring(function.__doc__)
    return Docstring(own.description or described.description, {**described.parameters, **own.parameters})


def _origin(value: ToolLike) -> str:
    function = value.function if isinstance(value, Tool) else value
    return "a Tool made by hand" if function is None else label_of(function)
