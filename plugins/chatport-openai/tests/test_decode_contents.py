"""What answers hold, as events: calls, words, reasoning and media, one peculiarity of a server at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_support.streams import call, chunk, streamed, whole

from chatport.backend import Audio, Image, Opaque, Reasoning, Text, ToolCall

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


# --- calls ------------------------------------------------------------------------------------------------------------


def calls_of(*deltas: list[dict[str, Any]], finish: str | None = "tool_calls") -> tuple[ToolCall, ...]:
    """The calls of a stream with these entries."""
    message = streamed(*(chunk({"tool_calls": entries}) for entries in deltas), chunk({}, finish=finish))[1]
    return message.tool_calls


def test_fact_20_fragments_and_what_they_repeat() -> None:
    """Ids and names that are set are never overwritten with null or nothing."""
    found = calls_of(
        [call("c1", "add", "", index=0, type="function")],
        [{"index": 0, "id": None, "type": "function", "function": {"name": None, "arguments": '{"a":'}}],
        [{"index": 0, "id": "", "function": {"name": "", "arguments": "1}"}}],
        [{"index": 0, "id": "c1", "function": {"name": "add", "arguments": None}}],
    )
    assert found == (ToolCall("c1", "add", {"a": 1}),)


def test_fact_21_calls_without_an_index_or_with_minus_one() -> None:
    """Several whole calls in one delta, told apart by their ids."""
    for members in ({}, {"index": -1}, {"index": 0}):
        entries = [call("c1", "add", '{"a":1}', **members), call("c2", "add", '{"a":2}', **members)]
        assert calls_of(entries) == (ToolCall("c1", "add", {"a": 1}), ToolCall("c2", "add", {"a": 2}))


def test_fragments_without_an_index_and_an_id_belong_to_the_last_call() -> None:
    """Nothing else is left that they could go on with; by its id one may come back."""
    found = calls_of(
        [call("c1", "add", '{"a":')], [call(None, None, "1")], [call("c2", "add", "")], [call("c1", None, "}")]
    )
    assert [each.arguments for each in found] == [{"a": 1}, {}]
    assert len(calls_of([call(None, "add", "{}")], [call(None, "add", "{}")])) == 2


def test_fact_22_another_id_at_a_used_index_is_another_call() -> None:
    """Gemini repeats a whole call at index 0 with a new id each time."""
    found = calls_of(*([call(f"c{n}", "add", '{"a":1}', index=0)] for n in range(3)))
    assert [each.id for each in found] == ["c0", "c1", "c2"]


def test_a_whole_call_without_an_id_is_followed_by_another() -> None:
    """Where ids are empty, a name behind arguments that are whole begins another call."""
    found = calls_of([call("", "add", '{"a":1}', index=0)], [call("", "add", '{"a":2}', index=0)])
    assert [each.arguments for each in found] == [{"a": 1}, {"a": 2}]
    assert found[0].id != found[1].id


def test_fact_23_an_empty_id_is_replaced_always_by_the_same() -> None:
    """The id is made from the answer, so that decoding it again gives the same."""
    message = {"content": None, "tool_calls": [call("", "add", "{}"), call("", "add", "{}")]}
    first, second = whole(message)[1].tool_calls
    assert first.id.startswith("call_")
    assert first.id != second.id
    assert whole(message)[1].tool_calls == (first, second)


@pytest.mark.parametrize("arguments", ["", None, "{}", "null", " "])
def test_fact_24_no_arguments(arguments: str | None) -> None:
    """Nothing, an empty object and null are no arguments."""
    assert calls_of([call("c1", "now", arguments, index=0)]) == (ToolCall("c1", "now", {}),)
    if arguments is not None:
        assert calls_of(
            [call("c1", "now", "", index=0)], *([call(None, None, each, index=0)] for each in arguments)
        ) == (ToolCall("c1", "now", {}),)


def test_fact_25_a_cut_call_is_marked() -> None:
    """Arguments that are no JSON stay what they are, whatever the reason says."""
    for finish in ("length", "tool_calls"):
        assert calls_of([call("c1", "add", '{"a": "x', index=0)], finish=finish)[0].invalid_json == '{"a": "x'
    assert calls_of([call("c1", "add", "nu", index=0)])[0].invalid_json == "nu"


@pytest.mark.parametrize(
    ("finish", "members", "wanted"),
    [
        ("tool_calls", {}, "tool_calls"),
        ("stop", {}, "tool_calls"),
        ("", {}, "tool_calls"),
        (None, {}, "tool_calls"),
        ("tool_call", {}, "tool_calls"),
        ("function_call", {}, "tool_calls"),
        ("length", {}, "length"),
        ("content_filter", {}, "content_filter"),
        ("tool_calls", {"native_finish_reason": "max_output_tokens"}, "length"),
        ("never heard of", {}, "other"),
    ],
)
def test_fact_26_the_calls_decide(finish: str | None, members: dict[str, Any], wanted: str) -> None:
    """A message with calls ends for calls, unless the server says that it was cut."""
    last = chunk({}, finish=finish)
    last["choices"][0] |= members
    _, _, end = streamed(chunk({"tool_calls": [call("c1", "add", "{}", index=0)]}), last)
    assert (end.stop_reason, end.raw_stop_reason) == (wanted, finish)


@pytest.mark.parametrize(
    ("finish", "wanted"),
    [("stop", "stop"), ("eos", "stop"), ("length", "length"), ("tool_calls", "other"), (None, "other"), ("", "other")],
)
def test_fact_34_reasons_without_calls(finish: str | None, wanted: str) -> None:
    """Without calls the word counts."""
    assert whole({"content": "a"}, finish=finish)[2].stop_reason == wanted


def test_fact_28_calls_of_other_kinds() -> None:
    """A call whose input is no JSON is kept whole; an empty one beside a function is nothing; the old form is one."""
    custom = {"id": "c1", "type": "custom", "custom": {"name": "math", "input": "4 + 4"}}
    _, message, end = whole({"content": None, "tool_calls": [custom]}, finish="tool_calls")
    assert message.parts == (Opaque("openai", {"tool_calls": [custom]}),)
    assert end.stop_reason == "other"
    assert calls_of([call("c1", "add", "{}", index=0, custom={"name": "", "input": ""})]) == (ToolCall("c1", "add"),)
    pieces = [
        {"id": "c1", "index": 0, "type": "custom", "custom": {"name": "math", "input": "4 "}},
        {"index": 0, "custom": {"input": "+ 4"}},
    ]
    assert streamed(*(chunk({"tool_calls": [each]}) for each in pieces))[1].parts[0] == Opaque(
        "openai", {"tool_calls": [custom]}
    )
    old = whole({"content": None, "function_call": {"name": "add", "arguments": '{"a":1}'}}, finish="function_call")
    assert (old[1].tool_calls[0].arguments, old[2].stop_reason) == ({"a": 1}, "tool_calls")


def test_what_a_call_carries_besides_comes_along() -> None:
    """Gemini wants a signature of its own back with the call."""
    extra = {"google": {"thought_signature": "s"}}
    (found,) = calls_of([call("c1", "add", "{}", index=0, extra_content=extra)])
    assert found.metadata == {"openai": {"server": "a-server", "call": {"extra_content": extra}}}
    late = streamed(
        chunk({"tool_calls": [call("c1", "add", "{}", index=0)]}),
        chunk({"tool_calls": [{"index": 0, "extra_content": extra}]}, finish="tool_calls"),
    )[2]
    assert late.metadata["openai"]["unknown"] == [{"tool_calls": {"id": "c1", "extra_content": extra}}]


def test_an_id_that_does_not_look_like_one_of_the_server_is_marked() -> None:
    """So it goes back as it came."""
    entry = chunk({"tool_calls": [call("call_1", "add", "{}", index=0)]}, finish="tool_calls")
    message = streamed(entry, call_id=r"[a-z]{9}", names={"add": "math.add"})[1]
    assert message.tool_calls == (ToolCall("call_1", "math.add", metadata={"openai": {"server": "a-server"}}),)


def test_a_call_that_never_gets_a_name_is_kept_as_unknown() -> None:
    """It could not be run, nor answered."""
    end = streamed(chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"arguments": "{}"}}]}, finish="stop"))[2]
    assert end.metadata["openai"]["unknown"] == [{"tool_calls": {"id": "c1", "arguments": "{}"}}]
    assert end.stop_reason == "stop"


def test_arguments_that_are_an_object_already() -> None:
    """Some servers give the value in place of its text."""
    entry = {"id": "c1", "function": {"name": "add", "arguments": {"a": 1}}}
    assert whole({"tool_calls": [entry]})[1].tool_calls[0].arguments == {"a": 1}


# --- words and reasoning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning", "reasoning_text"])
def test_fact_29_reasoning_by_its_names(member: str) -> None:
    """Whoever wrote it, and where, is marked, so that it goes back there only."""
    _, message, _ = streamed(
        chunk({member: "Let me ", "content": None}), chunk({member: "see"}), chunk({"content": "a"}, finish="stop")
    )
    mark = {"server": "a-server", "family": "a-family", "member": member}
    assert message.parts == (Reasoning("Let me see", metadata={"openai": mark}), Text("a"))


def test_fact_30_details_beside_the_text_are_put_together() -> None:
    """The same text twice is taken once; a signature comes last; pieces of one index are one entry."""

    def detail(**members: Any) -> dict[str, Any]:
        return {"type": "reasoning.text", "index": 0, "format": "x", **members}

    _, message, _ = streamed(
        chunk({"reasoning": "I ", "reasoning_details": [detail(text="I ")]}),
        chunk({"reasoning": "see", "reasoning_details": [detail(text="see")]}),
        chunk({"reasoning_details": [detail(signature="sig", text="")]}),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "id": "r1", "data": "ZZ"}]}),
        chunk({"content": "a"}, finish="stop"),
    )
    (thought, text) = message.parts
    assert isinstance(thought, Reasoning)
    assert (thought.text, thought.signature, text) == ("I see", "sig", Text("a"))
    assert thought.metadata["openai"]["details"] == [
        {"type": "reasoning.text", "index": 0, "format": "x", "text": "I see", "signature": "sig"},
        {"type": "reasoning.encrypted", "index": 1, "id": "r1", "data": "ZZ"},
    ]


def test_details_alone() -> None:
    """Text of the details is the reasoning; encrypted ones have none, and are kept all the same."""
    entry = {"type": "reasoning.summary", "summary": "I see", "index": 0}
    assert whole({"content": "a", "reasoning_details": [entry]})[1].reasoning == "I see"
    entries = [entry, {"type": "reasoning.text", "text": " it", "index": 1}]
    assert whole({"content": "a", "reasoning_details": entries})[1].reasoning == "I see it"
    assert streamed(chunk({"reasoning_details": entries}), chunk(finish="stop"))[1].reasoning == "I see it"
    hidden = {"type": "reasoning.encrypted", "data": "ZZ", "index": 0}
    (thought, _) = reversed(whole({"content": "a", "reasoning_details": [hidden]})[1].parts)
    assert isinstance(thought, Reasoning)
    assert thought.metadata["openai"]["details"] == [hidden]
    assert thought.metadata["openai"]["member"] == "reasoning_details"


def test_fact_29_content_as_a_list() -> None:
    """Mistral's thoughts stand in the content, in deltas and in answers; words of it are words."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "I see"}]}
    for content in ([thinking, {"type": "text", "text": "a"}], [{"type": "thinking", "thinking": "I see"}, "a"]):
        _, message, _ = whole({"content": content})
        assert (message.reasoning, message.text) == ("I see", "a")
        assert message.parts[0].metadata["openai"]["member"] == "content"
    strange = {"type": "reference", "reference_ids": [1]}
    assert whole({"content": [strange, {"type": "thinking", "thinking": []}]})[1].parts == (Opaque("openai", strange),)


def test_content_that_is_a_value() -> None:
    """Cloudflare gives JSON as the value itself; here it is text, as everywhere."""
    assert json.loads(whole({"content": {"a": [1, "é"]}})[1].text) == {"a": [1, "é"]}


def test_fact_31_text_and_reasoning_in_any_order() -> None:
    """A piece of text before the reasoning, and both in one delta, are one text and one reasoning."""
    _, message, _ = streamed(
        chunk({"content": "\n"}),
        chunk({"reasoning_content": "I"}),
        chunk({"content": "a", "reasoning_content": " see"}, finish="stop"),
    )
    assert (message.text, message.reasoning, len(message.parts)) == ("\na", "I see", 2)


def test_fact_32_a_refusal_is_said_and_marked() -> None:
    """Its words are the text; the reason is not that the model was done."""
    for start, message, end in (
        whole({"content": None, "refusal": "I cannot"}),
        streamed(
            chunk({"refusal": ""}), chunk({"refusal": "I "}), chunk({"refusal": "cannot"}), chunk({}, finish="stop")
        ),
        whole({"content": [{"type": "refusal", "refusal": "I cannot"}]}),
    ):
        assert start.model == "a-model-1"
        assert (message.text, end.stop_reason, end.raw_stop_reason) == ("I cannot", "content_filter", "stop")
        assert end.metadata["openai"]["refused"] is True


def test_fact_32_annotations_are_citations_of_the_text() -> None:
    """What cites the web becomes a citation; what names a file is kept beside."""
    cited = {
        "type": "url_citation",
        "url_citation": {"title": "T", "url": "https://a", "start_index": 0, "end_index": 1},
    }
    file = {"type": "file", "file": {"hash": "h"}}
    _, message, end = streamed(chunk({"annotations": [cited, file]}), chunk({"content": "a"}, finish="stop"))
    (text,) = message.parts
    assert isinstance(text, Text)
    assert [(each.title, each.source, each.metadata) for each in text.citations] == [
        ("T", "https://a", {"openai": cited})
    ]
    assert end.metadata["openai"]["unknown"] == [{"annotation": file}]


def test_fact_33_empty_answers_are_real() -> None:
    """Nothing said is a message of no parts."""
    for message in ({"content": ""}, {"content": None}, {}):
        assert whole(message, finish="length")[1].parts == ()


def test_sound_and_images_in_answers() -> None:
    """Audio in one piece or in several is one part, with what it needs to go back; an image is an image."""
    sound = {"id": "a1", "data": "UklGRiQAAABXQVZFZm10IBAAAAABAAEA", "expires_at": 9, "transcript": "Hi"}
    (part,) = whole({"content": None, "audio": sound})[1].parts
    assert isinstance(part, Audio)
    facts = part.metadata["openai"]["audio"]
    assert (part.media_type, facts) == ("audio/wav", {"id": "a1", "expires_at": 9, "transcript": "Hi"})
    pieces = [
        {"id": "a1", "transcript": "H"},
        {"data": "UklGRiQAAABX", "transcript": "i"},
        {"data": "QVZFZm10IBAAAAABAAEA"},
        {"expires_at": 9},
    ]
    assert streamed(*(chunk({"audio": each}) for each in pieces), chunk({}, finish="stop"))[1].parts == (part,)
    (samples,) = whole({"audio": {"id": "a1", "data": "AAAA"}})[1].parts
    assert isinstance(samples, Audio)
    assert samples.media_type == "audio/pcm"
    assert whole({"audio": {"id": "a1", "data": "no base64"}})[1].parts == (
        Opaque("openai", {"audio": {"id": "a1", "data": "no base64"}}),
    )
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    (picture,) = whole({"content": "", "images": [image]})[1].parts
    assert isinstance(picture, Image)
    for url in ("https://a/b.png", "data:image/png,x", "data:image/png;base64,AAAA"):
        elsewhere = {"type": "image_url", "image_url": {"url": url}}
        assert whole({"images": [elsewhere]})[1].parts == (Opaque("openai", elsewhere),)


def test_other_members_of_a_message_are_facts() -> None:
    """What a server runs itself, for example, is kept as it came."""
    assert whole({"content": "a", "executed_tools": [{"n": 1}]})[2].metadata["openai"]["message"] == {
        "executed_tools": [{"n": 1}]
    }
