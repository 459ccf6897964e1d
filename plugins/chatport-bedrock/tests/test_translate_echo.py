"""Recorded answers, decoded and sent back: the service gets the very blocks that it gave."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatport.backend import ChatRequest, Fold, Message, ToolResult
from chatport_bedrock._body import plain_body
from chatport_bedrock._decode import decode_response
from chatport_bedrock._translate import translate

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"

# What goes back differently from how it came, how often, and why.
TOOL_USE_TYPE = "toolUse.type 'tool_use'"
UNSIGNED = "reasoning without a signature"
FORGETFUL = ("openai.gpt-oss", "deepseek.")
EXPECTED_DIFFERENCES = {
    # Newer models send it with every call; the service model knows server_tool_use only, and no recorded conversation
    # sends it back.
    TOOL_USE_TYPE: 43,
    # No recorded conversation sends it back, these models do not read it, and with gpt-oss it is reported to leak into
    # the answer; DeepSeek R1 is reported to refuse it.
    UNSIGNED: 6,
}


def recorded_answers() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, model and body of each recorded unary answer that has a message."""
    for path in sorted(RECORDINGS.glob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text(encoding="utf-8"))["exchanges"]):
            body = exchange["response"].get("body_json")
            if exchange["operation"] == "converse" and body and "message" in body.get("output", {}):
                yield f"{path.stem}[{number}]", exchange["model"], body


def without_known_differences(model: str, block: dict[str, Any], found: Counter[str]) -> dict[str, Any] | None:
    """The block as it is expected to go back, if it is; what is taken out is counted."""
    thought = block.get("reasoningContent", {}).get("reasoningText", {"signature": "of another block"})
    if "signature" not in thought and any(name in model for name in FORGETFUL):
        found[UNSIGNED] += 1
        return None
    call = block.get("toolUse", {})
    if call.get("type") == "tool_use":
        found[TOOL_USE_TYPE] += 1
        return {"toolUse": {name: value for name, value in call.items() if name != "type"}}
    return block


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the repository")
def test_every_recorded_answer_goes_back_as_it_came() -> None:
    """Decoded, folded and translated, the content of each answer equals the recorded content."""
    found: Counter[str] = Counter()
    wrong: list[str] = []
    count = 0
    for name, model, body in recorded_answers():
        count += 1
        fold = Fold()
        for event in decode_response(body, model=model, request_id=None):
            fold.feed(event)
        answer = fold.message()
        results = tuple(ToolResult(call.id, "done") for call in answer.tool_calls)
        messages = (Message.user("?"), answer, Message("tool", results) if results else Message.user("!"))
        translation = translate(ChatRequest(model, messages))
        turns = plain_body(translation.body)["messages"]
        content = [without_known_differences(model, block, found) for block in body["output"]["message"]["content"]]
        expected = [block for block in content if block is not None]
        sent = turns[1]["content"] if len(turns) == 3 else []
        if sent != expected:
            wrong.append(f"{name}\n  came: {expected}\n  went: {sent}")
        # These conversations offer no tools, which is reported wherever calls stand in the answer.
        reported = {item.code for item in translation.adjustments if item.kind != "lossless"} - {"tools-from-history"}
        if reported:
            wrong.append(f"{name}: {reported}")
    assert not wrong, "\n".join(wrong)
    assert count == 279
    assert found == EXPECTED_DIFFERENCES
