"""`chatport chat`: a conversation, line by line."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, TextIO, cast

from anyio.from_thread import start_blocking_portal

from chatport import ChatError, ConflictError
from chatport.cli._ask import answer, opened_session
from chatport.cli._errors import CommandError, UsageError
from chatport.cli._input import is_piped
from chatport.cli._output import say
from chatport.cli._report import describe_error
from chatport.cli._target import choose_target

if TYPE_CHECKING:
    from concurrent.futures import Future

    from anyio.from_thread import BlockingPortal

    from chatport import Session
    from chatport.cli._commands import ChatCommand


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
        sys.stderr.write("> ")
        sys.stderr.flush()
    return lines.readline()


def _say_error(error: ChatError | CommandError) -> None:
    message, hint = describe_error(error)
    say(f"error: {message}" + (f"; hint: {hint}" if hint is not None else ""))


def _take_turn(portal: BlockingPortal, session: Session, line: str, command: ChatCommand) -> None:
    """Ask, and wait for the answer; an interrupt breaks it off, and the talk goes on."""
    ended = threading.Event()

    async def turn() -> None:
        try:
            await answer(session, [line], command)
        finally:
            ended.set()

    future = portal.start_task_soon(turn)
    try:
        _wait_for(future)
    except KeyboardInterrupt:
        future.cancel()
        ended.wait()
        say("the answer was broken off; it is not part of the session")


def _wait_for(future: Future[None]) -> None:
    future.result()
