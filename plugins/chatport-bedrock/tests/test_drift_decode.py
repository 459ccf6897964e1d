"""The service model of the installed botocore holds nothing that the decoder has not decided about.

The tables are the decisions. When botocore learns a new event, delta, block, member, stop reason or exception, a test
here fails and names it: decide whether a part can say it, and write down which, or why not. Until then it is not lost:
what the decoder does not know comes out as `Opaque` or in the metadata of `MessageEnd`.
"""

from base64 import b64encode
from typing import Any

import botocore.session
import pytest
from bedrock_support.decode_decisions import BLOCKS, DELTAS, FACT, NOT_READ, READ, RESULTS, SYNONYMS
from bedrock_support.stream_frames import BEGIN, END, delta, frame, start, stop

from chatport.backend import (
    BackendEvent,
    ChatRequest,
    Fold,
    Message,
    MessageEnd,
    Opaque,
    Part,
    Reasoning,
    ToolCall,
    ToolResult,
)
from chatport_bedrock._answer import STOP_REASONS
from chatport_bedrock._body import plain_body
from chatport_bedrock._decode import StreamDecoder, decode_response
from chatport_bedrock._frames import Frame
from chatport_bedrock._translate import translate

MODEL = "newcomer.model-v1:0"
SERVICE: Any = botocore.session.Session().get_service_model("bedrock-runtime")
OPERATIONS = ("Converse", "ConverseStream")


# --- reading the service model ----------------------------------------------------------------------------------------


def structures() -> dict[str, Any]:
    """Every structure of an answer by its name; what is kept word for word is not looked into."""
    found: dict[str, Any] = {}

    def walk(shape: Any) -> None:
        if shape.type_name == "list":
            walk(shape.member)
        elif shape.type_name == "map":
            walk(shape.value)
        elif shape.type_name == "structure" and not shape.is_document_type and shape.name not in found:
            found[shape.name] = shape
            for name, member in shape.members.items():
                if name in READ.get(shape.name, ()):
                    walk(member)

    for operation in OPERATIONS:
        walk(SERVICE.operation_model(operation).output_shape)
    return found


# Where not any word will do.
_WORDS = {"S3Uri": "s3://bucket/key"}


def sample(shape: Any, *, chosen: dict[str, str] | None = None) -> Any:
    """A value as it stands on the wire: all that is read of a structure, one member of a union.

    Args:
        shape: The shape to follow.
        chosen: Which member to take of the unions with these names, instead of the first.
    """
    if getattr(shape, "is_document_type", False):
        return {"a": 1}
    match shape.type_name:
        case "structure":
            read = [name for name in shape.members if name in READ[shape.name]]
            if shape.is_tagged_union:
                read = [(chosen or {}).get(shape.name, read[0])]
            return {name: sample(shape.members[name], chosen=chosen) for name in read}
        case "list":
            return [sample(shape.member, chosen=chosen)]
        case "string":
            return shape.enum[0] if shape.enum else _WORDS.get(shape.name, "words")
        case "blob":
            return b64encode(b"bytes").decode()
        case "integer" | "long" | "boolean":
            return shape.type_name == "boolean" or 1
        case other:
            raise NotImplementedError(f"a {other} in {shape.name}: say here how it looks on the wire")


def shape_of(name: str) -> Any:
    """A shape by its name."""
    return SERVICE.shape_for(name)


def fold_stream(*frames: Frame) -> tuple[tuple[Part, ...], MessageEnd]:
    """The parts of a stream with these frames of blocks, and its end."""
    decoder, fold = StreamDecoder(model=MODEL, request_id=None), Fold()
    for one in (BEGIN, *frames, *END):
        for event in decoder.feed(one):
            fold.feed(event)
    assert fold.end is not None
    return fold.message().parts, fold.end


def fold_block(block: dict[str, Any]) -> Part:
    """The one part of a whole answer with this block."""
    fold = Fold()
    body = {"output": {"message": {"content": [block]}}, "stopReason": "end_turn"}
    for event in decode_response(body, model=MODEL, request_id=None):
        fold.feed(event)
    assert fold.end is not None
    assert not fold.end.metadata
    (part,) = fold.message().parts
    return part


# --- nothing is undecided ---------------------------------------------------------------------------------------------


def test_every_member_of_every_structure_is_decided() -> None:
    """What botocore knows of an answer is either read or listed with a reason; and no decision is about nothing."""
    known = {name: set(shape.members) for name, shape in structures().items()}
    listed: dict[str, set[str]] = {}
    for path in NOT_READ:
        name, member = path.split(".")
        listed.setdefault(name, set()).add(member)
    decided = {name: READ.get(name, set()) | listed.get(name, set()) for name in READ.keys() | listed.keys()}
    assert decided == known
    assert not [path for path in NOT_READ if path.split(".")[1] in READ.get(path.split(".")[0], ())]


def test_every_stop_reason_is_mapped() -> None:
    """The table has the service's words, all of them and no other."""
    assert set(STOP_REASONS) == set(shape_of("StopReason").enum)


def test_the_tables_of_kinds_are_complete() -> None:
    """Each kind that is read has its part."""
    assert set(BLOCKS) == READ["ContentBlock"]
    assert set(DELTAS) == READ["ContentBlockDelta"]
    assert set(RESULTS) == READ["ToolResultContentBlock"]


def test_the_only_type_of_tool_is_known() -> None:
    """Who runs a tool hangs on this one word."""
    assert shape_of("ToolUseType").enum == ["server_tool_use"]
    assert shape_of("ToolResultStatus").enum == ["success", "error"]
    assert shape_of("CachePointType").enum == ["default"]


# --- what is read comes out -------------------------------------------------------------------------------------------


def _choices(union: str) -> list[str]:
    return [name for name in shape_of(union).members if name in READ[union]]


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_block_that_is_read(kind: str) -> None:
    """A block with all that is read of it becomes its part, not an Opaque."""
    assert type(fold_block({kind: sample(shape_of("ContentBlock").members[kind])})) is BLOCKS[kind]


@pytest.mark.parametrize("kind", [path.split(".")[1] for path in NOT_READ if path.startswith("ContentBlock.")])
def test_every_block_that_is_not_read(kind: str) -> None:
    """A block that no part says stays what it is."""
    assert fold_block({kind: {"words": ["a"]}}) == Opaque("bedrock", {kind: {"words": ["a"]}})


@pytest.mark.parametrize("kind", shape_of("ContentBlock").members)
def test_every_block_goes_back_as_it_came(kind: str) -> None:
    """Of an answer that is sent back, the block is the one that came: nothing is added and nothing left out."""
    block = {kind: sample(shape_of("ContentBlock").members[kind])} if kind in BLOCKS else {kind: {"words": ["a"]}}
    part = fold_block(block)
    results = [ToolResult(part.id, "done")] if isinstance(part, ToolCall) and part.executed_by == "client" else []
    messages = [Message.user("Hi"), Message.assistant("Look:", part), Message.user(*results, "Go on.")]
    body = plain_body(translate(ChatRequest(MODEL, tuple(messages))).body)
    assert [sent for message in body["messages"] for sent in message["content"]].count(block) == 1


@pytest.mark.parametrize("kind", DELTAS)
def test_every_delta_that_is_read(kind: str) -> None:
    """A delta with all that is read of it becomes its part, and nothing of it is unknown."""
    starts = shape_of("ContentBlockStart").members
    begun = [start(0, **{kind: sample(starts[kind])})] if kind in starts else []
    value = "{}" if kind == "toolUse" else None
    piece = {"input": value} if value else sample(shape_of("ContentBlockDelta").members[kind])
    parts, end = fold_stream(*begun, delta(0, **{kind: piece}), stop(0))
    assert [type(part) for part in parts] == [DELTAS[kind]]
    assert "unknown" not in end.metadata["bedrock"]


def test_every_start_that_is_read() -> None:
    """Each start has a delta of the same name, whose test begins with it."""
    assert READ["ContentBlockStart"] <= READ["ContentBlockDelta"]


@pytest.mark.parametrize("choice", _choices("ReasoningContentBlockDelta"))
def test_every_piece_of_reasoning(choice: str) -> None:
    """Words, signature and redacted bytes each have their field."""
    piece = sample(shape_of("ReasoningContentBlockDelta").members[choice])
    (part,), end = fold_stream(delta(0, reasoningContent={choice: piece}), stop(0))
    assert isinstance(part, Reasoning)
    field = {"text": part.text, "signature": part.signature, "redactedContent": part.redacted}[choice]
    assert field == (b"bytes" if choice == "redactedContent" else "words")
    assert "unknown" not in end.metadata["bedrock"]


@pytest.mark.parametrize("choice", _choices("ReasoningContentBlock"))
def test_every_block_of_reasoning(choice: str) -> None:
    """Both kinds of reasoning come out of a whole answer."""
    block = sample(shape_of("ContentBlock").members["reasoningContent"], chosen={"ReasoningContentBlock": choice})
    assert isinstance(fold_block({"reasoningContent": block}), Reasoning)


@pytest.mark.parametrize("choice", _choices("ToolResultContentBlock"))
def test_every_content_of_a_result(choice: str) -> None:
    """Each kind of content of a server tool's result becomes its part."""
    block = sample(shape_of("ContentBlock").members["toolResult"], chosen={"ToolResultContentBlock": choice})
    part = fold_block({"toolResult": block})
    assert isinstance(part, ToolResult)
    assert [type(item) for item in part.content] == [RESULTS[choice]]


@pytest.mark.parametrize("choice", _choices("ToolResultBlockDelta"))
def test_every_piece_of_a_result(choice: str) -> None:
    """… and so does each that streams."""
    piece = {choice: sample(shape_of("ToolResultBlockDelta").members[choice])}
    (part,), _ = fold_stream(start(0, toolResult={"toolUseId": "1"}), delta(0, toolResult=[piece]), stop(0))
    assert isinstance(part, ToolResult)
    assert [type(item) for item in part.content] == [RESULTS[choice]]


@pytest.mark.parametrize("kind", ["image", "document", "video", "audio"])
def test_every_source_and_format_of_media(kind: str) -> None:
    """Bytes and addresses, and every format; those that would come back under another name stay as they are."""
    shape = shape_of("ContentBlock").members[kind]
    source, formats = shape.members["source"], shape.members["format"]
    for choice in _choices(source.name):
        for name in formats.enum:
            block = {kind: sample(shape, chosen={source.name: choice}) | {"format": name}}
            expected = Opaque if name in SYNONYMS.get(formats.name, ()) else BLOCKS[kind]
            assert type(fold_block(block)) is expected, block


_OPAQUE_MEMBERS = [
    path for path in NOT_READ if path.split(".")[0] in {"ImageBlock", "AudioBlock", "DocumentBlock", "DocumentSource"}
]


@pytest.mark.parametrize("path", _OPAQUE_MEMBERS)
def test_what_makes_a_block_opaque(path: str) -> None:
    """A member that no part has a place for keeps its block word for word: it is not left out in silence."""
    name, member = path.split(".")
    tried = 0
    for kind in ("image", "document", "video", "audio"):
        shape = shape_of("ContentBlock").members[kind]
        block = sample(shape, chosen={shape.members["source"].name: "s3Location"})
        if shape.name == name:
            block[member] = {"words": "a"}
        elif shape.members["source"].name == name:
            block["source"] = {member: "words"}
        else:
            continue
        tried += 1
        assert fold_block({kind: block}) == Opaque("bedrock", {kind: block})
    assert tried


def test_every_event_is_an_event_to_the_decoder() -> None:
    """Each event of the model, in an order that a stream could have, leaves nothing unknown."""
    stream = shape_of("ConverseStreamOutput").members
    events = [name for name, shape in stream.items() if not shape.metadata.get("exception")]
    decoder = StreamDecoder(model=MODEL, request_id=None)
    found: list[BackendEvent] = []
    order = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    assert sorted(events) == sorted(order)
    chosen = {"ContentBlockStart": "image", "ContentBlockDelta": "image"}
    for name in order:
        found += decoder.feed(frame(name, sample(stream[name], chosen=chosen)))
    assert [type(event).__name__ for event in found] == ["MessageStart", "PartEnd", "MessageEnd"]
    end = found[-1]
    assert isinstance(end, MessageEnd)
    assert end.metadata == {"bedrock": {"metrics": {"latencyMs": 1}}}


def test_every_fact_of_an_answer_is_kept() -> None:
    """What is listed as a fact comes out under its own name, from a stream and from a whole answer."""
    facts = {path.split(".")[1]: {"words": path} for path in NOT_READ if NOT_READ[path] == FACT}
    whole = [*decode_response({"output": {}, "stopReason": "end_turn", **facts}, model=MODEL, request_id=None)][-1]
    stopping = {name: value for name, value in facts.items() if name in shape_of("MessageStopEvent").members}
    closing = {name: value for name, value in facts.items() if name not in stopping}
    decoder = StreamDecoder(model=MODEL, request_id=None)
    frames = (BEGIN, frame("messageStop", stopping, stopReason="end_turn"), frame("metadata", closing))
    streamed = [event for one in frames for event in decoder.feed(one)][-1]
    for end in (whole, streamed):
        assert isinstance(end, MessageEnd)
        assert end.metadata == {"bedrock": facts}
