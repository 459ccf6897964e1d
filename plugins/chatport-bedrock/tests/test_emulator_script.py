"""What an emulator is told to answer: explicit answers, errors, and streams that end badly."""

import http.client
import json
from typing import Any

import pytest
from bedrock_support.emulation import (
    CLAUDE,
    NOVA,
    assert_valid_events,
    connect,
    converse,
    post,
    read_events,
    user,
)
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from chatport_bedrock.emulator import Answer, BadChecksum, Cut, Emulator, HttpError, StreamException

STORY = {"messages": [user("Tell me a story.")]}
REQUEST = ("POST", f"/model/{NOVA}/converse-stream", json.dumps(STORY), {"authorization": "Bearer any"})

BODY: dict[str, Any] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Well, well.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "AAEC"}},
                {"text": "Two words"},
                {"toolUse": {"toolUseId": "a", "name": "look_up", "input": {"what": "a long value to cut"}}},
                {"toolUse": {"toolUseId": "b", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
                {"toolResult": {"toolUseId": "b", "content": [{"text": "found"}], "type": "nova_grounding_result"}},
                {"citationsContent": {"content": [{"text": "as it is said"}], "citations": [{"title": "A book"}]}},
                {"image": {"format": "png", "source": {"bytes": "AAEC"}}},
            ],
        }
    },
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    "metrics": {"latencyMs": 4},
}


def ask_stream(emulator: Emulator) -> tuple[bytes, Exception | None]:
    """Read a stream as far as it goes: the bytes, and what ended them before their end."""
    connection = connect(emulator)
    received = b""
    try:
        connection.request(*REQUEST)
        response = connection.getresponse()
        assert response.status == 200
        while data := response.read1(65536):
            received += data
    except (http.client.HTTPException, ConnectionError) as error:
        return received, error
    finally:
        connection.close()
    return received, None


# --- explicit answers ------------------------------------------------------------------------------------------------


def test_answers_are_given_in_order_and_then_the_brain_answers() -> None:
    """The script comes first, whatever is asked; a refused request takes nothing from it."""
    with Emulator([Answer(body=BODY)]) as emulator:
        emulator.enqueue(HttpError(429, "ThrottlingException", "Too many requests, please wait."), Answer())
        assert emulator.pending == 3
        assert post(emulator, {"messages": []})[0] == 400
        assert emulator.pending == 3
        assert converse(emulator, user("Hello!")) == BODY
        assert post(emulator, STORY)[0] == 429
        assert emulator.pending == 1
        assert converse(emulator, user("Say hello."))["output"]["message"]["content"] == [{"text": "hello."}]
        assert emulator.pending == 0


def test_a_body_is_said_in_events() -> None:
    """ConverseStream says the same answer as Converse: every kind of block, in the recorded order and granularity."""
    with Emulator([Answer(body=BODY), Answer(body=BODY)]) as emulator:
        _, _, claude = post(emulator, STORY, model=CLAUDE, operation="converse-stream")
        _, _, nova = post(emulator, STORY, model=NOVA, operation="converse-stream")
    events = read_events(claude)
    assert_valid_events(events)
    deltas: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        for payload in event.values():
            if "delta" in payload:
                deltas.setdefault(payload["contentBlockIndex"], []).append(payload["delta"])
    signature = {"reasoningContent": {"signature": "c2ln"}}
    assert deltas[0] == [{"reasoningContent": {"text": "Well,"}}, {"reasoningContent": {"text": " well."}}, signature]
    assert deltas[1] == [{"reasoningContent": {"redactedContent": "AAEC"}}]
    assert deltas[2] == [{"text": "Two"}, {"text": " words"}]
    fragments = [delta["toolUse"]["input"] for delta in deltas[3]]
    assert fragments[0] == ""
    assert len(fragments) > 2
    assert json.loads("".join(fragments)) == {"what": "a long value to cut"}
    assert deltas[5] == [{"toolResult": [{"text": "found"}]}]
    assert list(deltas[6][0]) == ["citation"]  # a citation comes before the words that it is about
    assert deltas[7] == [{"image": {"source": {"bytes": "AAEC"}}}]
    starts = {
        payload["contentBlockIndex"]: payload["start"]
        for event in events
        for payload in event.values()
        if "start" in payload
    }
    assert set(starts) == {3, 4, 5, 7}
    assert starts[4] == {"toolUse": {"toolUseId": "b", "name": "nova_grounding", "type": "server_tool_use"}}
    whole = [event for event in read_events(nova) if event.get("contentBlockDelta", {}).get("contentBlockIndex") == 3]
    assert len(whole) == 1  # recorded: Nova sends a call's input in one piece


def test_events_are_sent_as_they_are() -> None:
    """A list of events is sent in its order, without a thought about what belongs to a stream."""
    events: list[dict[str, Any]] = [{"messageStart": {"role": "assistant"}}, {"newKindOfEvent": {"anything": [1]}}]
    with Emulator([Answer(events=events)]) as emulator:
        received, error = ask_stream(emulator)
    assert error is None
    assert [
        {name: {k: v for k, v in p.items() if k != "p"} for name, p in e.items()} for e in read_events(received)
    ] == events


def test_headers_can_be_added() -> None:
    """Of errors and of answers; a header of the same name is replaced."""
    with Emulator() as emulator:
        emulator.enqueue(
            HttpError(429, "ThrottlingException", "slow down", {"retry-after": "2", "x-amzn-requestid": "mine"}),
            Answer(headers={"x-amzn-requestid": "mine", "x-more": "yes"}),
        )
        status, headers, _ = post(emulator, STORY)
        assert (status, headers["retry-after"], headers["x-amzn-requestid"]) == (429, "2", "mine")
        assert headers["x-amzn-errortype"] == "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"
        status, headers, _ = post(emulator, STORY)
        assert (status, headers["x-amzn-requestid"], headers["x-more"]) == (200, "mine", "yes")


def test_errors_can_have_more_members() -> None:
    """Such as the status that a model had answered with."""
    error = HttpError(424, "ModelErrorException", "The model failed.", fields={"originalStatusCode": 500})
    with Emulator([error]) as emulator:
        _, _, body = post(emulator, STORY)
    assert json.loads(body) == {"message": "The model failed.", "originalStatusCode": 500}


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modelled", [True, False])
def test_a_stream_that_turns_into_an_error(modelled: bool) -> None:
    """After the events that came before there is one frame with the error, and the body ends as if all were well."""
    fault = StreamException(3, "throttlingException", "slow down", {"extra": 1} if modelled else {}, modelled=modelled)
    with Emulator([Answer(fault=fault)]) as emulator:
        received, error = ask_stream(emulator)
    assert error is None
    buffer = EventStreamBuffer()
    buffer.add_data(received)
    *events, last = list(buffer)
    assert len(events) == 3
    if modelled:
        assert list(last.headers) == [":exception-type", ":content-type", ":message-type"]
        assert last.headers[":exception-type"] == "throttlingException"
        assert json.loads(last.payload) == {"message": "slow down", "extra": 1}
    else:
        assert last.headers == {
            ":error-code": "throttlingException",
            ":error-message": "slow down",
            ":message-type": "error",
        }


@pytest.mark.parametrize("after_events", [0, 3])
@pytest.mark.parametrize("inside_frame", [True, False])
@pytest.mark.parametrize(
    ("how", "ends"),
    [("end", type(None)), ("close", http.client.IncompleteRead), ("abort", ConnectionResetError)],
)
def test_a_stream_that_is_cut_behind_events(
    how: Any, ends: type[Exception] | None, inside_frame: bool, after_events: int
) -> None:
    """Whole frames arrive, half of one more if asked for; then the body, or the connection, ends as it was asked to."""
    fault = Cut(how=how, after_events=after_events, inside_frame=inside_frame)
    with Emulator([Answer(fault=fault)]) as emulator:
        received, error = ask_stream(emulator)
        assert emulator.disconnects == ()
    assert isinstance(error, ends) if ends else error is None
    buffer = EventStreamBuffer()
    buffer.add_data(received)
    events = list(buffer)
    assert len(events) == after_events
    rest = received[sum(int(vars(event)["prelude"].total_length) for event in events) :]
    assert bool(rest) is inside_frame


@pytest.mark.parametrize("count", [0, 1, 500])
def test_a_stream_that_is_cut_behind_bytes(count: int) -> None:
    """Exactly so many bytes of the body arrive."""
    with Emulator([Answer(fault=Cut(how="end", after_bytes=count))]) as emulator:
        received, error = ask_stream(emulator)
    assert error is None
    assert len(received) == count


@pytest.mark.parametrize(
    ("how", "raised"),
    [("end", http.client.IncompleteRead), ("close", http.client.IncompleteRead), ("abort", ConnectionResetError)],
)
def test_an_answer_in_one_piece_that_is_cut(how: Any, raised: type[Exception]) -> None:
    """The head promises more bytes than arrive; the connection is not left open for the rest."""
    with Emulator([Answer(fault=Cut(how=how, after_bytes=10))]) as emulator, pytest.raises(raised):
        post(emulator, STORY)


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
@pytest.mark.parametrize(
    ("how", "raised"), [("close", http.client.RemoteDisconnected), ("abort", ConnectionResetError)]
)
def test_no_answer_at_all(how: Any, raised: type[Exception], operation: str) -> None:
    """The connection ends before the head of an answer; the next request is answered on a new one."""
    with Emulator([Answer(fault=Cut(how=how))]) as emulator:
        with pytest.raises(raised):
            post(emulator, STORY, operation=operation)
        assert post(emulator, STORY, operation=operation)[0] == 200
        assert emulator.disconnects == ()


@pytest.mark.parametrize("checksum", ["prelude", "message"])
def test_a_frame_that_is_damaged(checksum: Any) -> None:
    """The frames before are good; the damaged one fails in the checksum that was asked for."""
    with Emulator([Answer(fault=BadChecksum(2, checksum))]) as emulator:
        received, error = ask_stream(emulator)
    assert error is None
    buffer = EventStreamBuffer()
    buffer.add_data(received)
    assert [next(buffer).headers[":event-type"] for _ in range(2)] == ["messageStart", "contentBlockDelta"]
    with pytest.raises(ChecksumMismatch):
        next(buffer)


# --- misuse ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "operation", "message"),
    [
        (Answer(events=[]), "converse", "list of stream events"),
        (Answer(body={"output": {}}), "converse-stream", "cannot be said in events"),
        (
            Answer(body={"output": {"message": {"content": [{"hologram": {}}]}}}),
            "converse-stream",
            "kind hologram cannot be streamed",
        ),
        (Answer(events=[], fault=StreamException(1, "x", "y")), "converse-stream", "only 0"),
        (Answer(events=[], fault=BadChecksum(0)), "converse-stream", "no frame to damage"),
        (Answer(events=[], fault=Cut(how="end", after_events=0, inside_frame=True)), "converse-stream", "cut in two"),
        (Answer(body=BODY, fault=Cut(how="end", after_bytes=10**6)), "converse", "after 1000000 bytes"),
    ],
)
def test_a_script_that_does_not_fit_is_told(answer: Answer, operation: str, message: str) -> None:
    """The request gets a 500 that says what is wrong: no test goes on with an answer that nobody meant."""
    with Emulator([answer]) as emulator:
        status, headers, body = post(emulator, STORY, operation=operation)
    assert status == 500
    assert headers["x-amzn-errortype"].startswith("InternalServerException:")
    assert message in json.loads(body)["message"]


def test_values_that_say_nothing_sensible_are_refused_where_they_are_made() -> None:
    """An answer with two contents, a cut with no place or two, an error with the status of a success."""
    with pytest.raises(ValueError, match="either a body or events"):
        Answer(body={}, events=[])
    with pytest.raises(ValueError, match="where to cut"):
        Cut(how="end")
    with pytest.raises(ValueError, match="where to cut"):
        Cut(how="close", inside_frame=True)
    with pytest.raises(ValueError, match="where to cut"):
        Cut(how="end", after_events=1, after_bytes=1)
    with pytest.raises(ValueError, match="no HTTP status of an error"):
        HttpError(200, "Fine", "nothing happened")
