"""What we send, held against the types of a request in the vendor's own package: it has every member, and they fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter
from tests.strategies import json_objects, messages
from tests.swap.http_visit import type_faults

from chatport.backend import ChatRequest, Message, Settings, Text, Tool, UnsupportedError
from chatport.backend.http import plain_json
from chatport_openai import OpenAIOptions
from chatport_openai._dialect_table import DIALECTS
from chatport_openai._translate import translate

WHOLE: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)
STREAMED: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsStreaming)
FULL = OpenAIOptions(
    seed=1,
    frequency_penalty=0.5,
    presence_penalty=0.5,
    logit_bias={"1": 2},
    top_logprobs=2,
    parallel_tool_calls=False,
    service_tier="flex",
    verbosity="low",
    user="u",
    safety_identifier="s",
    prompt_cache_key="k",
    prompt_cache_retention="24h",
    store=False,
    metadata={"a": "b"},
    modalities=("text", "audio"),
    audio={"voice": "alloy", "format": "wav"},
    prediction={"type": "content", "content": "x"},
    web_search_options={"search_context_size": "low"},
)


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-5.2", "o3"])
def test_everything_that_can_be_asked_for(model: str) -> None:
    """Every setting, every option, tools, a choice and a schema."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    settings = Settings(
        max_tokens=5, temperature=0, top_p=0.5, stop_sequences=["x"], reasoning="high", extra={"openai": FULL}
    )
    request = ChatRequest(
        model,
        (Message.user("Hi"),),
        system=(Text("Be brief."),),
        tools=(Tool("add", "Add.", schema, strict=True),),
        tool_choice="add",
        settings=settings,
        output_schema=schema,
    )
    for streaming, adapter in ((False, WHOLE), (True, STREAMED)):
        body = plain_json(translate(request, dialect=DIALECTS["openai"], streaming=streaming).body)
        assert list(type_faults(adapter, body)) == []


@given(st.lists(messages(), min_size=1, max_size=6), st.lists(json_objects(), max_size=2))
def test_any_conversation(history: list[Message], schemas: list[dict[str, Any]]) -> None:
    """Whatever a history holds, what goes out fits the vendor's types, or is refused with a place."""
    tools = tuple(Tool(f"tool-{n}", "", {**schema, "type": "object"}) for n, schema in enumerate(schemas))
    request = ChatRequest("gpt-4.1", (*history, Message.user("Go on")), tools=tools)
    try:
        body = plain_json(translate(request, dialect=DIALECTS["openai"]).body)
    except UnsupportedError as error:
        assert str(error).startswith("messages[")  # noqa: PT017 - what is refused is named with its place
        return
    assert list(type_faults(WHOLE, body, beyond=("parameters",))) == []


@given(st.lists(messages(), min_size=1, max_size=6), st.sampled_from(sorted(DIALECTS)))
def test_any_conversation_for_any_server(history: list[Message], dialect: str) -> None:
    """Calls have their results right behind them, in order, and the request stays as it was."""
    before = tuple(history)
    request = ChatRequest("a-model", (*history, Message.user("Go on")))
    try:
        sent = plain_json(translate(request, dialect=DIALECTS[dialect]).body)["messages"]
    except UnsupportedError as error:
        assert str(error).startswith("messages[")  # noqa: PT017 - as above
        return
    open_calls: list[str] = []
    for message in sent:
        if message["role"] == "tool":
            assert message["tool_call_id"] == open_calls.pop(0)
        else:
            assert open_calls == []
        open_calls = [call["id"] for call in message.get("tool_calls", ())] or open_calls
        assert len(set(open_calls)) == len(open_calls)
        assert message["role"] == "assistant" or message["content"]
    assert open_calls == []
    assert request.messages[:-1] == before
    assert translate(request, dialect=DIALECTS[dialect]).body == translate(request, dialect=DIALECTS[dialect]).body
