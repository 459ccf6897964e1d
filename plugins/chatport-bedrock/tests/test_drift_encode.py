"""The service model of the installed botocore has no member of a request that cannot be said.

Each case is a request as a caller writes it, and the members of the service's shapes that it is there for; a test
translates it and finds them in the body. When botocore learns a new member or a new word of an enum, a test here fails
and names it: find it a place, or write down why it has none. Until then `Settings.extra` and `Opaque` say it.
"""

from collections.abc import Iterator
from typing import Any, Literal, get_args

import botocore.session
import pytest
from bedrock_support.encode_cases import CASES, MODEL, Medium, options, user

from chatport.backend import Audio, CachePoint, ChatRequest, Document, Image, Opaque, Text, UnsupportedError, Video
from chatport_bedrock import GuardQualifier, Guardrail, GuardrailTrace, Latency, ServiceTier, StreamMode, guard_content
from chatport_bedrock import _request_options as limits
from chatport_bedrock._blocks import NOT_IN_SYSTEM
from chatport_bedrock._body import plain_body
from chatport_bedrock._media_formats import media_type_of
from chatport_bedrock._operation_members import fit_operation
from chatport_bedrock._translate import translate
from chatport_bedrock._typed_blocks import GUARD_IMAGES
from chatport_bedrock.emulator._shapes import find_violations

SERVICE: Any = botocore.session.Session().get_service_model("bedrock-runtime")
Operation = Literal["Converse", "ConverseStream"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
# Members of requests that stand elsewhere.
ELSEWHERE: dict[str, str] = {"*.modelId": "in the address; `Translation.model`"}

# Words of enums that no request says, and why.
UNSAID: dict[str, str] = {
    "AudioFormat=mkv": "another word for mka, which its media type leads to",
    "AudioFormat=mpeg": "another word for mp3, which its media type leads to",
    "AudioFormat=mpga": "another word for mp3, which its media type leads to",
    "VideoFormat=mpg": "another word for mpeg, which its media type leads to",
}


def formats(kind: type[Medium], enum: str) -> Iterator[ChatRequest]:
    """One request for each format that a kind of media can have."""
    for name in SERVICE.shape_for(enum).enum:
        media_type = media_type_of(kind, name)
        if media_type is not None:
            yield user(kind(media_type, b"a"))


# Requests for the words of enums that the cases do not say.
WORDS: list[ChatRequest] = [
    *formats(Image, "ImageFormat"),
    *formats(Document, "DocumentFormat"),
    *formats(Audio, "AudioFormat"),
    *formats(Video, "VideoFormat"),
    *(user(guard_content(Image(media_type, b"a"))) for media_type in GUARD_IMAGES),
    *(user(guard_content("a", qualifiers=[word])) for word in get_args(GuardQualifier)),
    *(options(guardrail=Guardrail("a", trace=word)) for word in get_args(GuardrailTrace)),
    *(options(guardrail=Guardrail("a", stream_mode=word)) for word in get_args(StreamMode)),
    *(options(latency=word) for word in get_args(Latency)),
    *(options(service_tier=word) for word in get_args(ServiceTier)),
    *(user(CachePoint(ttl)) for ttl in limits.CACHE_LIVES),
]


def input_shape(operation: Operation) -> Any:
    """The shape of an operation's request."""
    return SERVICE.operation_model(operation).input_shape


def known(operation: Operation) -> tuple[set[str], set[str]]:
    """Every member of every structure of a request, and every word of every enum in it."""
    found: set[str] = set()
    words: set[str] = set()
    seen: set[str] = set()

    def walk(shape: Any, name: str) -> None:
        if name in seen or getattr(shape, "is_document_type", False):
            return
        seen.add(name)
        match shape.type_name:
            case "structure":
                found.update(f"{name}.{member}" for member in shape.members)
                for inner in shape.members.values():
                    walk(inner, inner.name)
            case "list":
                walk(shape.member, shape.member.name)
            case "map":
                walk(shape.value, shape.value.name)
            case "string":
                words.update(f"{name}={word}" for word in shape.enum)
            case _:
                pass

    walk(input_shape(operation), "*")
    return found, words


def said(value: Any, shape: Any, name: str = "*") -> Iterator[str]:
    """The members and words that a body says, as `known` names them."""
    if getattr(shape, "is_document_type", False):
        return
    match shape.type_name:
        case "structure":
            for member, inner in value.items():
                yield f"{name}.{member}"
                yield from said(inner, shape.members[member], shape.members[member].name)
        case "list":
            for item in value:
                yield from said(item, shape.member, shape.member.name)
        case "map":
            for item in value.values():
                yield from said(item, shape.value, shape.value.name)
        case "string" if shape.enum:
            yield f"{name}={value}"
        case _:
            pass


def body_of(request: ChatRequest, operation: Operation) -> dict[str, Any]:
    """What goes over the wire, and that the service model has nothing against it."""
    body = plain_body(fit_operation(translate(request), streams=operation == "ConverseStream").body)
    assert not list(find_violations(body, input_shape(operation)))
    return body


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", CASES)
def test_every_case_says_what_it_is_there_for(name: str, operation: Operation) -> None:
    """The translated body holds each of these members, and fits the service model."""
    request, expected = CASES[name]
    there, _ = known(operation)
    assert expected & there <= set(said(body_of(request, operation), input_shape(operation)))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_member_of_a_request_can_be_said(operation: Operation) -> None:
    """Each is in a case, or listed with the place where it stands instead; and no table is about nothing."""
    there, _ = known(operation)
    in_cases = set[str]().union(*(expected for _, expected in CASES.values()))
    assert there - in_cases - ELSEWHERE.keys() == set()
    everything = set[str]().union(*(known(other)[0] for other in OPERATIONS))
    assert (in_cases | ELSEWHERE.keys()) - everything == set()
    assert not in_cases & ELSEWHERE.keys()


def test_the_model_stands_in_the_address() -> None:
    """As the caller gave it."""
    assert translate(user()).model == MODEL


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_word_of_every_enum_can_be_said(operation: Operation) -> None:
    """By one of the requests above; those that cannot are listed with the reason."""
    requests = [*(request for request, _ in CASES.values()), *WORDS]
    _, there = known(operation)
    found = {word for request in requests for word in said(body_of(request, operation), input_shape(operation))}
    assert there - found - UNSAID.keys() == set()
    assert not found & UNSAID.keys()
    assert UNSAID.keys() <= there


def test_both_operations_take_the_same() -> None:
    """… but for one member: what one takes and the other does not has to be decided, as `fit_operation` does."""
    whole, stream = (known(operation)[0] for operation in OPERATIONS)
    differences = {name for name in whole ^ stream if not name.startswith("Guardrail")}
    assert differences == set()
    assert {name.partition(".")[2] for name in stream if name.startswith("GuardrailStreamConfiguration.")} - {
        name.partition(".")[2] for name in whole if name.startswith("GuardrailConfiguration.")
    } == {"streamProcessingMode"}


def test_what_the_system_prompt_does_not_take_is_known() -> None:
    """Blocks of messages that it has no member for are refused there; those that it has go out."""
    messages, system = (set(SERVICE.shape_for(name).members) for name in ("ContentBlock", "SystemContentBlock"))
    assert messages - system == NOT_IN_SYSTEM
    for kind in sorted(messages):
        request = user(system=(Text("a"), Opaque("bedrock", {kind: {}})))
        if kind in system:
            assert translate(request).body["system"] == [{"text": "a"}, {kind: {}}]
        else:
            with pytest.raises(UnsupportedError, match=rf"^system\[1\]: Bedrock takes no {kind} in the system prompt"):
                translate(request)


def test_the_members_of_a_body_are_known() -> None:
    """So that one that stands in the wrong place is found."""
    for operation in OPERATIONS:
        assert set(input_shape(operation).members) == limits.MEMBERS | {"modelId"}


def test_limits_are_those_of_the_service_model() -> None:
    """What `BedrockOptions` refuses is what the model refuses."""

    def bounds(name: str) -> Any:
        return SERVICE.shape_for(name).metadata

    paths = bounds("ConverseRequestAdditionalModelResponseFieldPathsList")
    path = bounds("ConverseRequestAdditionalModelResponseFieldPathsListMemberString")
    assert (paths["max"], path["max"]) == (limits.MAX_PATHS, limits.MAX_PATH)
    assert bounds("RequestMetadata")["max"] == limits.MAX_METADATA
    assert bounds("OutputConfigEffortString")["max"] == limits.MAX_EFFORT
    assert bounds("RequestMetadataKeyString")["pattern"] == r"[a-zA-Z0-9\s:_@$#=/+,-.]{1,256}"
    assert bounds("RequestMetadataValueString")["pattern"] == r"[a-zA-Z0-9\s:_@$#=/+,-.]{0,256}"
    assert bounds("ToolName")["pattern"] == r"[a-zA-Z0-9_-]+"
    assert bounds("GuardrailVersion")["pattern"] == "(|([1-9][0-9]{0,7})|(DRAFT))"
    assert bounds("AccountId")["pattern"] == "[0-9]{12}"
    assert bounds("ToolReferenceNameString")["max"] == 128
    assert bounds("ToolReferenceTypeString")["max"] == 64
