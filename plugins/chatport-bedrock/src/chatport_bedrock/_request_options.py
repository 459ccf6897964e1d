"""What a request can ask of Bedrock and of no other service, typed: the members without a neutral name.

Names and limits are those of `ConverseRequest` and `ConverseStreamRequest` in the service model of Bedrock Runtime.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from chatport.backend import CachePoint
from chatport_bedrock._capabilities import TOOL_NAME

__all__ = ["BedrockOptions", "Guardrail", "GuardrailTrace", "Latency", "ServiceTier", "StreamMode"]

GuardrailTrace: TypeAlias = Literal["enabled", "disabled", "enabled_full"]
StreamMode: TypeAlias = Literal["sync", "async"]
Latency: TypeAlias = Literal["standard", "optimized"]
ServiceTier: TypeAlias = Literal["priority", "default", "flex", "reserved"]
CACHE_LIVES: Final = ("5m", "1h")
MEMBERS: Final = frozenset(
    {
        *{"additionalModelRequestFields", "additionalModelResponseFieldPaths", "guardrailConfig", "inferenceConfig"},
        *{"messages", "outputConfig", "performanceConfig", "promptVariables", "requestMetadata", "serviceTier"},
        *{"system", "toolConfig"},
    }
)
"""The members of a body."""

_GUARDRAIL: Final = re.compile(
    r"[a-z0-9]{1,2048}|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+"
)
_GUARDRAIL_VERSION: Final = re.compile(r"[1-9][0-9]{0,7}|DRAFT")
_TOOL_NAME: Final = re.compile(TOOL_NAME)
_METADATA_KEY: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{1,256}")
_METADATA_VALUE: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
MAX_METADATA: Final = 16
MAX_PATHS: Final = 10
MAX_PATH: Final = 256
MAX_EFFORT: Final = 16
# RFC 6901, and not the whole document, which the service refuses.
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
# Where Claude says which stop sequence it met: in a whole answer, and in a stream. A path to nothing is ignored.
_STOP_SEQUENCE_PATHS: Final = ("/stop_sequence", "/delta/stop_sequence")


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A guardrail that checks what goes to the model and what comes from it.

    Attributes:
        identifier: Its id, or its ARN.
        version: A number, or `"DRAFT"`.
        trace: Whether the answer says what was found: `"enabled"` what was intervened upon, `"enabled_full"` all of
            it. `response_facts` reads it. None leaves it to the service.
        stream_mode: Of a stream: `"sync"` checks each piece before it is passed on, `"async"` passes pieces on at
            once, and may intervene after the reader has seen them. A whole answer is always checked first.
    """

    identifier: str
    version: str = "DRAFT"
    trace: GuardrailTrace | None = None
    stream_mode: StreamMode | None = None

    def __post_init__(self) -> None:
        """Refuse what the service would refuse."""
        _match(_GUARDRAIL, self.identifier, "identifier", "the id or the ARN of a guardrail")
        _match(_GUARDRAIL_VERSION, self.version, "version", "a number from 1, as a str, or 'DRAFT'")
        _one_of(self.trace, GuardrailTrace, "trace")
        _one_of(self.stream_mode, StreamMode, "stream_mode")

    def wire_members(self) -> dict[str, Any]:
        """Return it as the service's `guardrailConfig`."""
        members = {
            "guardrailIdentifier": self.identifier,
            "guardrailVersion": self.version,
            "trace": self.trace,
            "streamProcessingMode": self.stream_mode,
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BedrockOptions(Mapping[str, Any]):
    """The typed form of `Settings.extra["bedrock"]`: what only Bedrock has.

        Settings(extra={"bedrock": BedrockOptions(guardrail=Guardrail("gr1d3xample", "1"), service_tier="flex")})

    It is a mapping, of the service's members by their names on the wire. So it stands where a dict would, merges with
    the `extra` of other settings, and can be put together with members that it does not know:
    `{**BedrockOptions(...), "newMember": 1}`.

    Attributes:
        guardrail: What checks the exchange.
        model_fields: Members that go to the model as they are (`additionalModelRequestFields`).
        anthropic_beta: Beta features of Claude, such as `"context-1m-2025-08-07"`; they go into the model's fields.
        response_field_paths: JSON Pointers into the model's own answer; what stands there comes back as
            `ResponseFacts.model_fields`.
        report_stop_sequence: Whether Claude is to say which of the stop sequences it met, which Converse does not:
            `ResponseFacts.stop_sequence`.
        prompt_variables: Values for the variables of a stored prompt, where the model is the ARN of one.
        request_metadata: 1 to 16 names and values to find the request by in the invocation logs.
        latency: `"optimized"` asks for the faster variant of a model that has one.
        service_tier: Which tier serves and bills the request.
        effort: How much work the model puts into the answer, such as `"low"` or `"high"`; up to 16 characters.
        system_tools: Tools that the service runs itself, such as `"nova_grounding"` or `"nova_code_interpreter"`.
            They are offered behind the tools of the request.
        tools_cache_point: A mark behind all tools: they are worth caching.
    """

    guardrail: Guardrail | None = None
    model_fields: Mapping[str, Any] | None = None
    anthropic_beta: Sequence[str] = ()
    response_field_paths: Sequence[str] = ()
    report_stop_sequence: bool = False
    prompt_variables: Mapping[str, str] | None = field(default=None, repr=False)
    request_metadata: Mapping[str, str] | None = field(default=None, repr=False)
    latency: Latency | None = None
    service_tier: ServiceTier | None = None
    effort: str | None = None
    system_tools: Sequence[str] = ()
    tools_cache_point: CachePoint | None = None

    def __post_init__(self) -> None:
        """Refuse what the service would refuse; take lists for tuples, and copies of what could be changed later."""
        for name in ("anthropic_beta", "response_field_paths", "system_tools"):
            object.__setattr__(self, name, _texts(getattr(self, name), name))
        for name in ("prompt_variables", "request_metadata"):
            object.__setattr__(self, name, _named_texts(getattr(self, name), name))
        _check_kind(self.model_fields, Mapping, "model_fields", "a mapping of members to JSON values")
        object.__setattr__(self, "model_fields", copy.deepcopy(self.model_fields))
        _check_kind(self.guardrail, Guardrail, "guardrail", "a Guardrail")
        _check_kind(self.tools_cache_point, CachePoint, "tools_cache_point", "a CachePoint")
        _check_kind(self.effort, str, "effort", "a str, such as 'low' or 'high'")
        _one_of(self.latency, Latency, "latency")
        _one_of(self.service_tier, ServiceTier, "service_tier")
        _check_paths(self._paths())
        _check_metadata(self.request_metadata)
        for tool in self.system_tools:
            _match(_TOOL_NAME, tool, "system_tools", "1 to 64 letters, digits, '_' or '-'")
        if self.effort is not None and not 0 < len(self.effort) <= MAX_EFFORT:
            raise ValueError(f"effort has 1 to {MAX_EFFORT} characters, such as 'low' or 'high': {self.effort!r}")
        if self.anthropic_beta and "anthropic_beta" in (self.model_fields or {}):
            raise ValueError("anthropic_beta stands in model_fields too: say it once")
        ttl = None if self.tools_cache_point is None else self.tools_cache_point.ttl
        if ttl is not None and ttl not in CACHE_LIVES:
            raise ValueError(f"tools_cache_point: Bedrock keeps things for {' or '.join(CACHE_LIVES)}, not {ttl!r}")

    def __getitem__(self, name: str) -> Any:
        """Return one member, by its name on the wire."""
        return self.wire_members()[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the members that are sent."""
        return iter(self.wire_members())

    def __len__(self) -> int:
        """Return how many members are sent."""
        return len(self.wire_members())

    def wire_members(self) -> dict[str, Any]:
        """Return what is sent, by the service's names."""
        fields = copy.deepcopy(dict(self.model_fields or {}))
        if self.anthropic_beta:
            fields["anthropic_beta"] = list(self.anthropic_beta)
        tools = self._tools()
        members = {
            "guardrailConfig": self.guardrail.wire_members() if self.guardrail else None,
            "additionalModelRequestFields": fields,
            "additionalModelResponseFieldPaths": list(self._paths()),
            "promptVariables": {name: {"text": text} for name, text in (self.prompt_variables or {}).items()},
            "requestMetadata": dict(self.request_metadata or {}),
            "performanceConfig": {"latency": self.latency} if self.latency else None,
            "serviceTier": {"type": self.service_tier} if self.service_tier else None,
            "outputConfig": {"effort": self.effort} if self.effort else None,
            "toolConfig": {"tools": tools} if tools else None,
        }
        return {name: value for name, value in members.items() if value}

    def _paths(self) -> tuple[str, ...]:
        asked = (*self.response_field_paths, *(_STOP_SEQUENCE_PATHS if self.report_stop_sequence else ()))
        return tuple(dict.fromkeys(asked))

    def _tools(self) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = [{"systemTool": {"name": name}} for name in self.system_tools]
        if self.tools_cache_point is not None:
            ttl = {} if self.tools_cache_point.ttl is None else {"ttl": self.tools_cache_point.ttl}
            tools.append({"cachePoint": {"type": "default", **ttl}})
        return tools


def _check_kind(value: object, kind: type, name: str, wanted: str) -> None:
    """Refuse a value of another type; it may be secret, so the message says its type only."""
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} is {wanted}, not a {type(value).__name__}")


def _texts(values: object, name: str) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError(f"{name} is a sequence of str, not one str")
    if not isinstance(values, Sequence) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} is a sequence of str")
    return tuple(values)


def _named_texts(values: object, name: str) -> dict[str, str] | None:
    _check_kind(values, Mapping, name, "a mapping of str to str")
    if not isinstance(values, Mapping):
        return None
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"{name} is a mapping of str to str; {key!r} has a {type(value).__name__}")
    return dict(values)


def _match(pattern: re.Pattern[str], text: object, name: str, wanted: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{name} is {wanted}, not a {type(text).__name__}")
    if not pattern.fullmatch(text):
        raise ValueError(f"{name}: {text!r} is not {wanted}")


def _one_of(value: str | None, choices: Any, name: str) -> None:
    known = get_args(choices)
    if value is not None and value not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")


def _check_paths(paths: Sequence[str]) -> None:
    if len(paths) > MAX_PATHS:
        raise ValueError(f"response_field_paths: at most {MAX_PATHS} paths can be asked for, not {len(paths)}")
    for path in paths:
        if len(path) > MAX_PATH or not _POINTER.fullmatch(path):
            raise ValueError(f"response_field_paths: {path!r} is no JSON Pointer of up to {MAX_PATH} characters")


def _check_metadata(metadata: Mapping[str, str] | None) -> None:
    if metadata is None:
        return
    if not 0 < len(metadata) <= MAX_METADATA:
        raise ValueError(f"request_metadata has 1 to {MAX_METADATA} entries, not {len(metadata)}")
    for name, value in metadata.items():
        # The values may be secret: the message names the entry only.
        if not _METADATA_KEY.fullmatch(name) or not _METADATA_VALUE.fullmatch(value):
            raise ValueError(
                f"request_metadata: name or value of {name!r} is too long (256) or has a character besides letters, "
                "digits, white space and : _ @ $ # = / + , - ."
            )
