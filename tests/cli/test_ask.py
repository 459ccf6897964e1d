"""`chatport "..."`: what is asked, what is shown, and where."""

import json
import logging
from collections.abc import AsyncGenerator

import anyio
import pytest
from tests.cli.support import Command, Scripted

import chatport
from chatport import (
    Adjustment,
    AuthenticationError,
    ChatRequest,
    ContextWindowError,
    Opaque,
    RateLimitError,
    Settings,
    StreamInterruptedError,
    Text,
    Usage,
    load_messages,
)
from chatport.backend import BackendEvent, MessageEnd, MessageStart, PartEnd, TextDelta
from chatport.testing import Answer, Script, ScriptedBackend

NOTE = Adjustment("dropped", "setting-dropped", "settings.top_k", "this model\nhas no top_k")


def test_the_answer_stands_on_standard_output_alone(chat: Command, scripted: Scripted) -> None:
    """The text and a line end on standard output, nothing on standard error, exit code 0."""
    backend = scripted("Hello, world!")
    result = chat("-m", "scripted:m", "Hi", "there")
    assert (result.code, result.output, result.errors) == (0, "Hello, world!\n", "")
    assert backend.requests[0].messages[-1].text == "Hi there"
    assert backend.requests[0].streaming
    assert backend.closed


def test_an_answer_that_ends_its_line_gets_no_second_end(chat: Command, scripted: Scripted) -> None:
    """Exactly what the model said, where it ends in a line end."""
    scripted("one\ntwo\n")
    assert chat("-m", "scripted:m", "Hi").output == "one\ntwo\n"


def test_each_piece_is_out_before_the_next_is_there(chat: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Text is flushed piece by piece: the backend sees its first words on the screen before it says the next."""
    seen: list[str] = []

    class Watching:
        name = "watching"

        async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
            yield MessageStart(request.model)
            for word in ("one", " two", " three"):
                yield TextDelta(0, word)
                seen.append(capsys.readouterr().out)
            yield MessageEnd("stop")

        async def aclose(self) -> None:
            """Nothing is open."""

    with chatport.register_backend("watching", Watching):
        assert chat("-m", "watching:m", "Hi").code == 0
    assert seen == ["one", " two", " three"]


def test_everything_that_is_set_reaches_the_backend(chat: Command, scripted: Scripted) -> None:
    """System prompt, settings and strictness are part of the request."""
    backend = scripted("ok")
    result = chat(
        *("-m", "scripted:m", "-s", "Be brief.", "--max-tokens", "5", "--temperature", "0", "--top-p", "0.5"),
        *("--top-k", "3", "--stop", "END", "--stop", "FIN", "--strict", "Hi"),
    )
    assert result.code == 0
    (request,) = backend.requests
    assert request.system == (Text("Be brief."),)
    assert request.settings == Settings(5, 0.0, 0.5, 3, ("END", "FIN"))
    assert request.strict


def test_options_go_to_the_backend(chat: Command) -> None:
    """`-o` gives the backend its options, typed."""
    given: dict[str, object] = {}

    def factory(**options: object) -> ScriptedBackend:
        given.update(options)
        return ScriptedBackend("ok")

    with chatport.register_backend("optional", factory):
        assert chat("-m", "optional:m", "-o", "region=eu-west-1", "-o", "fast=true", "Hi").code == 0
    assert given == {"region": "eu-west-1", "fast": True}


def test_the_environment_names_the_model(chat: Command, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHATPORT_MODEL holds where -m does not say otherwise."""
    backend = scripted("one", "two")
    monkeypatch.setenv("CHATPORT_MODEL", "scripted:from-the-environment")
    chat("Hi")
    chat("-m", "scripted:from-the-line", "Hi")
    assert [request.model for request in backend.requests] == ["from-the-environment", "from-the-line"]


def test_no_stream_asks_for_one_piece(chat: Command, scripted: Scripted) -> None:
    """`--no-stream` is the backend's other operation; the answer looks the same."""
    backend = scripted("Hello, world!")
    result = chat("-m", "scripted:m", "--no-stream", "Hi")
    assert result.output == "Hello, world!\n"
    assert not backend.requests[0].streaming


def test_usage_says_what_it_cost(chat: Command, scripted: Scripted) -> None:
    """Tokens, time, model and request id, on standard error."""
    usage = Usage(12, 1, 4, 5, 1, 13)
    scripted([MessageStart("served-model", "request-7"), TextDelta(0, "Hi"), MessageEnd("stop", usage=usage)])
    result = chat("-m", "scripted:m", "--usage", "Hi")
    assert result.output == "Hi\n"
    (line,) = result.lines
    assert line.startswith(
        "chatport: usage: 12 input tokens (4 from a cache, 5 into a cache), 1 output token (1 of them reasoning); "
    )
    assert "ms" in line
    assert line.endswith("model served-model; request request-7")


def test_usage_that_nobody_reports_is_not_zero(chat: Command, scripted: Scripted) -> None:
    """A backend without figures is said to have none."""
    scripted("Hi")
    (line,) = chat("-m", "scripted:m", "--usage", "Hi").lines
    assert "input tokens not reported, output tokens not reported" in line
    assert line.endswith("no request id")


@pytest.mark.parametrize("more", [[], ["--no-stream"], ["--json"]], ids=["stream", "no-stream", "json"])
def test_adjustments_are_always_said(chat: Command, scripted: Scripted, more: list[str]) -> None:
    """One line each on standard error, however the answer is shown; a lossless one is none."""
    lossless = Adjustment("lossless", "merged", "messages", "merged")
    start = MessageStart("m", adjustments=(NOTE, lossless))
    scripted([start, TextDelta(0, "Hi"), MessageEnd("stop")])
    result = chat("-m", "scripted:m", *more, "Hi")
    assert result.code == 0
    assert result.lines == ["chatport: dropped settings.top_k: this model has no top_k (setting-dropped)"]


def test_json_is_the_whole_reply(chat: Command, scripted: Scripted) -> None:
    """One line of JSON on standard output, with the messages in the form that `load_messages` reads."""
    usage = Usage(3, 2, total_tokens=5, raw={"in": 3})
    start = MessageStart("served", "request-7", (NOTE,))
    end = MessageEnd("stop", "end_turn", usage, {"scripted": {"a": 1}}, 0.25)
    backend = scripted([start, TextDelta(0, "Grüße"), end])
    result = chat("-m", "scripted:m", "--json", "Hi")
    assert result.output.isascii()
    assert result.output.count("\n") == 1
    reply = json.loads(result.output)
    timing = reply.pop("timing")
    assert timing["service"] == 0.25
    assert 0 <= timing["first_event"] <= timing["total"]
    messages = load_messages(json.dumps(reply.pop("messages")))
    assert [(message.role, message.text) for message in messages] == [("user", "Hi"), ("assistant", "Grüße")]
    assert reply == {
        "text": "Grüße",
        "stop_reason": "stop",
        "raw_stop_reason": "end_turn",
        "model": "served",
        "request_id": "request-7",
        "usage": {
            "input_tokens": 3,
            "output_tokens": 2,
            "cache_read_tokens": None,
            "cache_write_tokens": None,
            "reasoning_tokens": None,
            "total_tokens": 5,
            "complete": True,
            "raw": {"in": 3},
        },
        "adjustments": [
            {
                "kind": "dropped",
                "code": "setting-dropped",
                "path": "settings.top_k",
                "message": "this model\nhas no top_k",
            }
        ],
        "metadata": {"scripted": {"a": 1}},
    }
    assert backend.requests[0].streaming


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("length", "--max-tokens raises it"),
        ("content_filter", "filter"),
        ("context_window", "context window"),
        ("other", "no reason"),
        ("tool_calls", "asks for tools"),
    ],
)
def test_a_cut_answer_does_not_pass_for_a_short_one(
    chat: Command, scripted: Scripted, reason: chatport.StopReason, words: str
) -> None:
    """Where the model did not end the answer itself, a line says so, with the service's own word."""
    scripted([MessageStart("m"), TextDelta(0, "Hel"), MessageEnd(reason, "raw_word")])
    result = chat("-m", "scripted:m", "Hi")
    assert result.output == "Hel\n"
    (line,) = result.lines
    assert line.startswith("chatport: the answer is cut: ")
    assert words in line
    assert line.endswith("[raw_word]")


@pytest.mark.parametrize("more", [[], ["--no-stream"]], ids=["stream", "no-stream"])
def test_a_part_that_is_no_text_is_mentioned(chat: Command, scripted: Scripted, more: list[str]) -> None:
    """What a terminal cannot show is not left out in silence; text that came whole is shown."""
    opaque = PartEnd(1, Opaque("scripted", {"secret": "thing"}))
    scripted([MessageStart("m"), PartEnd(0, Text("whole")), opaque, MessageEnd("stop")])
    result = chat("-m", "scripted:m", *more, "Hi")
    assert result.output == "whole\n"
    assert result.lines == ["chatport: the answer holds a part that is no text (Opaque); --json shows it"]


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [[], ["--no-stream"]], ids=["stream", "no-stream"])
def test_a_broken_answer_is_shown_as_far_as_it_came(chat: Command, scripted: Scripted, more: list[str]) -> None:
    """What came stands on standard output, ends its line, and one line on standard error says how it broke."""
    error = StreamInterruptedError("the connection\nbroke", status=200, request_id="r-1")
    scripted(Answer("Once upon", error=error, usage=Usage(1, 2)))
    result = chat("-m", "scripted:m", *more, "Hi")
    assert (result.code, result.output) == (1, "Once upon\n")
    (line,) = result.lines
    message, _, hint = line.partition("; hint: ")
    assert message == "chatport: error: the connection broke (backend=scripted, model=m, status=200, request_id=r-1)"
    assert hint == "the answer is incomplete: ask again"


def test_json_of_a_broken_answer_is_none(chat: Command, scripted: Scripted) -> None:
    """With --json a failed turn leaves nothing on standard output that could pass for a reply."""
    scripted(Answer("Once upon", error=StreamInterruptedError("broke")))
    result = chat("-m", "scripted:m", "--json", "Hi")
    assert (result.code, result.output) == (1, "")


def test_usage_of_a_broken_answer_is_said_too(chat: Command, scripted: Scripted) -> None:
    """What a failed turn has cost is spent all the same; what nobody reported is not made up."""
    scripted(Answer("Once upon", error=StreamInterruptedError("broke")))
    usage, error = chat("-m", "scripted:m", "--usage", "Hi").lines
    assert (
        usage
        == "chatport: usage: input tokens not reported, output tokens not reported (and more that nobody reported)"
    )
    assert error.startswith("chatport: error: broke")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (
            AuthenticationError("no key"),
            "-m backend:model says whom to ask, -o KEY=VALUE sets an option of the backend",
        ),
        (ContextWindowError("too long"), "ask less, or attach less"),
        (RateLimitError("slow down", retry_after=2.5), "the service asks to wait 2.5 s"),
        (RateLimitError("slow down"), "this may pass: ask again"),
        (RuntimeError("odd"), "--debug shows where it comes from"),
    ],
    ids=["authentication", "context-window", "wait", "retryable", "unexpected"],
)
def test_errors_are_one_line_with_a_hint(chat: Command, scripted: Scripted, error: Exception, hint: str) -> None:
    """No traceback, one line, and what to do about it."""
    scripted(error)
    result = chat("-m", "scripted:m", "--attempts", "1", "Hi")
    assert (result.code, result.output) == (1, "")
    (line,) = result.lines
    assert line.startswith("chatport: error: ")
    assert str(error.args[0]) in line
    assert line.endswith(f"; hint: {hint}")


def test_debug_shows_the_trace_and_the_log(chat: Command, scripted: Scripted) -> None:
    """`--debug` adds the traceback and the records of chatport, not those of everybody else."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))

    def answer(_: ChatRequest) -> Script:
        logging.getLogger("chatport_scripted").debug("a record of ours")
        logging.getLogger("somebody").debug("a secret of theirs")
        logging.getLogger("somebody").warning("a warning of theirs")
        return RateLimitError("slow down")

    scripted(answer)
    result = chat("-m", "scripted:m", "--debug", "--attempts", "1", "Hi")
    assert result.code == 1
    assert "Traceback (most recent call last)" in result.errors
    assert "DEBUG chatport_scripted: a record of ours" in result.errors
    assert "a warning of theirs" in result.errors
    assert "a secret of theirs" not in result.errors
    assert result.lines[-1].startswith("chatport: error: slow down")
    assert (root.level, root.handlers) == before


@pytest.mark.parametrize("way", ["--stream", "--no-stream"])
def test_what_is_asked_again_is_said(chat: Command, scripted: Scripted, way: str) -> None:
    """A repetition is a line of its own where events are read, and part of what the answer has cost."""
    again = RateLimitError("slow down", retry_after=0)
    backend = scripted(again, again, "Hello.")
    result = chat("-m", "scripted:m", "--usage", *([way] if way == "--no-stream" else []), "Hi")
    assert (result.code, result.output, len(backend.requests)) == (0, "Hello.\n", 3)
    *lines, usage = result.lines
    expected = [
        f"chatport: attempt {number}, 0.0 ms after this: slow down (backend=scripted, model=m)" for number in (2, 3)
    ]
    assert lines == (expected if way == "--stream" else [])
    assert usage.endswith("; 2 of 3 requests failed")


def test_the_one_error_of_a_group_is_said(chat: Command, scripted: Scripted) -> None:
    """A backend with task groups inside raises groups; what is in them is what people need to read."""
    scripted(ExceptionGroup("outer", [ExceptionGroup("inner", [RateLimitError("slow down")])]))
    (line,) = chat("-m", "scripted:m", "Hi").lines
    assert line.startswith("chatport: error: slow down")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nothing-like-that:m", "no backend named 'nothing-like-that' is installed"),
        ("nothing", "a model is written backend:model"),
        ("scripted:", "a model is written backend:model"),
    ],
)
def test_a_wrong_model_is_explained(chat: Command, scripted: Scripted, model: str, words: str) -> None:
    """One line says what is wrong with it."""
    scripted("never")
    result = chat("-m", model, "Hi")
    assert result.code == 1
    (line,) = result.lines
    assert words in line


class _SilentBackend:
    """Begins to answer, and falls silent."""

    name = "silent"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Say two words."""
        yield MessageStart("m")
        yield TextDelta(0, "Once upon")
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("options", "output"),
    [((), "Once upon\n"), (("--no-stream",), ""), (("--json",), "")],
    ids=["text", "whole", "json"],
)
def test_an_answer_that_takes_too_long(chat: Command, options: tuple[str, ...], output: str) -> None:
    """`--timeout` ends it with an error; what had come is there, and what it cost is not known."""
    with chatport.register_backend("silent", _SilentBackend):
        result = chat("-m", "silent:m", "--timeout", "0.05", "--usage", *options, "Hi")
    assert (result.code, result.output) == (1, output)
    assert result.lines == [
        "chatport: usage: input tokens not reported, output tokens not reported (and more that nobody reported)",
        "chatport: error: the answer was not complete within 0.05 seconds (--timeout)",
    ]


def test_waiting_for_another_attempt_counts(chat: Command, scripted: Scripted) -> None:
    """The limit is one for all attempts and the waits between them."""
    backend = scripted(RateLimitError("slow down", retry_after=30), "never")
    result = chat("-m", "scripted:m", "--timeout", "0.05", "Hi")
    assert (result.code, result.output, len(backend.requests)) == (1, "", 1)
    assert result.lines[-1].endswith("(--timeout)")


def test_an_answer_in_time(chat: Command, scripted: Scripted) -> None:
    """Whoever answers in time is not held up."""
    scripted("Hello.")
    assert chat("-m", "scripted:m", "--timeout", "30", "Hi").output == "Hello.\n"


def test_a_usage_error_has_its_own_exit_code(chat: Command) -> None:
    """Scripts can tell a wrong call (2) from a failed one (1)."""
    result = chat("--unknown")
    assert (result.code, result.output) == (2, "")
    assert result.lines == ["chatport: error: unrecognized arguments: --unknown; hint: see `chatport --help`"]
