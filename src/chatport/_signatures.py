"""A function's signature as a JSON schema and as a check of arguments that come as JSON; pydantic does both.

The parameters become the fields of a pydantic model. The fields have names of no meaning and the parameters' names as
aliases: so a parameter may be called `schema`, `copy`, `model_id` or `_private`, names that pydantic keeps for itself.
"""

from __future__ import annotations

import functools
import inspect
import json
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from typing_extensions import Unpack

from chatport._annotations import label_of, names_in_scope, resolve_annotation
from chatport._json_schema import SchemaGenerator, explain, joined_path, reason_of
from chatport._tool_context import ToolContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

_MISSING = inspect.Parameter.empty
_EXTRAS_FIELD = "extras"
# Dataclasses and typed dicts without a configuration of their own go by this one too.
_CONFIG = ConfigDict(extra="forbid", defer_build=True)


class InvalidArgumentsError(ValueError):
    """Arguments do not fit a function; the text tells a model which and why."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One parameter: its name in the signature, what a model calls it, and its field in the pydantic model."""

    name: str
    alias: str
    field: str
    positional: bool
    default: Any
    always_given: bool  # its default stands in a pydantic `Field`, so Python would not apply it


class Parameters:
    """What a function takes: a JSON schema for the model, and a check of what the model sends.

    Attributes:
        schema: The JSON schema, an object without additional properties (unless the function takes `**kwargs`).
        skips_first: Whether the first parameter is left out because a method's object goes there.
        contexts: The parameters that take a `ToolContext`; no model sees them.
        state_type: What the first of them says of the state, for people; None where no state is needed.
    """

    def __init__(
        self, function: Callable[..., Any], descriptions: Mapping[str, str], *, skips_first: bool = False
    ) -> None:
        """Read a signature.

        Args:
            function: What to read. Keywords that a `functools.partial` has bound are not offered to the model.
            descriptions: What to tell the model of each parameter; a description in a pydantic `Field` goes before.
            skips_first: Whether to leave out the first parameter, `self` of a method that is not bound yet.

        Raises:
            TypeError: No schema can be made of it; the message names the parameter.
        """
        self.skips_first = skips_first
        self._label = label_of(function)
        given = _signature(function, self._label)
        bound = _bound_keywords(function)
        offered = list(given.values())[1 if skips_first else 0 :]
        names = names_in_scope(function)
        hints = {
            item.name: Any
            if item.annotation is _MISSING
            else resolve_annotation(function, item.name, item.annotation, names)
            for item in offered
            if item.name not in bound or item.kind is item.VAR_KEYWORD
        }
        self.contexts, self.state_type = self._take_contexts(offered, hints)
        self._reserved = bound.union(name for name, item in given.items() if item.kind is not item.VAR_KEYWORD)
        self._parameters: list[_Parameter] = []
        self._extras = self._name_of_extras(offered, hints)
        fields = dict(self._fields(offered, hints, descriptions))
        self._model, self.schema = self._built(fields, hints, names)

    def bind(self, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Check a call's arguments and return them as Python's positional and keyword arguments.

        They are read as JSON, not as Python values: an ISO date becomes a `date`, an object a model or dataclass,
        also where the type is strict. What is absent is left to the function's own default.

        Raises:
            InvalidArgumentsError: They do not fit; the text says which and why.
        """
        checked = self._checked(arguments)
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for item in self._parameters:
            given = item.always_given or item.alias in arguments
            value = checked.__dict__[item.field] if given else item.default
            if item.positional:
                positional.append(value)
            elif given:
                keywords[item.name] = value
        keywords.update(checked.__dict__.get(_EXTRAS_FIELD, {}))
        return positional, keywords

    def _checked(self, arguments: Mapping[str, Any]) -> BaseModel:
        if self._extras is not None:
            known = {item.alias for item in self._parameters}
            extras = {name: value for name, value in arguments.items() if name not in known}
            for name in sorted(self._reserved.intersection(extras)):  # bound by a partial, or called by an alias
                raise InvalidArgumentsError(f"- {name}: there is no such argument")
            arguments = {name: value for name, value in arguments.items() if name in known}
            arguments[self._extras] = extras
        try:
            text = json.dumps(arguments, ensure_ascii=False).encode("utf-8")
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgumentsError(f"- the arguments are no JSON object: {error}") from error
        try:
            return self._model.model_validate_json(text)
        except ValidationError as error:
            raise InvalidArgumentsError(explain(error, self._problem)) from error

    def _problem(self, item: ErrorDetails) -> str:
        location = item["loc"]
        if location[:1] == (self._extras,):
            location = location[1:]
        path = joined_path(location)
        match item["type"]:
            case "missing":
                reason = "required, but missing"
            case "extra_forbidden" if len(location) == 1:
                known = ", ".join(parameter.alias for parameter in self._parameters) or "none"
                reason = f"there is no such argument; the arguments are: {known}"
            case "extra_forbidden" | "unexpected_keyword_argument":
                reason = "there is no such member"
            case _:
                reason = reason_of(item, echo=bool(location))
        return f"- {path or 'the arguments'}: {reason}"

    def _name_of_extras(self, offered: Iterable[inspect.Parameter], hints: Mapping[str, Any]) -> str | None:
        """Return under which name to check what `**kwargs` takes, or None where the function has none."""
        for item in offered:
            if item.kind is item.VAR_POSITIONAL:
                raise TypeError(
                    f"{self._label}: *{item.name} cannot be offered to a model, whose arguments have names; "
                    "take a list instead"
                )
            if item.kind is item.VAR_KEYWORD:
                if typing.get_origin(hints[item.name]) is Unpack:
                    raise TypeError(f"{self._label}: write the parameters behind **{item.name}: Unpack[...] out")
                return f"**{item.name}"
        return None

    def _take_contexts(
        self, offered: Iterable[inspect.Parameter], hints: dict[str, Any]
    ) -> tuple[tuple[str, ...], str | None]:
        """Take the parameters for contexts out of the hints, and so out of what is offered."""
        found = {item.name: item for item in offered if item.name in hints and _is_context(hints[item.name])}
        needed: str | None = None
        for name, item in found.items():
            if item.kind in {item.POSITIONAL_ONLY, item.VAR_KEYWORD}:
                raise TypeError(f"{self._label}: {name!r} takes a ToolContext, which is given by its name")
            (state,) = typing.get_args(_bare(hints.pop(name))) or (None,)
            if needed is None and state not in {None, types.NoneType, Any, object}:
                needed = getattr(state, "__name__", None) or str(state)
        return tuple(found), needed

    def _fields(
        self, offered: Iterable[inspect.Parameter], hints: Mapping[str, Any], descriptions: Mapping[str, str]
    ) -> Iterator[tuple[str, Any]]:
        """Yield the fields of the pydantic model, and note which parameter each stands for."""
        taken: set[str] = set()
        for index, item in enumerate(offered):
            if item.kind is item.VAR_KEYWORD:
                extras = types.GenericAlias(dict, (str, hints[item.name]))
                yield _EXTRAS_FIELD, (extras, Field(alias=self._extras))
                continue
            if item.name not in hints:
                continue  # bound by a partial, or a context
            hint, default = hints[item.name], item.default
            if in_field := isinstance(default, FieldInfo):
                hint, default = Annotated[hint, default], _MISSING
            info = FieldInfo.from_annotation(cast("type[Any]", hint))  # it takes any hint, whatever it declares
            alias = self._alias(item.name, info)
            if alias in taken:
                raise TypeError(f"{self._label}: two parameters are called {alias!r}")
            taken.add(alias)
            keys: dict[str, Any] = {"alias": alias, "validation_alias": alias}
            if default is not _MISSING:
                keys["default"] = default
            if info.description is None and item.name in descriptions:
                keys["description"] = descriptions[item.name]
            field = f"p{index}"
            always = (in_field or default is _MISSING) and not info.is_required()
            positional = item.kind is item.POSITIONAL_ONLY
            self._parameters.append(_Parameter(item.name, alias, field, positional, default, always))
            yield field, (hint, Field(**keys))

    def _alias(self, name: str, info: FieldInfo) -> str:
        alias = info.alias if info.validation_alias is None else info.validation_alias
        if alias is None or isinstance(alias, str):
            return alias or name
        raise TypeError(f"{self._label}: the alias of {name!r} must be one name")

    def _built(
        self, fields: dict[str, Any], hints: Mapping[str, Any], names: Mapping[str, Any]
    ) -> tuple[type[BaseModel], dict[str, Any]]:
        try:
            model, schema = _model_and_schema(fields, names)
        except Exception as error:
            # Which parameter it is, pydantic does not say; each of them alone does.
            alone = ((item.name, fields[item.field]) for item in self._parameters)
            name = next((name for name, field in alone if not _works(field, names)), None)
            where = "its signature" if name is None else f"the type {hints[name]!r} of {name!r}"
            reason = str(getattr(error, "message", error)).partition("\n")[0]
            raise TypeError(f"{self._label}: {where} cannot be said as a JSON schema: {reason}") from error
        if self._extras is not None:
            extras = schema["properties"].pop(self._extras)
            schema["additionalProperties"] = extras.get("additionalProperties", True)
            required = [name for name in schema["required"] if name != self._extras]
            schema = {key: value for key, value in schema.items() if key != "required"}
            schema |= {"required": required} if required else {}
        return model, schema


def _model_and_schema(fields: dict[str, Any], names: Mapping[str, Any]) -> tuple[type[BaseModel], dict[str, Any]]:
    model: type[BaseModel] = create_model("Arguments", __config__=_CONFIG, __module__=__name__, **fields)
    # The names are for types of the function's own scope that refer to each other by strings.
    model.model_rebuild(force=True, _types_namespace=dict(names))
    schema = model.model_json_schema(schema_generator=SchemaGenerator)
    schema.setdefault("properties", {})
    return model, schema


def _works(field: Any, names: Mapping[str, Any]) -> bool:
    try:
        _model_and_schema({"p0": field}, names)
    except Exception:  # noqa: BLE001 - which error it is says the attempt with all parameters, which is reported
        return False
    return True


def _bare(hint: Any) -> Any:
    """Return a hint without `Annotated` and without `| None`."""
    if typing.get_origin(hint) is Annotated:
        return _bare(typing.get_args(hint)[0])
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        members = [member for member in typing.get_args(hint) if member is not types.NoneType]
        return _bare(members[0]) if len(members) == 1 else hint
    return hint


def _is_context(hint: Any) -> bool:
    bare = _bare(hint)
    return bare is ToolContext or typing.get_origin(bare) is ToolContext


def _signature(function: Callable[..., Any], label: str) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise TypeError(f"{label} has no signature that can be read; give its schema with Tool(...)") from error


def _bound_keywords(function: Callable[..., Any]) -> frozenset[str]:
    names: set[str] = set()
    while isinstance(function, functools.partial):
        names |= function.keywords.keys()
        function = function.func
    return frozenset(names)
