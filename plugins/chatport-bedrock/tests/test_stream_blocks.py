"""The blocks of a stream become events and parts: text, reasoning, citations, tools, and what is collected."""

from base64 import b64encode
from typing import Any

import pytest
from bedrock_support.decoding import MARK, blocks, decode, unknown
from bedrock_support.stream_frames import BEGIN, END, delta, frame, start, stop

from chatport.backend import (
    Citation,
    CitationDelta,
    Image,
    Json,
    Opaque,
    PartEnd,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
)
from chatport_bedrock._frames import Frame

# --- text, reasoning, citations --------------------------------------------------------------------------------------


def test_rule_66_text_begins_with_its_first_delta() -> None:
    """No start announces text; an index not seen before opens a part, and blocks may interleave."""
    message, _ = blocks(
        delta(0, text="a"), delta(2, text="x"), delta(0, text="b"), stop(0), delta(2, text="y"), stop(2)
    )
    assert message.parts == (Text("ab"), Text("xy"))


@pytest.mark.parametrize("empty", [start(0), start(0, text={}), frame("contentBlockStart", contentBlockIndex=0)])
def test_a_start_that_says_nothing(empty: Frame) -> None:
    """A start for text, should one ever come, changes nothing."""
    message, end = blocks(empty, delta(0, text="a"), stop(0))
    assert message.parts == (Text("a"),)
    assert unknown(end) is None


def test_rule_67_empty_deltas_are_no_events() -> None:
    """Empty pieces are real and say nothing: a block of them alone is no part."""
    frames = (
        delta(0, text=""),
        stop(0),
        delta(1, reasoningContent={"text": ""}),
        stop(1),
        delta(2, text="a"),
        delta(2, text=""),
    )
    assert decode(BEGIN, *frames, *END)[1:-1] == [TextDelta(2, "a")]


def test_rule_16_white_space_at_the_beginning_is_kept() -> None:
    """Some models begin with empty lines: what they wrote goes back to them as they wrote it."""
    message, _ = blocks(delta(0, text="\n\n"), delta(0, text="Hello"), stop(0))
    assert message.parts == (Text("\n\nHello"),)


def test_rule_17_thoughts_between_tags_are_text() -> None:
    """Nova 1 writes them into its answer; they were never reasoning on the wire, and must go back as text."""
    words = "<thinking>The user greets.</thinking> Hello"
    message, _ = blocks(delta(0, text=words[:9]), delta(0, text=words[9:]), stop(0))
    assert message.parts == (Text(words),)


def test_reasoning_is_marked_once_and_signed() -> None:
    """The first piece carries the family that may read it again; the signature is a delta of the same block."""
    pieces = [{"text": ""}, {"text": "Hm"}, {"text": "m."}, {"text": ""}, {"signature": "c2ln"}]
    events = decode(BEGIN, *(delta(0, reasoningContent=piece) for piece in pieces), stop(0), *END)
    assert events[1:-1] == [
        ReasoningDelta(0, "Hm", MARK),
        ReasoningDelta(0, "m."),
        ReasoningDelta(0, signature="c2ln"),
    ]
    message, _ = blocks(*(delta(0, reasoningContent=piece) for piece in pieces), stop(0))
    assert message.parts == (Reasoning("Hmm.", "c2ln", metadata=MARK),)


def test_reasoning_without_words() -> None:
    """A signature alone and redacted bytes alone are parts too, each with its mark."""
    secret = b"\xff\x00 not text"
    redacted = delta(1, reasoningContent={"redactedContent": b64encode(secret).decode()})
    message, _ = blocks(delta(0, reasoningContent={"signature": "c2ln"}), stop(0), redacted, stop(1))
    assert message.parts == (Reasoning(signature="c2ln", metadata=MARK), Reasoning(redacted=secret, metadata=MARK))


def test_rule_61_a_signature_in_pieces_belongs_to_its_block() -> None:
    """Pieces are put together, and those of the next block begin anew."""
    frames = [
        delta(index, reasoningContent=piece)
        for index in (0, 1)
        for piece in ({"text": f"Hm {index}."}, {"signature": f"a{index}"}, {"signature": f"b{index}"})
    ]
    message, _ = blocks(*frames)
    assert message.parts == (
        Reasoning("Hm 0.", "a0b0", metadata=MARK),
        Reasoning("Hm 1.", "a1b1", metadata=MARK),
    )


def test_rule_63_redacted_reasoning_is_bytes() -> None:
    """They need be no text, and come in pieces that are encoded each for itself."""
    pieces = [b"\xff", b"\x00\xfe\x80"]
    frames = [delta(0, reasoningContent={"redactedContent": b64encode(piece).decode()}) for piece in pieces]
    message, _ = blocks(*frames, stop(0))
    assert message.parts == (Reasoning(redacted=b"".join(pieces), metadata=MARK),)


def test_each_block_of_reasoning_has_its_own_mark() -> None:
    """What a caller changes in one part's metadata does not show in another's."""
    message, _ = blocks(*(delta(index, reasoningContent={"text": "a"}) for index in (0, 1)))
    first, second = message.parts
    first.metadata["bedrock"]["family"] = "changed"
    assert second.metadata == MARK


def test_citations_come_before_their_words() -> None:
    """Citations open the text they belong to; all of each stays in its metadata."""
    document = {
        "title": "Leave",
        "source": "doc-1",
        "sourceContent": [{"text": "20 days"}, {"text": "a year"}],
        "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 58}},
    }
    web = {"location": {"web": {"url": "https://example.com/a", "domain": "example.com"}}}
    frames = (delta(0, citation=document), delta(0, citation=web), delta(0, text="20 days."), stop(0))
    cited = (
        Citation("Leave", "doc-1", ("20 days", "a year"), metadata={"bedrock": document}),
        Citation(source="https://example.com/a", metadata={"bedrock": web}),
    )
    assert decode(BEGIN, *frames, *END)[1:-1] == [
        CitationDelta(0, cited[0]),
        CitationDelta(0, cited[1]),
        TextDelta(0, "20 days."),
    ]
    message, _ = blocks(*frames, delta(1, citation=web), stop(1))
    assert message.parts == (Text("20 days.", cited), Text("", cited[1:]))


def test_a_character_cut_in_two() -> None:
    """JSON may escape a character as two halves, and a stream may cut between them; the text is whole again."""
    halves = (
        b'{"contentBlockIndex":0,"delta":{"text":"\\ud83d"}}',
        b'{"contentBlockIndex":0,"delta":{"text":"\\ude00"}}',
    )
    message, _ = blocks(*(frame("contentBlockDelta", half) for half in halves), stop(0))
    assert message.parts == (Text("😀"),)


# --- tools -----------------------------------------------------------------------------------------------------------


def test_a_tool_call_in_pieces() -> None:
    """The start names the call, empty pieces are none, the pieces together are its arguments."""
    frames = (
        start(1, toolUse={"toolUseId": "functions.t:0", "name": "t"}),
        delta(1, toolUse={"input": ""}),
        delta(1, toolUse={"input": '{"a": '}),
        delta(1, toolUse={"input": "1}"}),
        stop(1),
    )
    assert decode(BEGIN, *frames, *END)[1:-1] == [
        ToolCallStart(1, "functions.t:0", "t"),
        ToolCallDelta(1, '{"a": '),
        ToolCallDelta(1, "1}"),
    ]
    assert blocks(*frames)[0].parts == (ToolCall("functions.t:0", "t", {"a": 1}),)


@pytest.mark.parametrize("pieces", [[], [{"input": ""}], [{}], [{"input": "{}"}]])
def test_rule_36_a_call_without_arguments(pieces: list[dict[str, str]]) -> None:
    """No delta, an empty one, one without input and "{}" all mean no arguments."""
    message, _ = blocks(
        start(0, toolUse={"toolUseId": "1", "name": "t"}), *(delta(0, toolUse=one) for one in pieces), stop(0)
    )
    assert message.parts == (ToolCall("1", "t"),)


def test_rule_66_the_index_says_which_call_a_piece_belongs_to() -> None:
    """Calls whose pieces come in turns keep their own arguments, and stand in the order of their indices."""
    message, _ = blocks(
        start(1, toolUse={"toolUseId": "b", "name": "second"}),
        start(0, toolUse={"toolUseId": "a", "name": "first"}),
        delta(0, toolUse={"input": '{"x"'}),
        delta(1, toolUse={"input": '{"y":'}),
        delta(0, toolUse={"input": ":1}"}),
        stop(0),
        delta(1, toolUse={"input": "2}"}),
        stop(1),
    )
    assert message.parts == (ToolCall("a", "first", {"x": 1}), ToolCall("b", "second", {"y": 2}))


def test_a_call_that_is_cut_off() -> None:
    """Arguments that end in the middle are kept as they came and never taken for a smaller object."""
    message, _ = blocks(
        start(0, toolUse={"toolUseId": "1", "name": "t"}), delta(0, toolUse={"input": '{"a": [1'}), stop(0)
    )
    assert message.parts == (ToolCall("1", "t", {}, '{"a": [1'),)


@pytest.mark.parametrize(
    ("members", "executed_by", "metadata"),
    [
        ({}, "client", {}),
        ({"type": "tool_use"}, "client", {}),
        ({"type": "server_tool_use"}, "server", {}),
        (
            {"type": "moon_tool_use", "serverName": "m"},
            "client",
            {"bedrock": {"type": "moon_tool_use", "serverName": "m"}},
        ),
    ],
)
def test_who_runs_a_tool(members: dict[str, str], executed_by: str, metadata: dict[str, Any]) -> None:
    """Only `server_tool_use` has run already. A call stays a call whatever else it carries."""
    message, _ = blocks(start(0, toolUse={"toolUseId": "1", "name": "t", **members}), stop(0))
    call = message.parts[0]
    assert isinstance(call, ToolCall)
    assert (call.executed_by, call.metadata) == (executed_by, metadata)


def test_a_server_tool_and_its_result() -> None:
    """A result of the service's own tool is collected, list by list, and comes whole when its block stops."""
    result = {"toolUseId": "1", "status": "success", "type": "nova_grounding_result"}
    frames = (
        start(0, toolUse={"toolUseId": "1", "name": "nova_grounding", "type": "server_tool_use"}),
        delta(0, toolUse={"input": "{}"}),
        stop(0),
        start(1, toolResult=result),
        delta(1, toolResult=[{"json": {"a": [1]}}]),
        delta(1, toolResult=[{"text": "[HIDDEN]"}, {"hologram": 1}]),
        stop(1),
    )
    part = ToolResult(
        "1",
        [Json({"a": [1]}), Text("[HIDDEN]"), Opaque("bedrock", {"hologram": 1})],
        metadata={"bedrock": {"status": "success", "type": "nova_grounding_result"}},
    )
    assert decode(BEGIN, *frames, *END)[-2] == PartEnd(1, part)
    message, _ = blocks(*frames)
    assert message.parts == (ToolCall("1", "nova_grounding", executed_by="server"), part)
    assert message.tool_calls == ()


@pytest.mark.parametrize(("status", "is_error"), [("error", True), ("success", False), (None, False)])
def test_a_server_tool_that_failed(status: str | None, is_error: bool) -> None:
    """The status says whether the tool failed; where there is none, nothing says that it did."""
    members = {} if status is None else {"status": status}
    message, _ = blocks(start(0, toolResult={"toolUseId": "1", **members}), stop(0))
    assert message.parts == (ToolResult("1", (), is_error, metadata={"bedrock": members} if members else {}),)


# --- what is collected -----------------------------------------------------------------------------------------------

_PIXELS = bytes(range(256)) * 3
_WHOLE = b64encode(_PIXELS).decode()


@pytest.mark.parametrize(
    "pieces",
    [
        [_WHOLE],
        [_WHOLE[:5], _WHOLE[5:]],
        [b64encode(_PIXELS[:10]).decode(), b64encode(_PIXELS[10:]).decode()],
        [b64encode(_PIXELS[:12]).decode(), b64encode(_PIXELS[12:]).decode()],
    ],
    ids=["one piece", "cut as text", "encoded piece by piece", "encoded at a seam"],
)
def test_an_image_in_pieces(pieces: list[str]) -> None:
    """A picture comes whole, whichever way its base64 was cut."""
    message, _ = blocks(
        start(0, image={"format": "png"}), *(delta(0, image={"source": {"bytes": one}}) for one in pieces), stop(0)
    )
    assert message.parts == (Image("image/png", _PIXELS),)


def test_an_image_that_is_no_base64() -> None:
    """Pieces that are no base64 are joined as text and kept as they came: no picture is made of them."""
    pieces = [delta(0, image={"source": {"bytes": piece}}) for piece in ("ab=", "c")]
    message, _ = blocks(start(0, image={"format": "png"}), *pieces, stop(0))
    assert message.parts == (Opaque("bedrock", {"image": {"format": "png", "source": {"bytes": "ab=c"}}}),)


def test_an_image_in_a_store_and_one_that_failed() -> None:
    """An address is an image too; an error in the place of one is kept as it came."""
    stored = delta(0, image={"source": {"s3Location": {"uri": "s3://bucket/a.png"}}})
    failed = delta(1, image={"error": {"message": "no"}})
    message, _ = blocks(
        start(0, image={"format": "png"}), stored, stop(0), start(1, image={"format": "png"}), failed, stop(1)
    )
    assert message.parts == (
        Image("image/png", None, "s3://bucket/a.png"),
        Opaque("bedrock", {"image": {"format": "png", "error": {"message": "no"}}}),
    )


@pytest.mark.parametrize(
    ("frames", "block"),
    [
        (
            (
                start(0, hologram={"id": "h"}),
                delta(0, hologram={"light": "ab", "n": [1]}),
                delta(0, hologram={"light": "c", "n": [2]}),
            ),
            {"hologram": {"id": "h", "light": "abc", "n": [1, 2]}},
        ),
        (
            (start(0, hologram={"id": "h"}), delta(0, text="a"), delta(0, text="b")),
            {"hologram": {"id": "h", "text": "ab"}},
        ),
        ((start(0, hologram={"id": "h"}), delta(0, hologram=["a"])), {"hologram": {"id": "h", "content": ["a"]}}),
        (
            (start(0, hologram={"id": "h"}), delta(0, hologram={"id": "h", "x": {"y": 1}})),
            {"hologram": {"id": "h", "x": {"y": 1}}},
        ),
        (
            (start(0, hologram={"id": "h"}), delta(0, hologram={"n": 1}), delta(0, hologram={"n": 2})),
            {"hologram": {"id": "h", "n": 2}},
        ),
        ((start(0, hologram="h"),), {"hologram": "h"}),
        ((delta(0, hologram="a"), delta(0, hologram="b")), {"hologram": "ab"}),
        (
            (delta(0, reasoningContent={"sealed": "a"}), delta(0, reasoningContent={"sealed": "b"})),
            {"reasoningContent": {"sealed": "ab"}},
        ),
        ((delta(0, toolResult=[{"text": "a"}]),), {"toolResult": [{"text": "a"}]}),
    ],
    ids=[
        "its own",
        "text",
        "a list",
        "a name said twice",
        "a number",
        "a bare start",
        "no start",
        "reasoning",
        "no result",
    ],
)
def test_a_block_of_an_unknown_kind(frames: tuple[Frame, ...], block: dict[str, Any]) -> None:
    """It is put together as it would stand in a whole answer, and comes out word for word."""
    message, end = blocks(*frames, stop(0))
    assert message.parts == (Opaque("bedrock", block),)
    assert unknown(end) is None


def test_a_collected_block_that_never_stops() -> None:
    """The end of the message ends what it holds: nothing that was collected is lost."""
    message, _ = blocks(start(1, hologram={"id": 1}), start(0, image={"format": "png"}))
    assert message.parts == (
        Opaque("bedrock", {"image": {"format": "png"}}),
        Opaque("bedrock", {"hologram": {"id": 1}}),
    )
