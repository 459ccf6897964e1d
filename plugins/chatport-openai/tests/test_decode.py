"""How answers begin, go on and end, as events: what was recorded of servers, one peculiarity at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_support.streams import DONE, asked, chunk, events_of, sse, streamed, whole

from chatport.backend import (
    BackendError,
    InvalidRequestError,
    MessageEnd,
    MessageStart,
    ProtocolError,
    ServiceError,
    StreamInterruptedError,
    Text,
    Usage,
)
from chatport_openai._decode import decode_response

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


# --- the shape of a stream --------------------------------------------------------------------------------------------


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


# --- usage ------------------------------------------------------------------------------------------------------------


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


# --- errors inside answers --------------------------------------------------------------------------------------------


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
