"""Say what only Bedrock has: tiers, metadata, tools of the service's own; and read what the answer says of itself."""

import anyio

from chatport import CachePoint, Document, Settings, open_session
from chatport_bedrock import BedrockOptions, response_facts, search_result, with_bucket_owner
from chatport_bedrock.emulator import Emulator


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        # --8<-- [start:options]
        bedrock = BedrockOptions(
            service_tier="flex",
            request_metadata={"team": "support", "case": "4711"},
            report_stop_sequence=True,
        )
        settings = Settings(max_tokens=200, stop_sequences=["began", "ends"], extra={"bedrock": bedrock})
        # --8<-- [end:options]
        model = "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0"
        async with open_session(model, settings=settings, backend_options=options) as session:
            # --8<-- [start:facts]
            reply = await session.ask("Tell me a story.")
            facts = response_facts(reply)
            print(reply.stop_reason, repr(facts.stop_sequence), facts.latency_seconds)
            # --8<-- [end:facts]

            # --8<-- [start:merge]
            once = Settings(extra={"bedrock": {"performanceConfig": {"latency": "optimized"}}})
            preview = await session.preview("And faster?", settings=once)
            print(sorted(preview.request))
            # --8<-- [end:merge]

            # --8<-- [start:tools]
            tools = BedrockOptions(system_tools=["nova_grounding"], tools_cache_point=CachePoint())
            preview = await session.preview("What is new?", settings=Settings(extra={"bedrock": tools}))
            print(preview.request["toolConfig"]["tools"])
            # --8<-- [end:tools]

            # --8<-- [start:content]
            contract = Document.from_uri("s3://partner-files/contract.pdf", context="Signed in May.", citations=True)
            preview = await session.preview(
                "What does the contract say about this?",
                with_bucket_owner(contract, "123456789012"),
                search_result("https://example.com/terms", "Terms", ["Notice is one month."], citations=True),
            )
            print(preview.request["messages"][-1]["content"][1:])
            # --8<-- [end:content]


anyio.run(main)
