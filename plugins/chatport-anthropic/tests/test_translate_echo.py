"""Recorded answers, decoded and sent back: the service gets the very blocks that it gave."""

from collections import Counter
from typing import Any

import pytest
from anthropic_support.decoding import decoded_bytes, folded
from anthropic_support.recordings import FOLDER, Exchange, read_answer, recorded

from chatport.backend import ChatRequest, Message, ToolResult
from chatport.backend.http import plain_json
from chatport_anthropic._decode import decode_response
from chatport_anthropic._translate import translate

EMPTY_TEXT = "a text block without a word"
NO_CITATIONS = "an empty list of citations"
PAUSED = "a call of the service's own tool without its result"

# What goes back differently from how it came, how often, and why.
DIFFERENCES = {
    # The service refuses an empty text.
    EMPTY_TEXT: 1,
    # A text that could be cited and rests on nothing: an empty list says no more than none.
    NO_CITATIONS: 1,
    # One message has stopped in the middle of its searches (pause_turn). Where the user speaks next, the service
    # refuses a call without its result. The other's ids were masked by who recorded it: call and result do not match.
    PAUSED: 2,
}


def expected_echo(block: dict[str, Any], answered: set[Any], found: Counter[str]) -> dict[str, Any] | None:
    """The block as it is expected to go back; every difference is counted."""
    if block["type"] == "text" and not block["text"]:
        found[EMPTY_TEXT] += 1
        return None
    if block["type"] == "text" and block.get("citations") == []:
        found[NO_CITATIONS] += 1
        return {name: value for name, value in block.items() if name != "citations"}
    if block["type"] == "server_tool_use" and block["id"] not in answered:
        found[PAUSED] += 1
        return None
    return block


def echo_of(exchange: Exchange, answer: Message) -> list[dict[str, Any]]:
    """The content of the assistant's message in the next request."""
    results = tuple(ToolResult(call.id, "done") for call in answer.tool_calls)
    messages = (Message.user("?"), answer, Message("tool", results) if results else Message.user("!"))
    body = plain_json(translate(ChatRequest(exchange.model, messages)).body)
    content: list[dict[str, Any]] = body["messages"][1]["content"] if len(body["messages"]) == 3 else []
    return content


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not beside the repository")
def test_every_recorded_answer_goes_back_as_it_came() -> None:
    """Decoded, folded and translated, the content of each answer equals the recorded content."""
    found: Counter[str] = Counter()
    wrong: list[str] = []
    count: Counter[str] = Counter()
    for exchange in recorded():
        if exchange.status != 200 or not exchange.operation.startswith("messages"):
            continue
        count[exchange.operation] += 1
        if exchange.streams:
            events = decoded_bytes([exchange.body], model=exchange.model)
        else:
            events = list(decode_response(exchange.body, model=exchange.model, request_id=None))
        _, answer, _ = folded(events)
        blocks = read_answer(exchange).blocks
        answered = {block.get("tool_use_id") for block in blocks if block["type"].endswith("_result")}
        content = [expected_echo(block, answered, found) for block in blocks]
        expected = [block for block in content if block is not None]
        sent = echo_of(exchange, answer)
        if sent != expected:
            wrong.append(f"{exchange.name}\n  came: {expected}\n  went: {sent}")
    assert not wrong, "\n".join(wrong)
    assert count == {"messages": 96, "messages-stream": 80}
    assert found == DIFFERENCES
