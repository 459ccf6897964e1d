"""A web server that hands answers to browsers as they come, and stops the model when a browser goes away."""

import json
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread
import httpx2
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from chatport import ChatError, Session, open_backend
from chatport_bedrock.emulator import Answer, Emulator, Hold

# --8<-- [start:app]
MODEL = "amazon.nova-lite-v1:0"
LOGGER = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    async with open_backend("bedrock", **app.state.backend_options) as backend:  # one pool for all browsers
        app.state.backend = backend
        yield


app = FastAPI(lifespan=lifespan)
app.state.backend_options = {}


@app.get("/answer")
async def answer(question: str, request: Request) -> Response:
    return AnswerEvents(Session(request.app.state.backend, MODEL), question)
    # --8<-- [end:app]


# --8<-- [start:response]
class AnswerEvents(Response):
    """An answer as server-sent events: `text` with each piece, `end` with what it took, or `error`."""

    def __init__(self, session: Session, question: str) -> None:
        super().__init__(media_type="text/event-stream", headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self.session = session
        self.question = question

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - what ASGI calls
        async with anyio.create_task_group() as group:
            group.start_soon(self.cancel_when_left, receive, group.cancel_scope)
            await self.answer(send)
            group.cancel_scope.cancel()  # nobody is waited for any more

    async def cancel_when_left(self, receive: Receive, answering: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        answering.cancel()

    async def answer(self, send: Send) -> None:
        has_begun = False
        try:
            async with self.session, self.session.stream(self.question) as stream:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                has_begun = True
                async for text in stream.text:
                    await self.say(send, "text", text)
            await self.say(send, "end", {"tokens": stream.reply.usage.total_tokens}, more=False)
        except ChatError as error:
            LOGGER.warning("no answer", exc_info=error)  # what it says is for us, not for the browser
            if not has_begun:
                await send({"type": "http.response.start", "status": 502, "headers": self.raw_headers})
            await self.say(send, "error", type(error).__name__, more=False)

    async def say(self, send: Send, event: str, data: object, *, more: bool = True) -> None:
        body = f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()
        await send({"type": "http.response.body", "body": body, "more_body": more})
        # --8<-- [end:response]


# --8<-- [start:try]
async def try_it() -> None:
    """Ask as two browsers: one reads to the end, one leaves after the first words."""
    with Emulator(api_key="made-up") as emulator, socket.create_server(("127.0.0.1", 0)) as listening:
        app.state.backend_options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/answer?question=Tell+me+a+story."
        async with anyio.create_task_group() as group, httpx2.AsyncClient() as browser:
            group.start_soon(partial(server.serve, sockets=[listening]))
            print((await browser.get(url)).text.splitlines()[-2])
            emulator.enqueue(Answer(hold=Hold(after_events=4)))  # a model that would go on for ever
            async with browser.stream("GET", url) as response:
                print(await anext(response.aiter_lines()))
            await anyio.to_thread.run_sync(partial(emulator.wait_for_disconnects, 1, timeout=5))
            print("the model has stopped after", emulator.disconnects[0].parts_sent, "events")
            server.should_exit = True


# --8<-- [end:try]

if __name__ == "__main__":
    anyio.run(try_it)
