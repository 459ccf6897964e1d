"""Calls and their results: each call of a conversation is sent once, and answered once, by what answered it."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.swap.ledger import Reading
from tests.swap.station import WireCall, WireResult

from chatport import Document, Image, Json, Message, Text, ToolCall, ToolResult
from chatport.backend import Adjustment


@dataclass(frozen=True)
class Pair:
    """A call of a conversation and its result.

    Attributes:
        call: The call.
        call_path: Where it stands.
        result: What came back.
        result_path: Where that stands.
    """

    call: ToolCall
    call_path: str
    result: ToolResult
    result_path: str


def pairs_of(messages: Sequence[Message]) -> list[Pair]:
    """Return the calls of a valid conversation with their results, in its order."""
    pairs: list[Pair] = []
    for index, message in enumerate(messages):
        for position, part in enumerate(message.parts):
            if message.role != "assistant" or not isinstance(part, ToolCall) or part.executed_by == "server":
                continue
            answers = [
                Pair(part, f"messages[{index}].parts[{position}]", answer, f"messages[{index + 1}].parts[{at}]")
                for at, answer in enumerate(messages[index + 1].parts)
                if isinstance(answer, ToolResult) and answer.id == part.id
            ]
            assert len(answers) == 1, f"{part.id} is answered {len(answers)} times in the conversation itself"
            pairs += answers
    return pairs


def pairing_faults(
    messages: Sequence[Message],
    calls: Sequence[WireCall],
    results: Sequence[WireResult],
    adjustments: Iterable[Adjustment],
    *,
    in_words: bool = False,
) -> Iterator[str]:
    """Yield what is wrong with the calls and results that were sent for a conversation.

    Args:
        messages: The conversation.
        calls: The calls that were sent.
        results: The results.
        adjustments: What was noted.
        in_words: Whether they were told in words, and have no ids of their own.
    """
    pairs = pairs_of(messages)
    reports = {(report.kind, report.path) for report in adjustments}
    if len(calls) != len(pairs) or len(results) != len(pairs):
        yield f"{len(pairs)} calls: {len(calls)} were sent with {len(results)} results"
        return
    for pair, call in zip(pairs, calls, strict=True):
        name, path = pair.call.name, pair.call_path
        if not in_words and call.id != pair.call.id and ("renamed", path) not in reports:
            yield f"the id {pair.call.id!r} went as {call.id!r}, and nobody says so: {path}"
        if call.name != name and not any(kind == "renamed" for kind, _ in reports):
            yield f"the tool {name!r} went as {call.name!r}, and nobody says so: {path}"
        answers = [result for result in results if result.id == call.id and result.turn > call.turn]
        later = [other.turn for other in calls if other.id == call.id and other.turn > call.turn]
        answers = [result for result in answers if not later or result.turn <= min(later)]
        if len(answers) != 1:
            yield f"{call.id!r} is answered {len(answers)} times: {path}"
            continue
        yield from _content_faults(pair, answers[0], reports)
        told = {("changed", pair.result_path), ("dropped", pair.result_path)} & reports
        if answers[0].failed != pair.result.is_error and not told:
            yield f"failed is {pair.result.is_error}, and was sent as {answers[0].failed}: {pair.result_path}"


def _content_faults(pair: Pair, result: WireResult, reports: Container[tuple[str, str]]) -> Iterator[str]:
    reading = Reading({"content": result.content}, [])
    for index, part in enumerate(pair.result.content):
        path = f"{pair.result_path}.content[{index}]"
        told = ("changed", path) in reports or ("dropped", path) in reports
        match part:
            case Text(text) if text.strip() and not reading.where(text):
                yield f"{text!r} does not stand in the result of its call: {pair.result_path}"
            case Json(value) if not reading.has_value(value):
                yield f"{value!r} does not stand in the result of its call: {pair.result_path}"
            case Image(data=bytes(data)) | Document(data=bytes(data)) if not told and not reading.where_bytes(data):
                yield f"a medium does not stand in the result that it came with: {path}"
            case _:
                pass
