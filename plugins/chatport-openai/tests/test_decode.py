"""Answers as events: what was recorded of servers, one peculiarity at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_support.streams import DONE, asked, call, chunk, events_of, sse, streamed, whole

from chatport.backend import (
    Audio,
    BackendError,
    Image,
    InvalidRequestError,
    MessageEnd,
    MessageStart,
    Opaque,
    ProtocolError,
    Reasoning,
    ServiceError,
    StreamInterruptedError,
    Text,
    ToolCall,
    Usage,
)
from chatport_openai._decode import decode_response

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


# --- the shape of a stream -------------------------------------------------------------------------------------------


def test_a_plain_stream() -> None:
    """Role, words, reason, usage, end."""
    start, message, end = streamed(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({}, finish="stop"),
        {"choices": [], "usage": USAGE},
    )
    assert start == MessageStart("a-model-1")
    assert message.parts == (Text("Hello"),)
    assert (end.stop_reason, end.raw_stop_reason) == ("stop", "stop")
    assert end.usage == Usage(10, 5, total_tokens=15, raw=USAGE)


def test_fact_02_comments_empty_lines_and_a_missing_last_blank_line() -> None:
    """Comments of any kind are skipped, and the last event counts without its blank line."""
    body = b"\n\n: PROCESSING\n\n" + sse(chunk({"content": "a"}), b": ping\n\n", chunk({"content": "b"}), done=False)
    body += b"data: " + json.dumps(chunk({}, finish="stop")).encode() + b"\n"
    assert events_of(body)[-1] == MessageEnd(
        "stop", "stop", Usage(complete=False), {"openai": {"id": "c1", "model": "a-model-1"}}
    )


def test_fact_04_a_reason_ends_a_stream_without_a_done() -> None:
    """The end of the body ends the stream; the reason says that it is whole."""
    assert streamed(chunk({"content": "a"}), chunk({}, finish="stop"), done=False)[1].text == "a"


@pytest.mark.parametrize("reason", [None, ""])
def test_fact_04_without_a_reason_and_a_done_it_is_cut(reason: str | None) -> None:
    """A cut connection never passes for a short answer; an empty reason says nothing."""
    with pytest.raises(StreamInterruptedError, match="no finish_reason") as caught:
        streamed(chunk({"content": "a"}, finish=reason), done=False)
    assert (caught.value.retryable, caught.value.phase) == (True, "stream")


def test_a_stream_of_nothing_is_cut() -> None:
    """A body that ends before anything was said says so."""
    with pytest.raises(StreamInterruptedError, match="before the message began"):
        events_of(b"")


def test_a_done_without_a_reason_is_an_end_of_which_nobody_says_why() -> None:
    """`[DONE]` alone is enough to be whole, and the reason stays unknown."""
    _, message, end = streamed(chunk({"content": "a"}))
    assert (message.text, end.stop_reason, end.raw_stop_reason) == ("a", "other", None)


def test_what_follows_the_end_is_not_read() -> None:
    """After `[DONE]` nothing counts, whatever it is."""
    assert events_of(sse(chunk({"content": "a"}, finish="stop")) + b"data: nonsense\n\n")[-1].__class__ is MessageEnd


def test_fact_07_chunks_without_choices_first_and_last() -> None:
    """Azure begins with what it found in the prompt, without a model; OpenAI ends with its moderation."""
    start, message, end = streamed(
        {"choices": [], "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]},
        chunk({"content": "a"}, finish="stop"),
        {"choices": [], "usage": USAGE},
        {"choices": [], "moderation": {"input": "fine"}, "usage": None},
    )
    assert (start.model, message.text, end.usage.input_tokens) == ("a-model-1", "a", 10)
    assert end.metadata["openai"]["prompt_filter_results"] == [{"prompt_index": 0}]
    assert end.metadata["openai"]["moderation"] == {"input": "fine"}


def test_fact_08_and_09_roles_nulls_and_empty_members_say_nothing() -> None:
    """Members that are empty or null in every delta make no parts."""
    empty: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "reasoning": "",
        "reasoning_details": [],
        "tool_calls": None,
        "function_call": None,
        "refusal": None,
        "annotations": [],
    }
    _, message, _ = streamed(chunk(empty), chunk({**empty, "content": "a"}), chunk(empty, finish="stop"))
    assert message.parts == (Text("a"),)
    assert streamed({"choices": [{"index": 0, "finish_reason": "stop"}]})[1].parts == ()


def test_fact_11_the_last_chunk_may_speak() -> None:
    """Words and reason in one chunk."""
    assert streamed(chunk({"content": "a"}), chunk({"content": "b"}, finish="stop"))[1].text == "ab"


def test_fact_12_reasons_that_come_twice() -> None:
    """The last reason that says something counts, before usage or after it."""
    end = streamed(chunk({"content": "a"}, finish="length"), chunk({"content": ""}, finish="length", usage=USAGE))[2]
    assert (end.stop_reason, end.usage.output_tokens) == ("length", 5)
    assert streamed(chunk({"content": "a"}, finish="stop"), chunk({}, finish=""))[2].stop_reason == "stop"


def test_fact_13_noise_is_left_out_and_facts_are_kept() -> None:
    """Padding goes; what a server says of its answer is in the metadata."""
    noise: dict[str, Any] = {
        "obfuscation": "xxxx",
        "p": "abc",
        "system_fingerprint": "fp",
        "timings": {"n": 1},
        "service_tier": None,
    }
    _, message, end = streamed(
        chunk({"content": "a"}, **noise),
        chunk({"content": "b"}, **noise),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "content_filter_results": {"hate": "safe"}}]},
    )
    assert message.text == "ab"
    assert end.metadata["openai"] == {
        "id": "c1",
        "model": "a-model-1",
        "system_fingerprint": "fp",
        "timings": {"n": 1},
        "content_filter_results": {"hate": "safe"},
    }


def test_fact_14_a_message_beside_the_deltas_is_not_said_twice() -> None:
    """Perplexity repeats all of the message in every chunk; its sources stay facts."""
    first = chunk({"content": "a"}, citations=["https://a"])
    first["choices"][0]["message"] = {"content": "a"}
    last = chunk({"content": "b"}, finish="stop", citations=["https://a", "https://b"])
    last["choices"][0]["message"] = {"content": "ab"}
    _, message, end = streamed(first, last, done=False)
    assert (message.text, end.metadata["openai"]["citations"]) == ("ab", ["https://a", "https://b"])


def test_other_choices_are_kept_beside_the_message() -> None:
    """A request asks for one answer; what comes of others all the same is not mixed into it, nor lost."""
    other = {"choices": [{"index": 1, "delta": {"content": "z"}, "finish_reason": "length"}]}
    _, message, end = streamed(chunk({"content": "a"}), other, chunk({"content": "b"}, finish="stop"))
    assert (message.text, end.stop_reason) == ("ab", "stop")
    assert end.metadata["openai"]["unknown"] == [{"choice": other["choices"][0]}]


def test_what_is_unknown_is_bounded() -> None:
    """A server that sends what nobody knows cannot fill the memory: what goes beyond a bound is counted."""
    others = [{"choices": [{"index": 1, "delta": {"content": str(n)}}]} for n in range(40)]
    unknown = streamed(chunk({"content": "a"}), *others, chunk({}, finish="stop"))[2].metadata["openai"]["unknown"]
    assert (len(unknown), unknown[-1]) == (33, {"left_out": 8})


def test_log_probabilities_are_put_together() -> None:
    """Each chunk has those of its own tokens."""

    def said(word: str, finish: str | None = None) -> dict[str, Any]:
        found = chunk({"content": word}, finish=finish)
        found["choices"][0]["logprobs"] = {"content": [{"token": word, "logprob": -0.5}], "refusal": None}
        return found

    facts = streamed(said("a"), said("b", "stop"))[2].metadata["openai"]
    assert [each["token"] for each in facts["logprobs"]["content"]] == ["a", "b"]


def test_half_of_a_surrogate_pair_in_each_of_two_chunks() -> None:
    """JSON may cut a character in two; the folded text has it whole."""
    halves = [
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00"},"finish_reason":"stop"}]}\n\n',
    ]
    assert streamed(*halves)[1].text == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    "bad", [b"data: {\n\n", b"data: 7\n\n", b'data: {"choices": 7}\n\n', b'data: {"choices": [7]}\n\n']
)
def test_what_cannot_be_read_is_an_error(bad: bytes) -> None:
    """Damage is not skipped: what came before it is delivered, and then it is an error."""
    with pytest.raises(ProtocolError, match="cannot be read"):
        streamed(chunk({"content": "a"}), bad)


# --- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}, {"cache_read_tokens": 4}),
        ({**USAGE, "prompt_tokens_details": None, "cached_tokens": 4}, {"cache_read_tokens": 4}),
        ({**USAGE, "num_cached_tokens": 4}, {"cache_read_tokens": 4}),
        ({**USAGE, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}, {"cache_read_tokens": 4}),
        (
            {**USAGE, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3},
            {"cache_read_tokens": 4, "cache_write_tokens": 3},
        ),
        ({**USAGE, "prompt_tokens_details": {"cache_write_tokens": 3}}, {"cache_write_tokens": 3}),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 161}}, {"cache_read_tokens": 10}),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 2}}, {"reasoning_tokens": 2}),
        ({**USAGE, "reasoning_tokens": 2}, {"reasoning_tokens": 2}),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 0}}, {"reasoning_tokens": 0}),
    ],
)
def test_fact_17_and_18_usage_in_every_spelling(usage: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Cached tokens are never more than the input, what is not reported is None, and nothing is recomputed."""
    found = whole({"content": "a"}, usage=usage)[2].usage
    assert found == Usage(10, 5, total_tokens=15, raw=usage, **wanted)


def test_fact_18_reasoning_beside_the_output() -> None:
    """XAI counts reasoning beside the output; here the output is all of it."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 22,
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    end = streamed(chunk({"content": "a"}, finish="stop", usage=usage), reasoning_beside=True)[2]
    assert (end.usage.output_tokens, end.usage.reasoning_tokens, end.usage.total_tokens) == (12, 7, 22)


def test_fact_15_the_last_usage_counts_wherever_it_is() -> None:
    """In every chunk, cumulative, and never added up; null takes nothing away."""
    later = {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16}
    end = streamed(
        chunk({"content": "a"}, usage=USAGE), chunk({"content": "b"}, finish="stop", usage=later), chunk({}, usage=None)
    )[2]
    assert end.usage.output_tokens == 6


def test_fact_15_groq_says_it_in_a_member_of_its_own() -> None:
    """`x_groq.usage` counts where there is no other."""
    assert streamed(chunk({"content": "a"}, finish="stop", x_groq={"usage": USAGE}))[2].usage.input_tokens == 10


def test_fact_16_usage_may_be_missing() -> None:
    """What nobody reported is unknown, not 0."""
    assert whole({"content": "a"})[2].usage == Usage(complete=False)
    assert whole({"content": "a"}, usage={"prompt_tokens": True, "completion_tokens": -1})[2].usage.input_tokens is None


# --- calls -----------------------------------------------------------------------------------------------------------


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


# --- words and reasoning ---------------------------------------------------------------------------------------------


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


# --- errors inside answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        b'event: error\ndata: {"error": {"message": "Bad call", "code": "tool_use_failed", "status_code": 400}}\n\n',
        b'data: {"error": {"message": "Bad call", "code": "tool_use_failed", "status_code": 400}}\n\n',
        b'error: {"error": {"message": "Bad call", "code": "tool_use_failed", "status_code": 400}}\n\n',
        b'data: {"choices": [{"error": {"message": "Bad call", "code": "tool_use_failed", "status": 400}}]}\n\n',
    ],
)
def test_fact_38_errors_in_a_stream(event: bytes) -> None:
    """An event of that name, a member of a chunk or of a choice, and a field of the format itself."""
    for before in ((), (chunk({"content": "a"}),), (chunk({"content": "a"}, finish="stop"),)):
        with pytest.raises(InvalidRequestError, match="Bad call") as caught:
            streamed(*before, event, request_id="r1")
        error = caught.value
        assert (error.status, error.code, error.phase, error.request_id) == (400, "tool_use_failed", "stream", "r1")


def test_an_error_that_is_no_json_and_one_that_says_nothing() -> None:
    """The words are the message."""
    with pytest.raises(ServiceError, match="out of luck"):
        streamed(b"event: error\ndata: out of luck\n\n")
    with pytest.raises(ServiceError, match="names no reason"):
        streamed(b"event: error\ndata:\n\n")


def test_fact_37_errors_in_whole_answers() -> None:
    """The status 200 is no answer by itself."""
    body = {"error": {"message": "Filtered", "code": "content_filter", "status": 400}}
    with pytest.raises(InvalidRequestError, match="Filtered") as caught:
        decode_response(body, asked())
    assert (caught.value.status, caught.value.phase) == (400, "request")
    for bad in (b"method=POST", b"", b"[]", b'{"choices": []}', b'{"id": "c1"}'):
        with pytest.raises(ProtocolError):
            decode_response(bad, asked())


def test_fields_that_nobody_knows_are_kept_and_named_events_are_read() -> None:
    """Neither ends a stream."""
    body = sse(
        b'id: 7\nretry: 5\nstrange: x\nevent: message\ndata: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
        chunk({}, finish="stop"),
    )
    *_, end = events_of(body)
    assert isinstance(end, MessageEnd)
    assert {"field": "strange", "value": "x"} in end.metadata["openai"]["unknown"]
    with pytest.raises(BackendError):
        streamed(b"event: x\ndata: nonsense\n\n")
    assert streamed(b"event: x\n\n", chunk({"content": "a"}, finish="stop"), b"event: end\n" + DONE)[1].text == "a"
