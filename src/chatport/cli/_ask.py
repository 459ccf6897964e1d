"""`chatport "..."`: ask once and show the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING

import anyio

from chatport import BackendError, ChatError, PartEnd, Retry, Settings, open_session
from chatport.cli._errors import CommandError, UsageError
from chatport.cli._input import read_content
from chatport.cli._output import one_line, say, write_output
from chatport.cli._printer import ReplyPrinter
from chatport.cli._report import describe_adjustment, describe_cut, describe_timing, describe_usage, reply_json
from chatport.cli._stores import opened_store
from chatport.cli._target import choose_target, open_target
from chatport.cli._tools import approver, load_tools, say_waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatport import Reply, ReplyStream, Session
    from chatport.cli._commands import AskCommand
    from chatport.cli._input import Attachment
    from chatport.cli._target import Choice

WAITING = 3
"""The exit code where calls of tools wait to be approved."""


def run_ask(command: AskCommand) -> int:
    """Ask, show the answer and return the exit code.

    Raises:
        CommandError: There is nothing to ask, something to attach cannot be read, there is nobody to ask, or the answer
            takes too long.
        ChatError: The question cannot be asked, or the answer failed; what came of it has been shown.
        OutputError: Standard output takes no more.
    """
    if command.resume:
        _check_resume(command)
    elif command.claimed != "refuse":
        raise UsageError("--claimed says what becomes of calls that --resume goes on with")
    content = () if command.resume else read_content(command.prompt, command.attachments)
    choice = choose_target(command.model, command.options, environment=True)
    waits: bool = anyio.run(_ask, command, content, choice)
    return WAITING if waits else 0


def _check_resume(command: AskCommand) -> None:
    if command.prompt or command.attachments:
        raise UsageError("--resume goes on with calls that wait, and asks nothing")
    if command.session is None:
        raise UsageError("--resume goes on with a stored session", hint="name it with --session ID")


async def _ask(command: AskCommand, content: Sequence[str | Attachment], choice: Choice) -> bool:
    async with opened_session(command, choice) as session:
        if command.resume:
            _check_waiting(session, command)
        return await answer(session, content, command)


def _check_waiting(session: Session, command: AskCommand) -> None:
    if not session.pending_calls:
        raise CommandError(f"no call waits in the session {session.id!r}")
    claim = session.claim
    if claim is not None and command.claimed == "refuse":
        since = f"{claim.claimed_at.astimezone():%Y-%m-%d %H:%M:%S}"
        hint = "wait for it; where it has ended, --claimed close answers them as interrupted, --claimed run runs them"
        raise CommandError(f"{one_line(claim.worker)} has begun to run the calls that wait, at {since}", hint=hint)
    closed = claim.calls if claim is not None and command.claimed == "close" else ()
    if not command.tools and any(call.id not in closed for call in session.pending_calls):
        raise CommandError("there is no tool to run the calls that wait", hint="--tools FILE offers them")


@asynccontextmanager
async def opened_session(command: AskCommand, choice: Choice) -> AsyncGenerator[Session]:
    """Give the session that a command asks for; the name of a new stored one is said."""
    async with (
        open_target(choice) as target,
        opened_store(command.store, command.session) as store,
        open_session(
            target.model,
            backend_options=target.options,
            system=command.system,
            settings=Settings(**command.settings),
            retry=Retry() if command.attempts is None else Retry(command.attempts),
            strict=command.strict,
            tools=load_tools(command.tools),
            approve=approver(command.approve),
            store=store,
            id=command.session,
        ) as session,
    ):
        if store is not None and command.session is None:
            say(f"session: {session.id}")
        yield session


async def answer(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> bool:
    """Ask, show the answer, and say what it costs; return whether calls of tools wait.

    Raises:
        ChatError: As for `run_ask`.
        CommandError: The answer takes too long, or calls of tools wait in the session.
    """
    if content and session.pending_calls:
        hint = "go on with them: chatport --session ID --resume"
        raise CommandError("calls of tools wait to be approved in this session", hint=hint)
    try:
        reply = await _answer_in_time(session, content, command)
    except (ChatError, CommandError):
        if command.usage:
            say(f"usage: {describe_usage(session.usage)}")
        raise
    cut = describe_cut(reply)
    if cut is not None and not (command.tools and reply.pending_calls):
        say(cut)
    if command.usage:
        say(_usage_line(reply))
    return say_waiting(reply, session.id)


async def _answer_in_time(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> Reply:
    # A scope, and no limit of a request: a turn may take several requests, and wait between them.
    with anyio.move_on_after(inf if command.timeout is None else command.timeout):
        return await _answer(session, content, command)
    raise CommandError(f"the answer was not complete within {command.timeout:g} seconds (--timeout)")


async def _answer(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> Reply:
    if command.json:
        reply = await _whole_reply(session, content, command)
        _say_adjustments(reply)
        write_output(reply_json(reply) + "\n")
        return reply
    printer = ReplyPrinter()
    try:
        if command.streaming:
            return await _streamed_reply(session, content, command, printer)
        return await _printed_reply(session, content, command, printer)
    finally:
        # However it ends, by an error or an interrupt, what comes next begins a line.
        printer.end_line()


async def _streamed_reply(
    session: Session, content: Sequence[str | Attachment], command: AskCommand, printer: ReplyPrinter
) -> Reply:
    async with _opened(session, content, command) as stream:
        async for event in stream:
            printer.show(event)
    return stream.reply


async def _printed_reply(
    session: Session, content: Sequence[str | Attachment], command: AskCommand, printer: ReplyPrinter
) -> Reply:
    try:
        reply = await _reply(session, content, command)
    except BackendError as error:
        # Broken off, but paid for.
        printer.write(error.partial.text if error.partial is not None else "")
        raise
    _say_adjustments(reply)
    for index, part in enumerate(reply.message.parts):
        printer.show(PartEnd(index, part))
    return reply


async def _whole_reply(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> Reply:
    if not command.streaming:
        return await _reply(session, content, command)
    async with _opened(session, content, command) as stream:
        return await stream.finish()


async def _reply(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> Reply:
    return await (session.ask(*content) if content else session.resume(claimed=command.claimed))


def _opened(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> ReplyStream:
    return session.stream(*content) if content else session.resume_stream(claimed=command.claimed)


def _say_adjustments(reply: Reply) -> None:
    for adjustment in reply.adjustments:
        say(describe_adjustment(adjustment))


def _usage_line(reply: Reply) -> str:
    request = "no request id" if reply.request_id is None else f"request {reply.request_id}"
    if repeated := reply.attempts - sum(step.attempts > 0 for step in reply.steps):
        request += f"; {repeated} of {reply.attempts} requests failed"
    return f"usage: {describe_usage(reply.usage)}; {describe_timing(reply.timing)}; model {reply.model}; {request}"
