"""The logging observer: the facts of turns as records, and nothing of what was said unless asked for."""

import json
import logging
from typing import Any

import anyio
import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import Adjustment, MessageEnd, MessageStart, Reasoning, TextDelta, ToolCall, Usage
from chatport.hooks import LoggingObserver, TurnInfo, observe
from chatport.testing import Answer

pytestmark = pytest.mark.anyio

SECRET = "xyzzy-secret"


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What a handler that writes JSON finds in a record."""
    return {
        name.removeprefix("chatport_"): value for name, value in vars(record).items() if name.startswith("chatport_")
    }


async def test_steps_and_tool_runs_are_records_with_their_facts(caplog: pytest.LogCaptureFixture) -> None:
    """One record each, in order; what they say is also in attributes, in plain values."""
    caplog.set_level(logging.INFO)
    start = MessageStart("model-2", "request-9", (Adjustment("dropped", "setting-dropped", "settings.top_k", "no"),))
    end = MessageEnd("stop", "end_turn", Usage(9, 2, 4, 1), service_seconds=0.25)
    chat, _ = session(
        Answer([call("1"), call("2", "unheard_of")], usage=Usage(7)),
        [start, TextDelta(0, "21"), end],
        tools=[get_weather],
    )
    with observe(LoggingObserver()):
        await chat.ask("Weather?")
    step, *runs, last = caplog.records
    assert {(record.name, record.levelno) for record in caplog.records} == {("chatport.turns", logging.INFO)}
    assert step.getMessage().startswith("scripted:model-1 tool_calls after ")
    assert step.getMessage().endswith(" s, 7 tokens in, ? out")
    assert facts(step)["tool_calls"] == ["get_weather", "unheard_of"]
    assert sorted((facts(run)["tool_call_id"], facts(run)["outcome"]) for run in runs) == [("1", "ok"), ("2", "error")]
    assert all(facts(run)["seconds"] >= 0 for run in runs)
    known = facts(last)
    assert known["seconds"] >= known["first_event_seconds"] >= 0
    assert {name: known[name] for name in known.keys() - {"turn", "seconds", "first_event_seconds"}} == {
        "event": "step",
        "backend": "scripted",
        "model": "model-1",
        "model_answered": "model-2",
        "request_id": "request-9",
        "stop_reason": "stop",
        "raw_stop_reason": "end_turn",
        "input_tokens": 9,
        "output_tokens": 2,
        "cache_read_tokens": 4,
        "cache_write_tokens": 1,
        "service_seconds": 0.25,
        "attempts": 1,
        "tool_calls": [],
        "adjustments": ["dropped setting-dropped"],
    }
    assert len({facts(record)["turn"] for record in caplog.records}) == 1
    json.dumps([facts(record) for record in caplog.records])


async def test_a_turn_that_fails_is_a_warning_with_what_the_service_said(caplog: pytest.LogCaptureFixture) -> None:
    """Class, code, status and request id are facts; the text of the error may quote the conversation."""
    caplog.set_level(logging.INFO)
    error = chatport.RateLimitError(
        f"slow down, {SECRET}", status=429, code="ThrottlingException", request_id="r-1", phase="request"
    )
    chat, _ = session(error, ValueError(SECRET), retry=None)
    with observe(LoggingObserver()):
        for _ in range(2):
            with pytest.raises((chatport.RateLimitError, ValueError)):
                await chat.ask("go")
    throttled, bug = caplog.records
    assert (throttled.levelno, throttled.getMessage()) == (
        logging.WARNING,
        "scripted:model-1 failed: RateLimitError (ThrottlingException)",
    )
    known = facts(throttled)
    assert (known["event"], known["reason"], known["error"]) == ("turn_fail", "error", "RateLimitError")
    assert (known["status"], known["code"], known["request_id"]) == (429, "ThrottlingException", "r-1")
    assert (known["phase"], known["retryable"]) == ("request", True)
    assert bug.getMessage() == "scripted:model-1 failed: ValueError"
    assert "status" not in facts(bug)
    assert SECRET not in str([vars(record) for record in caplog.records])


async def test_a_turn_that_was_left_or_cancelled_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """It is what the caller wanted; what it has cost so far is in the record."""
    caplog.set_level(logging.INFO)
    chat, _ = session("a story", "never")
    with observe(LoggingObserver()):
        async with chat.stream("go") as stream:
            async for _ in stream.text:
                break
        with anyio.CancelScope() as scope:
            scope.cancel()
            await chat.ask("go")
    assert [facts(record)["reason"] for record in caplog.records] == ["left", "cancelled"]
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    assert caplog.records[0].getMessage() == "scripted:model-1 left"
    assert "error" not in facts(caplog.records[0])


def conversation() -> tuple[chatport.Session, list[ToolCall]]:
    """A session in which the secret is everywhere that something can be said."""

    def remember(what: str) -> str:
        """Remember."""
        return f"remembered {what} {SECRET}"

    calls = [
        ToolCall("1", "remember", {"what": SECRET}),
        ToolCall("2", "remember", {}, invalid_json=f'{{"what": "{SECRET}'),
    ]
    answer = [Reasoning(f"think {SECRET}", "signature"), chatport.Text(f"calling {SECRET}"), *calls]
    failing = Answer(f"so far {SECRET}", error=chatport.ServiceError(f"broken {SECRET}"))
    chat, _ = session(answer, f"said {SECRET}", failing, system=SECRET, tools=[remember])
    return chat, calls


async def test_nothing_that_is_said_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At no level: not what people write, not what models answer, not what tools are given and give."""
    caplog.set_level(logging.DEBUG, "chatport.turns")
    chat, _ = conversation()
    with observe(LoggingObserver()):
        await chat.ask(f"my word is {SECRET}")
        with pytest.raises(chatport.ServiceError):
            await chat.ask(SECRET)
    records = [record for record in caplog.records if record.name == "chatport.turns"]
    assert len(records) == 5
    assert SECRET not in str([(record.getMessage(), facts(record), record.exc_info) for record in records])


async def test_with_content_it_is_told_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    """For who wants it: each record has its part of the conversation, the messages themselves stay the same."""
    caplog.set_level(logging.DEBUG, "chatport.turns")
    chat, calls = conversation()
    logger = logging.getLogger("chatport.turns")
    with observe(LoggingObserver(logger, level=logging.DEBUG, content=True)):
        await chat.ask("my word")
        with pytest.raises(chatport.ServiceError):
            await chat.ask("again")
    records = [record for record in caplog.records if record.name == "chatport.turns"]
    assert [record.levelno for record in records] == [logging.DEBUG] * 4 + [logging.WARNING]
    assert not any(SECRET in record.getMessage() for record in records)
    asked, *runs, answered, failed = (facts(record) for record in records)
    assert (asked["input"], asked["output"]) == ("my word", f"calling {SECRET}")
    by_id = {run["tool_call_id"]: run for run in runs}
    assert by_id["1"]["arguments"] == repr(calls[0].arguments)
    assert f"remembered {SECRET}" in by_id["1"]["result"]
    assert by_id["2"]["arguments"] == calls[1].invalid_json
    assert (answered["input"], answered["output"]) == ("", f"said {SECRET}")
    assert failed["output"] == f"so far {SECRET}"
    assert failed["error_text"].startswith(f"broken {SECRET}")


async def test_a_tool_run_that_was_broken_off_has_no_result(caplog: pytest.LogCaptureFixture) -> None:
    """It says so, with content too."""
    caplog.set_level(logging.INFO)
    turn = TurnInfo("0" * 32, "scripted", "m", streaming=False, message_count=1)
    for content in (False, True):
        LoggingObserver(content=content).chatport_tool_run_end(turn, call(), None, 1.5)
    assert [record.getMessage() for record in caplog.records] == [
        "scripted:m tool 'get_weather': broken off after 1.500 s"
    ] * 2
    assert facts(caplog.records[1])["result"] is None


async def test_a_retry_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody waits, and may want to know why."""
    turn = TurnInfo("0" * 32, "scripted", "m", streaming=False, message_count=1)
    error = chatport.ServiceError(SECRET, code="Busy", status=503)
    LoggingObserver().chatport_retry_start(turn, 2, 0.5, error)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.WARNING,
        "scripted:m attempt 2 in 0.500 s after ServiceError (Busy)",
    )
    assert (facts(record)["attempt"], facts(record)["delay"], facts(record)["status"]) == (2, 0.5, 503)
    LoggingObserver(level=logging.ERROR).chatport_retry_start(turn, 2, 0.5, error)
    assert caplog.records[1].levelno == logging.ERROR


async def test_nothing_is_logged_below_the_loggers_level(caplog: pytest.LogCaptureFixture) -> None:
    """The level is the logger's to decide; nobody has to take the observer away to be spared."""
    caplog.set_level(logging.WARNING)
    chat, _ = session("ok")
    with observe(LoggingObserver()):
        await chat.ask("go")
    assert caplog.records == []
