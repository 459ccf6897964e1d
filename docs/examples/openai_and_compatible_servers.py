"""Conversations with servers that speak Chat Completions; one on this machine stands in for all of them."""

import json
from typing import Any

import anyio

import chatport
from chatport import Settings, open_backend, open_session
from chatport.backend import ListsModels
from chatport.testing import HttpReply, HttpService, ServedRequest
from chatport_openai import OpenAIOptions


def answer(request: ServedRequest) -> HttpReply:
    """Answer as such a server does: by its models, piece by piece, or in one piece."""
    if request.path == "/v1/models":
        return as_json({"data": [{"id": "qwen3-8b", "object": "model", "owned_by": "me"}]})
    asked = json.loads(request.body)
    words = f"You have said {len(asked['messages'])} messages to {asked['model']}."
    if not asked.get("stream"):
        message = {"role": "assistant", "content": words, "reasoning_content": "I count them."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return as_json({"model": asked["model"], "choices": [choice], "system_fingerprint": "fp_1"})
    deltas: list[dict[str, Any]] = [{"delta": {"content": f"{word} "}} for word in words.split()]
    events = [{"choices": [{"index": 0, **delta}]} for delta in [*deltas, {"delta": {}, "finish_reason": "stop"}]]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return HttpReply(body=body.encode(), headers={"content-type": "text/event-stream"})


def as_json(body: dict[str, Any]) -> HttpReply:
    """Return JSON."""
    return HttpReply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


async def main() -> None:
    with HttpService() as service:
        service.reply_always(answer)
        base_url = f"{service.url}/v1"

        # --8<-- [start:chat]
        server = {"base_url": base_url, "api_key": "made-up"}
        async with open_session("openai:gpt-4.1-mini", backend_options=server) as session:
            async with session.stream("Tell me something.") as stream:
                async for text in stream.text:
                    print(text, end="", flush=True)
            print()
        # --8<-- [end:chat]

        # --8<-- [start:dialect]
        local = {"base_url": base_url, "dialect": "vllm"}  # no key: a server of one's own may want none
        async with open_session("openai:qwen3-8b", backend_options=local) as session:
            reply = await session.ask("Think first.", settings=Settings(reasoning="high", max_tokens=500))
            print(reply.reasoning, "→", reply.text)
            for note in reply.adjustments:  # what could not be said to this server as it was asked
                print(note.code, note.path, note.message)
        # --8<-- [end:dialect]

        # --8<-- [start:options]
        own = OpenAIOptions(seed=7, logprobs=True, parallel_tool_calls=False)
        async with open_session("openai:gpt-4.1-mini", backend_options=server) as session:
            reply = await session.ask("Once more.", settings=Settings(extra={"openai": own}))
            print(reply.metadata["openai"]["system_fingerprint"])
        # --8<-- [end:options]

        # --8<-- [start:backend]
        async with open_backend("openai", **server) as backend:
            assert isinstance(backend, ListsModels)
            print([model.id for model in await backend.models()])
            first = chatport.Session(backend, "gpt-4.1-mini")
            second = chatport.Session(backend, "qwen3-8b")
            print((await first.ask("Hi")).text, (await second.ask("Hi")).text)
        # --8<-- [end:backend]


anyio.run(main)
