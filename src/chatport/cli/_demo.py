"""`chatport demo`: a stream, a question about an image and a tool call, through a real backend."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from chatport import (
    Image,
    InvalidRequestError,
    Json,
    Session,
    Settings,
    Text,
    ToolRunEnd,
    ToolRunStart,
    UnsupportedError,
    open_backend,
    tool,
)
from chatport._registry import split_model
from chatport.cli._output import say, shown, write_output
from chatport.cli._picture import HEIGHT, WIDTH, draw_picture
from chatport.cli._printer import ReplyPrinter
from chatport.cli._report import describe_cut, describe_error, describe_seconds, describe_usage
from chatport.cli._target import choose_target, open_target

if TYPE_CHECKING:
    from chatport import Content, Reply, ReplyStream, ToolResult
    from chatport.backend import Backend
    from chatport.cli._commands import DemoCommand
    from chatport.cli._demos import FoundDemo
    from chatport.cli._target import Choice

# Enough for what is asked, and a bound on what a service charges for it.
_SETTINGS = Settings(max_tokens=500)
_FACTORS = (2741, 389)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a part.

    Attributes:
        backend: Who answered.
        worked: None where that model or backend says that it is not made for it.
    """

    backend: str
    worked: bool | None


def run_demo(command: DemoCommand) -> int:
    """Show the demo and return the exit code: 1 where a part of it did not work.

    Raises:
        CommandError: There is nobody to ask.
        ChatError: The backend cannot be asked at all.
        OutputError: Standard output takes no more.
    """
    choice = choose_target(command.model, command.options, environment=False)
    failed: int = anyio.run(_demo, choice)
    return 1 if failed else 0


async def _demo(choice: Choice) -> int:
    """Show every part and return how many failed."""
    started = time.perf_counter()
    outcomes: list[_Outcome] = []
    async with open_target(choice) as target:
        name, model = split_model(target.model)
        async with open_backend(name, **target.options) as backend:
            write_output(f"model: {target.model}\n")
            for number, (title, part) in enumerate(_PARTS.items(), 1):
                write_output(f"\n== {number}. {title} ==\n")
                outcome = _Outcome(name, await _shown_part(part, backend, model))
                if outcome.worked is None and choice.demo is not None and choice.demo.other is not None:
                    outcome = await _shown_by_another(part, choice.demo.other)
                outcomes.append(outcome)
    write_output(f"\n{_ending(outcomes)}, {describe_seconds(time.perf_counter() - started)} in all\n")
    return sum(outcome.worked is False for outcome in outcomes)


async def _shown_by_another(part: _Part, demo: FoundDemo) -> _Outcome:
    """Show a part with the next demo, since the first is not made for it: nobody should have to imagine the rest."""
    async with demo.start() as running:
        write_output(f"(so this answers: {running.description})\n")
        name, model = split_model(running.model)
        async with open_backend(name, **running.backend_options) as backend:
            return _Outcome(name, await _shown_part(part, backend, model))


async def _shown_part(part: _Part, backend: Backend, model: str) -> bool | None:
    """Show one part, and say whether it worked; None where this model or backend says that it is not made for it.

    Neither keeps anybody from the rest.
    """
    try:
        return await part(Session(backend, model, settings=_SETTINGS))
    except UnsupportedError as error:
        message, _ = describe_error(error)
        write_output(f"(not with this model: {message})\n")
        return None
    except InvalidRequestError as error:
        message, _ = describe_error(error)
        say(f"error: {message}")
        return False


def _ending(outcomes: list[_Outcome]) -> str:
    worked = Counter(outcome.backend for outcome in outcomes if outcome.worked)
    by_whom = " and ".join(
        f"{count} through {name}" if len(worked) > 1 else f"through {name}" for name, count in worked.items()
    )
    unsupported = sum(outcome.worked is None for outcome in outcomes)
    others = f" ({unsupported} that this model is not made for)" if unsupported else ""
    count = f"{worked.total()} of {len(_PARTS)} parts worked"
    return f"{count}, {by_whom}{others}" if len(worked) > 1 else f"{count} {by_whom}".rstrip() + others


# --- the parts -------------------------------------------------------------------------------------------------------


async def _streamed_answer(session: Session) -> bool:
    await _ask(session, "Tell me a short story about a message in a bottle.")
    return True


async def _image_question(session: Session) -> bool:
    picture = Image.from_bytes(draw_picture())
    size = len(picture.data or b"")
    write_output(f"(a picture made just now: a yellow disc on blue, PNG, {WIDTH} x {HEIGHT} pixels, {size} bytes)\n")
    await _ask(session, "What is in this picture, and how large is it?", picture)
    return True


async def _tool_round_trip(session: Session) -> bool:
    write_output("(a tool on offer: multiply(first, second), a Python function of this program)\n")
    first, second = _FACTORS
    reply = await _ask(session, f"Multiply {first} by {second}, with the tool.", offer=True)
    called = any(step.tool_message is not None for step in reply.steps)
    if not called:
        write_output("(the model has not called the tool)\n")
    return called


@tool
def multiply(first: int, second: int) -> int:
    """Multiply two whole numbers, exactly.

    Args:
        first: The one factor.
        second: The other factor.
    """
    return first * second


_Part = Callable[[Session], Awaitable[bool]]
_PARTS: dict[str, _Part] = {
    "A streamed answer": _streamed_answer,
    "A question about an image": _image_question,
    "A tool call and its round trip": _tool_round_trip,
}


# --- asking ----------------------------------------------------------------------------------------------------------


async def _ask(session: Session, question: str, *content: Content, offer: bool = False) -> Reply:
    """Ask, print all that happens, and return the reply."""
    write_output(f"> {question}\n")
    asked = time.perf_counter()
    printer = ReplyPrinter()
    try:
        async with session.stream(question, *content, tools=[multiply] if offer else []) as stream:
            await _print_events(stream, printer)
    finally:
        printer.end_line()
    reply = stream.reply
    cut = describe_cut(reply)
    if cut is not None:
        say(cut)
    write_output(f"({_timing(printer, asked, reply)})\n")
    return reply


async def _print_events(stream: ReplyStream, printer: ReplyPrinter) -> None:
    async for event in stream:
        printer.show(event)
        match event:
            case ToolRunStart(call=call):
                arguments = ", ".join(f"{name}={json.dumps(value)}" for name, value in call.arguments.items())
                write_output(f"  the model calls {shown(call.name)}({shown(arguments)})\n")
            case ToolRunEnd(result=result):
                write_output(f"  {'the error' if result.is_error else 'the result'}: {shown(_result_text(result))}\n")
            case _:
                pass


def _result_text(result: ToolResult) -> str:
    return " ".join(
        part.text if isinstance(part, Text) else json.dumps(part.value) if isinstance(part, Json) else repr(part)
        for part in result.content
    )


def _timing(printer: ReplyPrinter, asked: float, reply: Reply) -> str:
    facts: list[str] = []
    if printer.first_piece is not None:
        facts.append(f"first text after {describe_seconds(printer.first_piece - asked)}")
    facts.append(
        f"{printer.pieces} piece{'' if printer.pieces == 1 else 's'} in {describe_seconds(reply.timing.total)}"
    )
    facts.append(describe_usage(reply.usage))
    return ", ".join(facts)
