"""Every limit in the service model of the installed botocore has somebody who keeps to it.

The tables are the decisions. When botocore learns a new limit, or another figure for an old one, a test here fails and
names it: decide who sees to it, and write it down. Lengths and ranges stand as `1..64`, an open end is left out; a
pattern or an enum is named as such, and those that are used word for word are compared below.
"""

import re
from typing import Any

import botocore.session
import pytest

from chatport.backend import Audio, Document, Image, Media, Video
from chatport_bedrock import _blocks, _cache_points, _call_names, _document_names, _media_limits, _request_limits
from chatport_bedrock._capabilities import TOOL_NAME
from chatport_bedrock._media_formats import formats_of
from chatport_bedrock._request_options import CACHE_LIVES

SERVICE: Any = botocore.session.Session().get_service_model("bedrock-runtime")

# --- the decisions ---------------------------------------------------------------------------------------------------

# Refused by `translate` with the caller's place; `test_limits` breaks each of them.
REFUSED = {
    "ConverseRequest.modelId": "1..2048 pattern",
    "ImageSource.bytes": "1..",
    "DocumentSource.bytes": "1..",
    "VideoSource.bytes": "1..",
    "AudioSource.bytes": "1..",
    "S3Location.uri": "1..1024 pattern",
    "S3Location.bucketOwner": "pattern",
    "ToolResultBlock.status": "enum",
    "CachePointBlock.ttl": "enum",
    "InferenceConfiguration.maxTokens": "1..",
    "InferenceConfiguration.temperature": "0..1",
    "InferenceConfiguration.topP": "0..1",
    "InferenceConfiguration.stopSequences": "0..2500",
    "InferenceConfiguration.stopSequences[]": "1..",
}
# Nothing else can be said, or what is wrong is mended and reported; and how.
_NAMES = "names and ids that the service refuses are replaced: `_call_names`"
_FORMATS = "the table of formats has no others: `_media_formats`"
_OWN_WORD = "no other word is ever written"
_CHOSEN = "a choice names a tool on offer, by its name on the wire"
_NO_BLANKS = "blank texts are left out"
MENDED = {
    "Message.role": ("enum", _OWN_WORD),
    "ImageBlock.format": ("enum", _FORMATS),
    "DocumentBlock.format": ("enum", _FORMATS),
    "DocumentBlock.name": ("1..200", "names are cleaned and cut: `_document_names`"),
    "VideoBlock.format": ("enum", _FORMATS),
    "AudioBlock.format": ("enum", _FORMATS),
    "ToolUseBlock.toolUseId": ("1..64 pattern", f"{_NAMES}; those that the service issued go back as they came"),
    "ToolUseBlock.name": ("1..64 pattern", _NAMES),
    "ToolUseBlock.type": ("enum", _OWN_WORD),
    "ToolResultBlock.toolUseId": ("1..64 pattern", _NAMES),
    "CachePointBlock.type": ("enum", _OWN_WORD),
    "SystemContentBlock.text": ("1..", _NO_BLANKS),
    "ToolConfiguration.tools": ("1..", "without a tool there is no toolConfig"),
    "ToolSpecification.name": ("1..64 pattern", _NAMES),
    "ToolSpecification.description": ("1..", _NO_BLANKS),
    "SpecificToolChoice.name": ("1..64 pattern", _CHOSEN),
    "OutputFormat.type": ("enum", _OWN_WORD),
}
# Refused where the caller writes it, with `BedrockOptions` or a function for typed content.
_OPTIONS = "the typed options check it; in a dict of the service's own words the service does"
_CONTENT = "the functions for typed content check it"
_REPLAYED = "a citation goes back word for word, as the service gave it"
TYPED = {
    "GuardrailConverseTextBlock.qualifiers[]": ("enum", _CONTENT),
    "GuardrailConverseImageBlock.format": ("enum", _CONTENT),
    "GuardrailConverseImageSource.bytes": ("1..", _CONTENT),
    "ToolReference.type": ("1..64", _CONTENT),
    "ToolReference.name": ("1..128", _CONTENT),
    "ToolReference.serverName": ("1..128", _CONTENT),
    "SystemTool.name": ("1..64 pattern", _OPTIONS),
    "GuardrailConfiguration.guardrailIdentifier": ("0..2048 pattern", _OPTIONS),
    "GuardrailConfiguration.guardrailVersion": ("pattern", _OPTIONS),
    "GuardrailConfiguration.trace": ("enum", _OPTIONS),
    "GuardrailStreamConfiguration.guardrailIdentifier": ("0..2048 pattern", _OPTIONS),
    "GuardrailStreamConfiguration.guardrailVersion": ("pattern", _OPTIONS),
    "GuardrailStreamConfiguration.trace": ("enum", _OPTIONS),
    "GuardrailStreamConfiguration.streamProcessingMode": ("enum", _OPTIONS),
    "ConverseRequest.additionalModelResponseFieldPaths": ("0..10", _OPTIONS),
    "ConverseRequest.additionalModelResponseFieldPaths[]": ("1..256", _OPTIONS),
    "ConverseRequest.requestMetadata": ("1..16", _OPTIONS),
    "ConverseRequest.requestMetadata{name}": ("1..256 pattern", _OPTIONS),
    "ConverseRequest.requestMetadata{}": ("0..256 pattern", _OPTIONS),
    "PerformanceConfiguration.latency": ("enum", _OPTIONS),
    "ServiceTier.type": ("enum", _OPTIONS),
    "OutputConfig.effort": ("0..16", _OPTIONS),
    **{
        f"{location}.{member}": ("0..", _REPLAYED)
        for location, index in {
            "DocumentCharLocation": "documentIndex",
            "DocumentPageLocation": "documentIndex",
            "DocumentChunkLocation": "documentIndex",
            "SearchResultLocation": "searchResultIndex",
        }.items()
        for member in (index, "start", "end")
    },
}

# --- reading the service model ---------------------------------------------------------------------------------------


def limit_of(shape: Any) -> str:
    """The limits of a shape, as the tables write them."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    found = [] if low is None and high is None else [f"{'' if low is None else low}..{'' if high is None else high}"]
    found += ["pattern"] if "pattern" in shape.metadata else []
    found += ["enum"] if getattr(shape, "enum", None) else []
    return " ".join(found)


def limits() -> dict[str, str]:
    """Every limit in the requests of both operations, by structure and member; a stream's under the same name."""
    found: dict[str, str] = {}
    seen: set[str] = set()

    def walk(shape: Any, place: str) -> None:
        if limit := limit_of(shape):
            name = place.replace("ConverseStreamRequest.", "ConverseRequest.")
            assert found.setdefault(name, limit) == limit, place
        if shape.type_name == "list":
            walk(shape.member, f"{place}[]")
        elif shape.type_name == "map":
            walk(shape.key, f"{place}{{name}}")
            walk(shape.value, f"{place}{{}}")
        elif shape.type_name == "structure" and not shape.is_document_type and shape.name not in seen:
            seen.add(shape.name)
            for name, member in shape.members.items():
                walk(member, f"{shape.name}.{name}")

    for operation in ("Converse", "ConverseStream"):
        walk(SERVICE.operation_model(operation).input_shape, operation)
    return found


def shape_of(name: str) -> Any:
    """A shape by its name."""
    return SERVICE.shape_for(name)


# --- nothing is undecided --------------------------------------------------------------------------------------------


def test_every_limit_has_somebody_who_keeps_to_it() -> None:
    """The tables have all limits that botocore knows, with its figures, each one once, and no other."""
    decided = {**REFUSED, **{place: limit for place, (limit, _) in {**MENDED, **TYPED}.items()}}
    assert decided == limits()
    assert len(decided) == len(REFUSED) + len(MENDED) + len(TYPED)


PATTERNS: list[tuple[str, re.Pattern[str], str]] = [
    ("ToolName", re.compile(TOOL_NAME), "{1,64}"),
    ("ToolUseId", _call_names._CALL_ID, "{1,64}"),
    ("S3Uri", _media_limits._S3_URI, ""),
    ("AccountId", _media_limits._ACCOUNT, ""),
]


@pytest.mark.parametrize(("name", "pattern", "lengths"), PATTERNS, ids=[each[0] for each in PATTERNS])
def test_patterns_are_those_of_the_service(name: str, pattern: re.Pattern[str], lengths: str) -> None:
    """Word for word, but for the lengths that stand in them here, and groups and backslashes that change nothing."""
    service = shape_of(name).metadata["pattern"]
    wanted = service.removesuffix("+") + lengths if lengths else service
    assert plain(pattern.pattern) == plain(wanted)


def plain(pattern: str) -> str:
    """A pattern without what makes no difference to what it matches."""
    return pattern.replace("(?:", "(").replace("\\.", ".").replace("\\-", "-")


def test_figures_are_those_of_the_service() -> None:
    """Lengths and counts that the code has as constants."""
    assert shape_of("ToolName").metadata["max"] == _call_names._MAX_NAME
    assert shape_of("S3Uri").metadata["max"] == _media_limits._MAX_URI
    assert shape_of("ConversationalModelId").metadata["max"] == _request_limits._MAX_MODEL
    assert shape_of("DocumentBlockNameString").metadata["max"] == _document_names.MAX_NAME_LENGTH
    sequences = shape_of("InferenceConfigurationStopSequencesList")
    assert sequences.metadata["max"] == _request_limits._MAX_STOP_SEQUENCES
    assert set(shape_of("ToolResultStatus").enum) == set(_blocks._STATUSES)
    assert set(shape_of("CacheTTL").enum) == set(_cache_points._LIVES) == set(CACHE_LIVES)
    assert shape_of("ToolUseType").enum == [_blocks._SERVER_TOOL]


@pytest.mark.parametrize("kind", [Image, Document, Audio, Video])
def test_formats_are_those_of_the_service(kind: type[Media]) -> None:
    """Every format that is ever written is one of the service's."""
    assert set(formats_of(kind)) <= set(shape_of(f"{kind.__name__}Format").enum)


def test_a_new_limit_would_be_seen() -> None:
    """The walk reads figures, patterns and enums, and tells an open end from a closed one."""
    assert limit_of(shape_of("ToolName")) == "1..64 pattern"
    assert limit_of(shape_of("NonEmptyString")) == "1.."
    assert limit_of(shape_of("ImageFormat")) == "enum"
    assert not limit_of(shape_of("Message"))
