"""Requests to a stored prompt, whose resource says how to answer."""

from dataclasses import replace
from typing import Any

import pytest

import chatport
from chatport.backend import ChatRequest, Message, Settings, Text, Tool, ToolCall, ToolResult, UnsupportedError
from chatport_bedrock import BedrockOptions, Guardrail
from chatport_bedrock._translate import translate
from chatport_bedrock.emulator import Emulator
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import check_rules

PROMPT = "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1"
VARIABLES = BedrockOptions(prompt_variables={"city": "Turin"}, guardrail=Guardrail("a", "1"))


def test_a_stored_prompt_needs_no_messages() -> None:
    """Its variables are all that has to be said."""
    translation = translate(ChatRequest(PROMPT, (), settings=Settings(extra={"bedrock": VARIABLES})))
    assert translation.body == {
        "promptVariables": {"city": {"text": "Turin"}},
        "guardrailConfig": {"guardrailIdentifier": "a", "guardrailVersion": "1"},
    }
    assert translation.adjustments == ()


@pytest.mark.anyio
async def test_a_session_may_say_nothing_to_a_stored_prompt() -> None:
    """A blank question is left out, and the answer begins a conversation that goes on as any other."""
    with Emulator(api_key="made-up") as emulator:
        options = {"endpoint_url": emulator.url, "api_key": "made-up"}
        settings = Settings(extra={"bedrock": VARIABLES})
        async with chatport.open_session(f"bedrock:{PROMPT}", backend_options=options, settings=settings) as session:
            preview = await session.preview("")
            assert preview.request.keys() == {"promptVariables", "guardrailConfig"}
            assert preview.adjustments == ()
            assert (await session.ask("")).text
            assert (await session.ask("And tomorrow?")).text
            assert [message.role for message in session.messages] == ["user", "assistant"] * 2
            with pytest.raises(UnsupportedError, match="nothing in the newest message"):
                await session.ask(" ")


def test_messages_join_a_stored_prompt() -> None:
    """They come behind those of the prompt."""
    assert translate(ChatRequest(PROMPT, (Message.user("Hi"),))).body == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}]
    }


def test_how_to_answer_is_left_out_and_told() -> None:
    """The resource says that; the service would refuse it, and without it the emulator has no complaint."""
    translation = translate(ChatRequest(PROMPT, (), settings=Settings(max_tokens=5, temperature=0)))
    assert translation.body == {}
    check_rules(Conversation(PROMPT, translation.body))
    (told,) = translation.adjustments
    assert (told.kind, told.code, told.path) == ("dropped", "setting-dropped", "settings")
    assert "maxTokens, temperature" in told.message


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"system": (Text("Be brief."),)}, "system"),
        ({"messages": (Message.system("Be brief."), Message.user("Hi"))}, "system"),
        ({"tools": (Tool("clock"),)}, "tools"),
        ({"settings": Settings(extra={"bedrock": {"inferenceConfig": {"topP": 1}}})}, "inferenceConfig"),
        ({"settings": Settings(extra={"bedrock": {"system": [{"text": "a"}]}})}, "'system'"),
        ({"settings": Settings(extra={"bedrock": BedrockOptions(model_fields={"a": 1})})}, "additionalModel"),
        ({"settings": Settings(extra={"bedrock": BedrockOptions(system_tools=["a"])})}, "toolConfig"),
    ],
)
def test_what_would_change_the_question_is_refused(members: dict[str, Any], place: str) -> None:
    """Without its system prompt or its tools, another question would be answered than the one that was asked."""
    request = replace(ChatRequest(PROMPT, ()), **members)
    with pytest.raises(UnsupportedError, match="a stored prompt has its own") as caught:
        translate(request)
    assert place in str(caught.value).partition(":")[0]


def test_calls_of_its_own_tools_are_answered() -> None:
    """They are offered by the resource: nothing has to be offered from here for them."""
    messages = (
        Message.user("Hi"),
        Message.assistant(ToolCall("tooluse_a", "clock")),
        Message("tool", (ToolResult("tooluse_a", "noon"),)),
    )
    translation = translate(ChatRequest(PROMPT, messages))
    assert translation.body.keys() == {"messages"}
    assert translation.adjustments == ()
    check_rules(Conversation(PROMPT, translation.body))


def test_json_is_asked_for_in_the_newest_message() -> None:
    """The system prompt is the resource's."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = translate(ChatRequest(PROMPT, (Message.user("Hi"),), output_schema=schema)).body
    assert body.keys() == {"messages"}
    assert body["messages"][0]["content"][0] == {"text": "Hi"}
    assert "JSON schema" in body["messages"][0]["content"][1]["text"]
    with pytest.raises(UnsupportedError, match=r"^output_schema: "):
        translate(ChatRequest(PROMPT, (), output_schema=schema))


def test_other_models_take_all_of_it() -> None:
    """A prompt router is a model like others."""
    router = "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1"
    request = ChatRequest(router, (Message.user("Hi"),), system=(Text("a"),), settings=Settings(max_tokens=1))
    assert translate(request).body.keys() == {"messages", "system", "inferenceConfig"}
