"""What of a request, besides its messages, the service refuses: model id, settings, tools.

Limits are those of the service model of Bedrock Runtime (`ConverseRequest`), which botocore ships and does not check:
lengths, patterns and ranges. A value that breaks one is refused by every model, so it is not sent to any.
"""

from collections.abc import Sequence
from typing import Any, Final

from chatport.backend import Settings, Tool, UnsupportedError
from chatport_bedrock._json_limits import check_json, check_text
from chatport_bedrock._scope import Scope

__all__ = ["argument_schema", "check_model", "check_settings", "check_tools"]

_MAX_MODEL: Final = 2048
_MAX_STOP_SEQUENCES: Final = 2500
_MAX_NUMBER: Final = 2**31 - 1  # `Integer` in the service model


def check_model(model: str) -> None:
    """Refuse what cannot be the id of a model.

    What an id is made of is left to the service: new kinds of ids come, and gateways have ids of their own.

    Raises:
        UnsupportedError: It is empty, longer than 2048 characters, or has a character that cannot be seen.
    """
    if not 0 < len(model) <= _MAX_MODEL or not model.isprintable():
        raise UnsupportedError(f"model: an id has 1 to {_MAX_MODEL} visible characters, and not {model[:80]!r}")


def check_settings(settings: Settings) -> None:
    """Refuse settings that every model refuses.

    Raises:
        UnsupportedError: A number is out of range or none, or a stop sequence is empty.
    """
    count = settings.max_tokens
    if count is not None and (type(count) is not int or count < 1):
        raise UnsupportedError(f"settings.max_tokens: it must be a whole number of at least 1, not {count!r}")
    for name in ("max_tokens", "top_k", "reasoning"):
        number: object = getattr(settings, name)
        if isinstance(number, int) and number > _MAX_NUMBER:
            raise UnsupportedError(f"settings.{name}: the service takes no number above {_MAX_NUMBER}")
    _check_share(settings.temperature, "settings.temperature")
    _check_share(settings.top_p, "settings.top_p")
    if settings.top_k is not None and type(settings.top_k) is not int:
        raise UnsupportedError(f"settings.top_k: it must be a whole number, not {settings.top_k!r}")
    sequences = settings.stop_sequences or ()
    if len(sequences) > _MAX_STOP_SEQUENCES:
        raise UnsupportedError(f"settings.stop_sequences: {len(sequences)} are more than {_MAX_STOP_SEQUENCES}")
    for index, sequence in enumerate(sequences):
        path = f"settings.stop_sequences[{index}]"
        check_text(sequence, path)
        if not sequence:
            raise UnsupportedError(f"{path}: it is empty")


def _check_share(value: object, path: str) -> None:
    if value is None:
        return
    # NaN is not between any two numbers.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UnsupportedError(f"{path}: Bedrock takes a number from 0 to 1, not {value!r}")


def check_tools(tools: Sequence[Tool]) -> None:
    """Refuse tools that every model refuses.

    Raises:
        UnsupportedError: Two have one name, or a schema is no JSON or describes something else than an object.
    """
    seen: dict[str, int] = {}
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        first = seen.setdefault(tool.name, index)
        if first != index:
            raise UnsupportedError(f"{path}.name: {tool.name!r} is the name of tools[{first}] too")
        check_text(tool.description, f"{path}.description")
        check_json(tool.schema, f"{path}.schema", tuples=True)
        kind: object = tool.schema.get("type", "object")
        if kind != "object":
            raise UnsupportedError(f"{path}.schema.type: a tool takes an object, not {kind!r}")


def argument_schema(tool: Tool, path: str, scope: Scope) -> dict[str, Any]:
    """Return the schema of a tool's arguments, which says that they are an object: the service wants it said."""
    if "type" in tool.schema:
        return tool.schema
    why = "Bedrock wants a schema to say that the arguments are an object, which they always are"
    scope.note("lossless", "schema-type-added", f"{path}.schema", why)
    return {"type": "object", **tool.schema}
