"""Put a guardrail around a conversation, and see what it did."""

import anyio

from chatport import Settings, open_session
from chatport_bedrock import BedrockOptions, Guardrail, guard_content, response_facts
from chatport_bedrock.emulator import Answer, Emulator

# What the service answers when a guardrail steps in: here it is scripted, so that the example needs no account.
BLOCKED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "I cannot talk about that."}]}},
    "stopReason": "guardrail_intervened",
    "usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0},
    "metrics": {"latencyMs": 310},
    "trace": {
        "guardrail": {
            "actionReason": "Guardrail blocked.",
            "inputAssessment": {
                "gr1d3xample": {
                    "topicPolicy": {"topics": [{"name": "Investments", "type": "DENY", "action": "BLOCKED"}]}
                }
            },
        }
    },
}


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        emulator.enqueue(Answer(body=BLOCKED))
        emulator.enqueue(Answer(body=BLOCKED))
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        # --8<-- [start:settings]
        guardrail = Guardrail("gr1d3xample", "1", trace="enabled", stream_mode="sync")
        settings = Settings(extra={"bedrock": BedrockOptions(guardrail=guardrail)})
        # --8<-- [end:settings]
        model = "bedrock:us.amazon.nova-lite-v1:0"
        async with open_session(model, settings=settings, backend_options=options) as session:
            # --8<-- [start:ask]
            reply = await session.ask("Which shares should I buy?")
            print(reply.stop_reason, "-", reply.text)
            found = response_facts(reply).guardrail
            if found is not None:
                for identifier, assessment in found.input_assessment.items():
                    print(identifier, assessment["topicPolicy"]["topics"])
            # --8<-- [end:ask]

            # --8<-- [start:stream]
            async with session.stream("And which funds?") as stream:
                async for text in stream.text:
                    print(text, end="", flush=True)
            print()
            if stream.reply.stop_reason == "content_filter":
                print("A guardrail stepped in: what was shown may have to be taken back.")
            # --8<-- [end:stream]

            # --8<-- [start:content]
            reply = await session.ask(
                "Answer from this text only.",
                guard_content("The library opens at nine.", qualifiers=["grounding_source"]),
                guard_content("When does the library open?", qualifiers=["query"]),
            )
            print(reply.stop_reason)
            # --8<-- [end:content]


anyio.run(main)
