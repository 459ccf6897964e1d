"""A guardrail around a session: what is sent for it, and what is known of it afterwards, asked and streamed."""

from typing import Any

import pytest

import chatport
from chatport import Settings, Text
from chatport_bedrock import BedrockOptions, Guardrail, guard_content, response_facts
from chatport_bedrock.emulator import Answer, Emulator

pytestmark = pytest.mark.anyio

TRACE = {"guardrail": {"actionReason": "Guardrail blocked.", "modelOutput": ["Buy these."]}}
BLOCKED: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "I cannot talk about that."}]}},
    "stopReason": "guardrail_intervened",
    "usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0},
    "metrics": {"latencyMs": 310},
    "trace": TRACE,
}
SETTINGS = Settings(
    extra={"bedrock": BedrockOptions(guardrail=Guardrail("a1", "1", trace="enabled", stream_mode="async"))}
)
SENT = {"guardrailIdentifier": "a1", "guardrailVersion": "1", "trace": "enabled"}


async def test_a_guardrail_steps_in() -> None:
    """Its words are the answer, the trace says why; the mode of a stream is sent with streams only."""
    with Emulator(api_key="made-up") as emulator:
        for _ in range(2):
            emulator.enqueue(Answer(body=BLOCKED))
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        async with chatport.open_session(
            "bedrock:us.amazon.nova-lite-v1:0", settings=SETTINGS, backend_options=options
        ) as session:
            asked = await session.ask("Which shares?", guard_content("Mine.", qualifiers=["guard_content"]))
            async with session.stream("Which funds?") as stream:
                await stream.finish()
            for reply in (asked, stream.reply):
                assert (reply.stop_reason, reply.raw_stop_reason) == ("content_filter", "guardrail_intervened")
                assert reply.message.parts == (Text("I cannot talk about that."),)
                assert reply.adjustments == ()
                facts = response_facts(reply)
                assert facts.latency_seconds == 0.31
                assert facts.guardrail is not None
                assert facts.guardrail.model_output == ("Buy these.",)
                assert response_facts(reply.steps[0]) == response_facts(reply.metadata) == facts
            whole, streamed = emulator.requests
    assert whole.body["guardrailConfig"] == SENT
    assert whole.body["messages"][0]["content"][1] == {
        "guardContent": {"text": {"text": "Mine.", "qualifiers": ["guard_content"]}}
    }
    assert streamed.body["guardrailConfig"] == {**SENT, "streamProcessingMode": "async"}


async def test_a_history_with_guarded_content_is_stored_and_loaded() -> None:
    """What only Bedrock has comes back as it was."""
    messages = (chatport.Message.user("Look:", guard_content("a", qualifiers=["query"])),)
    assert chatport.load_messages(chatport.dump_messages(messages)) == messages
