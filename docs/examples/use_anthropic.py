"""Claude by Anthropic's own API: thinking, citations, tools that the service runs. The service here is a local one."""

import json
import os
from typing import Any

import anyio

import chatport
from chatport import CachePoint, Document, Reasoning, Settings, Text, ToolCall, ToolResult, open_session
from chatport.backend import CountsTokens
from chatport.testing import HttpReply, HttpService, ServedRequest
from chatport_anthropic import search_result

MODEL = "anthropic:claude-sonnet-4-5"
CITATION = {
    "type": "char_location",
    "cited_text": "Bread costs 3 euros.",
    "document_index": 0,
    "document_title": "prices.txt",
    "start_char_index": 0,
    "end_char_index": 20,
}
SEARCH: list[dict[str, Any]] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "bread price"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {"type": "web_search_result", "title": "Bread", "url": "https://example.org/", "encrypted_content": "e30="}
        ],
    },
]


def content_for(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Say something that fits the request."""
    if "thinking" in body:
        thought = {"type": "thinking", "thinking": "17 is divided by 1 and 17 only.", "signature": "c2lnbmVk"}
        return [thought, {"type": "text", "text": "Yes, 17 is prime."}]
    if any(tool.get("name") == "web_search" for tool in body.get("tools", ())):
        # It pauses in its search, and goes on where that comes back.
        is_new = body["messages"][-1]["role"] == "user"
        return SEARCH[:1] if is_new else [*SEARCH[1:], {"type": "text", "text": "About 3 euros."}]
    if "citations" in json.dumps(body["messages"]):
        return [{"type": "text", "text": "3 euros.", "citations": [CITATION]}]
    return [{"type": "text", "text": "Hello!"}]


def answer(request: ServedRequest) -> HttpReply:
    """Answer as Anthropic's service does."""
    body = json.loads(request.body)
    said: dict[str, Any] = {"input_tokens": 14}
    if request.path == "/v1/messages":
        content = content_for(body)
        said = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": "pause_turn" if content[-1]["type"] == "server_tool_use" else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 14, "output_tokens": 9},
        }
    return HttpReply(
        body=json.dumps(said).encode(), headers={"content-type": "application/json", "request-id": "req_1"}
    )


async def first_answer() -> None:
    # --8<-- [start:first]
    async with open_session("anthropic:claude-sonnet-4-5", system="Be brief.") as session:
        reply = await session.ask("Hello?")
        print(reply.text, reply.usage.input_tokens, reply.request_id)
    # --8<-- [end:first]


async def think() -> None:
    # --8<-- [start:think]
    async with open_session(MODEL, settings=Settings(reasoning=2000, max_tokens=500)) as session:
        reply = await session.ask("Is 17 prime?")
        for part in reply.message.parts:
            if isinstance(part, Reasoning):
                print("thought:", part.text, "signed" if part.signature else "unsigned")
        print(reply.text)
    # --8<-- [end:think]


async def cite() -> None:
    # --8<-- [start:cite]
    prices = Document.from_bytes(b"Bread costs 3 euros.", name="prices.txt", citations=True)
    found = search_result("https://example.org/", "Bread", "Bread costs 3 euros.", citations=True)
    async with open_session(MODEL) as session:
        reply = await session.ask(prices, CachePoint("1h"), found, "What does bread cost?")
        for part in reply.message.parts:
            if isinstance(part, Text):
                print(part.text, [(citation.title, citation.quotes) for citation in part.citations])
    # --8<-- [end:cite]


async def search() -> None:
    # --8<-- [start:search]
    web_search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    async with open_session(MODEL, settings=Settings(extra={"anthropic": {"tools": [web_search]}})) as session:
        reply = await session.ask("What does bread cost these days?")
        for step in reply.steps:
            for part in step.message.parts:
                match part:
                    case ToolCall(executed_by="server"):
                        print("the service looks for", part.arguments["query"])
                    case ToolResult():
                        print("and finds", len(part.content), "result")
                    case _:
                        print(reply.text)
    # --8<-- [end:search]


async def count() -> None:
    # --8<-- [start:count]
    async with chatport.open_backend("anthropic") as backend:
        session = chatport.Session(backend, "claude-sonnet-4-5")
        if isinstance(backend, CountsTokens):
            print(await backend.count_tokens(session.request("How long is this?")), "tokens")
    # --8<-- [end:count]


async def main() -> None:
    with HttpService() as service:
        service.reply_always(answer)
        os.environ["ANTHROPIC_BASE_URL"] = service.url
        os.environ["ANTHROPIC_API_KEY"] = "made-up"
        await first_answer()
        await think()
        await cite()
        await search()
        await count()


anyio.run(main)
