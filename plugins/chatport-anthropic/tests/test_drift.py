"""Any request that our types can express fits the vendor's own types of a request, and the rules that it enforces."""

import copy
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any, Final

import pytest
from anthropic_support.any_request import MODELS, requests
from anthropic_support.recordings import FOLDER, recorded
from hypothesis import given, settings
from pydantic import TypeAdapter
from tests.swap.http_visit import type_faults

from chatport.backend import ChatRequest, Message, Settings, Text, UnsupportedError
from chatport.backend.http import plain_json
from chatport_anthropic._calls import COUNTED
from chatport_anthropic._translate import MEMBERS, translate

# Why translate refuses, as its messages say it. Whoever adds a reason adds it here.
REASONS: Final = {
    "a part where none of its kind can stand": r"takes no (ToolCall|video) ",
    "nothing left to answer": r"there is nothing in the newest message|nothing is said in them",
}
# What the version of the protocol that is spoken takes (recorded), and the newest, which the types are of, does not.
OLDER: Final = ("disable_parallel_tool_use", "temperature", "top_k", "top_p")
# Members of the body that only the beta has, which the plain types do not know.
BETA: Final = {"betas", "context_management", "mcp_servers"}
_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")


@cache
def vendor_types() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """The vendor's types of a body and of a block: in that of the body, blocks of answers would do as well."""
    types = pytest.importorskip("anthropic.types")
    return TypeAdapter(types.message_create_params.MessageCreateParams), TypeAdapter(types.ContentBlockParam)


def complaints(body: dict[str, Any]) -> list[str]:
    """What the vendor's types say against a body, and what the service refuses besides."""
    of_body, of_block = vendor_types()
    turns = [{**turn, "content": "words"} for turn in body["messages"]]
    found = list(type_faults(of_body, {**body, "messages": turns}, beyond=OLDER))
    for turn in body["messages"]:
        for block in turn["content"]:
            found += type_faults(of_block, block)
            found += block_complaints(block, turn["role"])
    return [*found, *turn_complaints(body["messages"]), *whole_complaints(body)]


def block_complaints(block: dict[str, Any], role: str) -> list[str]:
    """Rules of single blocks."""
    kind = block["type"]
    found = []
    if kind == "text" and not (block["text"] if role == "assistant" else block["text"].strip()):
        found.append("text without a visible character")
    if kind in {"thinking", "redacted_thinking"} and "cache_control" in block:
        found.append("a mark on thinking")
    if "id" in block and not _ID.fullmatch(block["id"]):
        found.append(f"the id {block['id']!r}")
    if kind == "tool_result" and block.get("is_error") and any(e["type"] != "text" for e in block.get("content", ())):
        found.append("a failed result with more than words")
    return found


def turn_complaints(turns: list[dict[str, Any]]) -> list[str]:
    """Calls are answered in the next turn, all of them and nothing else, results first."""
    found: list[str] = []
    asked: list[str] = []
    for turn in turns:
        answered = [block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"]
        if asked != answered or len(set(answered)) != len(answered):
            found.append(f"{asked} are answered by {answered}")
        if any(block["type"] == "tool_result" for block in turn["content"][len(answered) :]):
            found.append("results do not come first")
        asked = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
    roles = [turn["role"] for turn in turns]
    if any(one == other for one, other in pairwise(roles)):
        found.append("two turns of one role")
    return [*found, *(["calls without results"] if asked else [])]


def whole_complaints(body: dict[str, Any]) -> list[str]:
    """Rules of a whole request."""
    blocks = [*body.get("tools", ()), *body.get("system", ())]
    blocks += (block for turn in body["messages"] for block in turn["content"])
    marks = [block["cache_control"].get("ttl", "5m") for block in blocks if "cache_control" in block]
    found = [] if len(marks) <= 4 else [f"{len(marks)} marks"]
    if marks != sorted(marks):  # "1h" before "5m"
        found.append(f"lives out of order: {marks}")
    thinking = body.get("thinking", {})
    if thinking.get("budget_tokens", 0) >= body["max_tokens"]:
        found.append("no token is left for the answer")
    forced = body.get("tool_choice", {}).get("type") in {"any", "tool"}
    if forced and thinking.get("type") == "enabled":
        found.append("a forced call while thinking within a budget")
    if "tool_choice" in body and "tools" not in body:
        found.append("a choice without tools")
    return found


@pytest.mark.parametrize("model", MODELS)
def test_any_request_fits_the_vendors_types(model: str) -> None:
    """Every part anywhere, any calls and results, any settings: nothing is wrong with it, and refusals are rare."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=settings().max_examples // 2)  # of each model; the profile says how many
    @given(requests((model,)))
    def check(request: ChatRequest) -> None:
        before = copy.deepcopy(request)
        try:
            body = plain_json(translate(request).body)
        except UnsupportedError as error:
            outcomes[next((name for name, words in REASONS.items() if re.search(words, str(error))), str(error))] += 1
            return
        outcomes["said"] += 1
        assert complaints(body) == []
        assert request == before
        assert plain_json(translate(request).body) == body

    check()
    assert outcomes.keys() <= {*REASONS, "said"}
    assert outcomes["said"] > 0.5 * outcomes.total()


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not beside the repository")
def test_the_vendors_types_know_what_was_recorded() -> None:
    """The check above is worth something: recorded requests without a beta fit the types, and a broken one does not."""
    of_body, _ = vendor_types()
    fitting: Counter[bool] = Counter()
    for exchange in recorded():
        said = exchange.request
        if said is None or exchange.status != 200 or exchange.operation == "count-tokens":
            continue
        if said.keys() & {"output_format", *BETA}:
            continue
        body = {**said, "messages": [{"role": "user", "content": "?"}]}
        fitting[not list(type_faults(of_body, body, beyond=(*OLDER, "task_budget")))] += 1
    assert fitting == {True: 148, False: 3}  # the three offer a tool that the plain types do not have
    good = plain_json(translate(ChatRequest("claude-x", (Message.user("hi"),))).body)
    assert complaints(good) == []
    assert complaints({**good, "zebra": 1})
    assert complaints({**good, "thinking": {"type": "dreaming"}})


def test_members_are_those_of_the_vendors_types() -> None:
    """What belongs into `extra["anthropic"]` is what the vendor's types have; what counting takes as well."""
    types = pytest.importorskip("anthropic.types")
    known = set(types.message_create_params.MessageCreateParamsBase.__annotations__)
    assert known >= MEMBERS - BETA - set(OLDER)
    counted = set(types.message_count_tokens_params.MessageCountTokensParams.__annotations__)
    assert counted >= COUNTED - BETA


def test_the_beginning_of_a_conversation_stays_the_same() -> None:
    """What is added to it changes nothing before it, so that the service finds it in its cache."""
    history = [Message.user("a"), Message.assistant("b"), Message.user("c"), Message.assistant("d"), Message.user("e")]
    bodies = [
        plain_json(translate(ChatRequest("claude-sonnet-4-5", tuple(history[:count]), (Text("s"),))).body)["messages"]
        for count in (1, 3, 5)
    ]
    assert bodies[0] == bodies[1][:1]
    assert bodies[1] == bodies[2][:3]
    cached = ChatRequest("claude-sonnet-4-5", tuple(history), settings=Settings(cache="auto"))
    assert plain_json(translate(cached).body)["messages"][0] == bodies[2][0]
