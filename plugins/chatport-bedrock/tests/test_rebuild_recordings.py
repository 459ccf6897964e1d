"""Recorded requests that the service answered, said in chatport's values and planned again: the same requests come out.

Each recorded body is read back into messages, tools and settings by code of its own (`bedrock_support.rebuilding`),
messages of the model by the decoder. What the planner makes of them is what was recorded, but for the differences
below, which mean nothing to the service, and it reports nothing: what the service took is not rewritten.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

import pytest
from bedrock_support.rebuilding import Rebuilt, rebuilt
from bedrock_support.recorded_requests import RecordedRequest, recorded_requests
from bedrock_support.recordings import FOLDER

import chatport
from chatport import Message, Session
from chatport.backend import Part
from chatport_bedrock._body import encode_body, plain_body
from chatport_bedrock._translate import translate

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not beside the repository")

# What is taken for the same, how often it was recorded, and why.
EMPTY: Final = "an empty member at the top"  # it says nothing, and 311 times the service took it for nothing
SUCCESS: Final = "status: success"  # a result without a status is none of a failure; both were recorded, and answered
TWO_TURNS: Final = "two turns of the user"  # the service joins turns of one role itself; chatport sends one
# A schema for the answer is JSON in a string: its white space says nothing, nor does a description of it that stands
# beside it and in it. The order of its members counts: models write in that order.
SCHEMA: Final = "the text of a schema"
LIKENESSES = {EMPTY: 311, SUCCESS: 38, TWO_TURNS: 1, SCHEMA: 9}

# What only Bedrock has is written with the plugin's typed forms; how often, by the member or block that comes of them.
TYPED = {
    "guardrailConfig": 7,
    "guardContent": 6,
    "document": 5,  # words, not a file
    "additionalModelRequestFields": 5,  # ways to ask for reasoning that have no neutral word
    "toolConfig": 2,  # tools that the service runs itself
    "performanceConfig": 1,
    "searchResult": 1,
}

# The exceptions: requests that come out otherwise, or with something that only goes through `settings.extra` word for
# word, and why. There are none.
EXCEPTIONS: dict[str, str] = {}


def normalised(body: dict[str, Any], found: Counter[str]) -> str:
    """A body without what makes no difference, as text; what is taken away is counted."""
    members = {name: value for name, value in body.items() if value not in ([], {})}
    found[EMPTY] += len(body) - len(members)
    if "outputConfig" in members:
        members["outputConfig"] = with_plain_schema(members["outputConfig"], found)
    return json.dumps({**members, "messages": list(joined_turns(body["messages"], found))}, sort_keys=True)


def with_plain_schema(config: dict[str, Any], found: Counter[str]) -> dict[str, Any]:
    """An `outputConfig` whose schema is written in one way, without the description that stands beside it."""
    text_format = config["textFormat"]
    definition = text_format["structure"]["jsonSchema"]
    schema = json.loads(definition["schema"])
    found[SCHEMA] += 1
    if isinstance(schema, dict) and schema.get("description") == definition.get("description"):
        schema.pop("description", None)
    structure = {"jsonSchema": {**definition, "schema": json.dumps(schema)}}
    return {**config, "textFormat": {**text_format, "structure": structure}}


def joined_turns(messages: list[dict[str, Any]], found: Counter[str]) -> Iterator[dict[str, Any]]:
    """The turns, neighbours of one role joined."""
    for role, neighbours in groupby(messages, key=lambda message: message["role"]):
        turns = list(neighbours)
        found[TWO_TURNS] += len(turns) - 1
        yield {"role": role, "content": [plain_block(block, found) for turn in turns for block in turn["content"]]}


def plain_block(block: dict[str, Any], found: Counter[str]) -> dict[str, Any]:
    """A block, of a result without the status that says no more than none does."""
    result = block.get("toolResult")
    if result is None or result.get("status") != "success":
        return block
    found[SUCCESS] += 1
    return {"toolResult": {name: value for name, value in result.items() if name != "status"}}


def complaint(recorded: RecordedRequest, again: Rebuilt, found: Counter[str]) -> str | None:
    """What is wrong with a request that was rebuilt and planned again, if anything."""
    translation = translate(again.request)
    sent = json.loads(encode_body(translation.body))
    reported = [item for item in translation.adjustments if item.kind != "lossless"]
    if translation.model != recorded.model or reported:
        return f"{translation.model}, {reported}"
    ours = Counter[str]()
    expected, came_out = normalised(recorded.body, found), normalised(sent, ours)
    assert not ours.total() - ours[SCHEMA], f"{recorded.name}: what the planner writes is normal already"
    return None if came_out == expected else f"\n  recorded: {expected}\n  rebuilt:  {came_out}"


def test_recorded_requests_are_rebuilt_from_values() -> None:
    """At least 95 of 100 come out of chatport's values as they were recorded; the others are listed by name."""
    count = 0
    found, typed = Counter[str](), Counter[str]()
    wrong: dict[str, str] = {}
    for recorded in recorded_requests():
        count += 1
        again = rebuilt(recorded)
        typed.update(again.typed)
        message = complaint(recorded, again, found)
        if again.verbatim or message:
            wrong[recorded.name] = f"{recorded.name}: {again.verbatim}, {message}"
    assert wrong.keys() == EXCEPTIONS.keys(), "\n".join(wrong.values())
    assert len(EXCEPTIONS) <= 0.05 * count
    assert typed == TYPED
    assert found == LIKENESSES
    assert count == 317


@pytest.mark.anyio
async def test_a_session_would_send_the_same() -> None:
    """A session that holds the recorded conversation and is asked its last question previews the same request."""
    count = 0
    keys = {"region": "us-east-1", "access_key_id": "nobody", "secret_access_key": "nothing"}
    async with chatport.open_backend("bedrock", **keys) as backend:
        for recorded in recorded_requests():
            request = rebuilt(recorded).request
            if request.output_schema is not None:
                continue  # a session has its schemas from types, not from other clients
            count += 1
            history, question = split(request.messages)
            session = Session(
                backend,
                request.model,
                system=request.system,
                messages=history,
                tools=request.tools,
                tool_choice=request.tool_choice,
                settings=request.settings,
            )
            preview = await session.preview(*question)
            assert preview.request == plain_body(translate(request).body), recorded.name
            # A preview is of a stream; models that do not stream with tools on offer answer whole.
            told = {item.code for item in preview.adjustments if item.kind != "lossless"}
            assert told <= (set() if recorded.streaming else {"answered-whole"}), recorded.name
    assert count == 308


def split(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Part, ...]]:
    """What was said before, and what is asked: results of tools and the words behind them are given in one turn."""
    *before, last = messages
    assert last.role in {"user", "tool"}
    if last.role == "user" and before and before[-1].role == "tool":
        return tuple(before[:-1]), (*before[-1].parts, *last.parts)
    return tuple(before), last.parts


def test_every_other_difference_counts() -> None:
    """Whatever leaf of a recorded body is changed, it is another request."""
    changed = 0
    for recorded in recorded_requests():
        if len(json.dumps(recorded.body)) > 5000:
            continue
        original = normalised(recorded.body, Counter())
        for path in leaves(recorded.body):
            other = copy.deepcopy(recorded.body)
            put(other, path, '"something else"')  # JSON, because a schema has to be
            changed += 1
            assert normalised(other, Counter()) != original, (recorded.name, path)
    assert changed > 2000


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of all values that hold no others."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in entries:
        here = (*path, name)
        if isinstance(item, (dict, list)) and item:
            yield from leaves(item, here)
        elif not isinstance(item, (dict, list)):
            yield here


def put(body: Any, path: tuple[str | int, ...], value: Any) -> None:
    """Put a value at a place."""
    for name in path[:-1]:
        body = body[name]
    body[path[-1]] = value
