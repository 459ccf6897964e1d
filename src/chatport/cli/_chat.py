"""`chatport chat`: a conversation, line by line."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias, cast

from anyio.from_thread import start_blocking_portal

from chatport import ChatError, ConflictError
from chatport.cli._ask import answer, opened_session
from chatport.cli._errors import CommandError, UsageError
from chatport.cli._input import is_piped
from chatport.cli._lines import LOOK_AFTER, read_line, show_prompt
from chatport.cli._output import say
from chatport.cli._report import describe_error
from chatport.cli._target import choose_target

if TYPE_CHECKING:
    from collections.abc import Generator

    from anyio.from_thread import BlockingPortal

    from chatport import Session
    from chatport.cli._commands import ChatCommand

_Happening: TypeAlias = Literal["end", "interrupt"]


def run_chat(command: ChatCommand) -> int:
    """Ask line by line until the input ends, and return the exit code.

    The event loop runs in a thread of its own: a person may think for as long as they like, and an interrupt reaches
    either the waiting for a line or the answer, never something between.

    Raises:
        CommandError: There is nobody to ask; in a script, also where an answer takes too long.
        ChatError: The session cannot be opened; in a script, also where a turn fails.
        OutputError: Standard output takes no more.
        KeyboardInterrupt: A person has interrupted while nothing was being answered.
    """
    choice = choose_target(command.model, command.options, environment=True)
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(opened_session(command, choice)) as session,
    ):
        is_talk = not is_piped()
        if is_talk:
            _greet(session)
        while line := _read_line(with_prompt=is_talk):
            if not line.strip():
                continue
            try:
                _take_turn(portal, session, line.strip(), command)
            except (ChatError, CommandError) as error:
                if not is_talk:
                    raise
                _say_error(error)
                if isinstance(error, ConflictError):
                    portal.call(session.reload)
    return 0


def _greet(session: Session) -> None:
    turns = sum(message.role == "user" for message in session.messages)
    stored = "" if session.id is None else f", session {session.id}" + (f" with {turns} questions so far" * bool(turns))
    say(f"{session.backend.name}:{session.model}{stored}; Ctrl-D ends")


def _read_line(*, with_prompt: bool) -> str:
    """Return the next line; empty at the end of the input."""
    lines = cast("TextIO | None", sys.stdin)
    if lines is None:
        raise UsageError("standard input is closed")
    if with_prompt:
        show_prompt("> ")
    return read_line(lines)


def _say_error(error: ChatError | CommandError) -> None:
    message, hint = describe_error(error)
    say(f"error: {message}" + (f"; hint: {hint}" if hint is not None else ""))


def _take_turn(portal: BlockingPortal, session: Session, line: str, command: ChatCommand) -> None:
    """Ask, and wait for the answer; an interrupt breaks it off, and the talk goes on.

    Raises:
        ChatError: The turn has failed, also while it was being broken off.
        CommandError: As for `answer`.
        KeyboardInterrupt: A second interrupt, while the answer was being broken off.
    """
    happened: SimpleQueue[_Happening] = SimpleQueue()
    failed: list[ChatError | CommandError] = []

    async def turn() -> None:
        try:
            await answer(session, [line], command)
        except (ChatError, CommandError) as error:
            failed.append(error)
            raise
        finally:
            happened.put("end")

    before = session.messages
    with _told_of_interrupts(happened):
        future = portal.start_task_soon(turn)
        first = _next(happened)
    if first == "end":
        future.result()
        return
    future.cancel()
    while _next(happened) != "end":  # it came twice before it was looked at
        continue
    if failed:
        raise failed[0]
    # What was on its way into the store when the interrupt came is there, whoever waited for it.
    if session.messages == before:
        say("the answer was broken off; it is not part of the session")
    else:
        say("the answer was complete; it is part of the session")


@contextmanager
def _told_of_interrupts(happened: SimpleQueue[_Happening]) -> Generator[None]:
    """Have an interrupt told, in place of raised: raised, it might come before there is something to break off."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not _in_main_thread():
        yield  # nobody raises it here
        return
    # Of all queues this is the one that a handler may put into at any time.
    signal.signal(signal.SIGINT, lambda _number, _frame: happened.put("interrupt"))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _next(happened: SimpleQueue[_Happening]) -> _Happening:
    while True:
        with suppress(Empty):
            return happened.get(timeout=LOOK_AFTER)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
