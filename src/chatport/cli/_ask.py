"""`chatport "..."`: ask once and show the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING

import anyio

from chatport import BackendError, ChatError, PartEnd, Retry, Settings, open_session
from chatport.cli._errors import CommandError
from chatport.cli._input import read_content
from chatport.cli._output import say, write_output
from chatport.cli._printer import ReplyPrinter
from chatport.cli._report import describe_adjustment, describe_cut, describe_timing, describe_usage, reply_json
from chatport.cli._stores import opened_store
from chatport.cli._target import choose_target, open_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatport import Reply, Session
    from chatport.cli._commands import AskCommand
    from chatport.cli._input import Attachment
    from chatport.cli._target import Choice


def run_ask(command: AskCommand) -> int:
    """Ask, show the answer and return the exit code.

    Raises:
        CommandError: There is nothing to ask, something to attach cannot be read, there is nobody to ask, or the answer
            takes too long.
        ChatError: The question cannot be asked, or the answer failed; what came of it has been shown.
        OutputError: Standard output takes no more.
    """
    content = read_content(command.prompt, command.attachments)
    choice = choose_target(command.model, command.options, environment=True)
    anyio.run(_ask, command, content, choice)
    return 0


async def _ask(command: AskCommand, content: Sequence[str | Attachment], choice: Choice) -> None:
    async with opened_session(command, choice) as session:
        await answer(session, content, command)


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
            store=store,
            id=command.session,
        ) as session,
    ):
        if store is not None and command.session is None:
            say(f"session: {session.id}")
        yield session


async def answer(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> None:
    """Ask, show the answer, and say what it costs.

    Raises:
        ChatError: As for `run_ask`.
        CommandError: The answer takes too long.
    """
    try:
        reply = await _answer_in_time(session, content, command)
    except (ChatError, CommandError):
        if command.usage:
            say(f"usage: {describe_usage(session.usage)}")
        raise
    cut = describe_cut(reply)
    if cut is not None:
        say(cut)
    if command.usage:
        say(_usage_line(reply))


async def _answer_in_time(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> Reply:
    # A scope, and no limit of a request: a turn may take several requests, and wait between them.
    with anyio.move_on_after(inf if command.timeout is None else command.timeout):
        return await _answer(session, content, command)
    raise CommandError(f"the answer was not complete within {command.timeout:g} seconds (--timeout)")


async def _answer(session: Session, content: Sequence[str | Attachment], command: AskCommand) -> Reply:
    if command.json:
        reply = await _whole_reply(session, content, streaming=command.streaming)
        _say_adjustments(reply)
        write_output(reply_json(reply) + "\n")
        return reply
    printer = ReplyPrinter()
    try:
        if command.streaming:
            return await _streamed_reply(session, content, printer)
        return await _printed_reply(session, content, printer)
    finally:
        # However it ends, by an error or an interrupt, what comes next begins a line.
        printer.end_line()


async def _streamed_reply(session: Session, content: Sequence[str | Attachment], printer: ReplyPrinter) -> Reply:
    async with session.stream(*content) as stream:
        async for event in stream:
            printer.show(event)
    return stream.reply


async def _printed_reply(session: Session, content: Sequence[str | Attachment], printer: ReplyPrinter) -> Reply:
    try:
        reply = await session.ask(*content)
    except BackendError as error:
        # Broken off, but paid for.
        printer.write(error.partial.text if error.partial is not None else "")
        raise
    _say_adjustments(reply)
    for index, part in enumerate(reply.message.parts):
        printer.show(PartEnd(index, part))
    return reply


async def _whole_reply(session: Session, content: Sequence[str | Attachment], *, streaming: bool) -> Reply:
    if not streaming:
        return await session.ask(*content)
    async with session.stream(*content) as stream:
        return await stream.finish()


def _say_adjustments(reply: Reply) -> None:
    for adjustment in reply.adjustments:
        say(describe_adjustment(adjustment))


def _usage_line(reply: Reply) -> str:
    request = "no request id" if reply.request_id is None else f"request {reply.request_id}"
    if repeated := reply.attempts - len(reply.steps):
        request += f"; {repeated} of {reply.attempts} requests failed"
    return f"usage: {describe_usage(reply.usage)}; {describe_timing(reply.timing)}; model {reply.model}; {request}"
