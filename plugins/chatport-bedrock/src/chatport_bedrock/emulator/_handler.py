"""One HTTP request after the other: read, record, answer. Runs in the emulator's own event loop."""

import asyncio
import socket
import struct
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

import anyio
import anyio.lowlevel
from aiohttp import web

from chatport_bedrock.emulator._conversation import Conversation, model_family
from chatport_bedrock.emulator._exchange import (
    JSON_TYPE,
    STREAM_TYPE,
    Outgoing,
    Policy,
    accept,
    admit,
    prepare,
    refused_stream,
)
from chatport_bedrock.emulator._guest import Guest
from chatport_bedrock.emulator._journal import Disconnect, Journal, RecordedRequest
from chatport_bedrock.emulator._json import encode_json
from chatport_bedrock.emulator._look_up import look_up
from chatport_bedrock.emulator._operations import LOOK_UPS, parse_address
from chatport_bedrock.emulator._refusal import HttpError, RefusedError
from chatport_bedrock.emulator._script import Answer, Delivery, Hold, Scripted, ScriptError

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
_PARTS_PER_TURN: Final = 32
"""After how many frames other tasks get their turn: writing alone does not give them one."""


class _Sending:
    """One answer on its way out."""

    def __init__(self, request: web.Request, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self.parts_sent = 0
        self._bytes_sent = 0
        self._request = request
        self.response = web.StreamResponse(
            headers={
                "content-type": STREAM_TYPE if outgoing.streaming else JSON_TYPE,
                "x-amzn-requestid": str(uuid.uuid4()),
            }
        )
        if not outgoing.streaming:
            self.response.content_length = outgoing.length

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here as far as HTTP can tell: a stream always, a body of known length at its end."""
        return self.outgoing.streaming or self._bytes_sent == self.outgoing.length

    async def begin(self, headers: Mapping[str, str]) -> None:
        """Send the head."""
        self.response.headers.update(headers)
        await self.response.prepare(self._request)

    async def write(self, part: bytes, size: int | None) -> None:
        """Send one part: one chunk of a chunked body, or several of that size."""
        for begin in range(0, len(part), size or len(part) or 1):
            await self.response.write(part[begin : begin + size] if size else part)
        self.parts_sent += 1
        self._bytes_sent += len(part)

    async def finish(self) -> None:
        """End the body as HTTP has it."""
        await self.response.write_eof()

    def end(self, how: str) -> None:
        """End the connection instead: `"abort"` resets it, anything else closes it behind what was written."""
        transport = self._request.transport
        if transport is None:
            return  # it is gone already
        if how == "abort":
            # Without this the kernel would end the connection in an orderly way, or not, depending on what was read.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            transport.abort()
        else:
            transport.close()


class Handler:
    """Answers the requests of one emulator.

    Args:
        policy: What to accept.
        script: What to answer; taken from the left, and filled by other threads.
        errors: What to answer to look-ups, by operation, instead of what there is; as `script`.
        journal: Where to write down what happens.
        pace: How long to wait before each event of a stream, in seconds, where the script says nothing else.
        guest: Who answers in the brain's place, if anybody.
    """

    def __init__(
        self,
        policy: Policy,
        script: deque[Scripted],
        journal: Journal,
        *,
        pace: float,
        errors: Mapping[str, deque[HttpError]],
        guest: Guest | None = None,
    ) -> None:
        self._guest = guest
        self._errors = errors
        self._policy = policy
        self._script = script
        self._journal = journal
        self._pace = pace
        self._releases = anyio.Semaphore(0)
        self._running: set[anyio.CancelScope] = set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        raw = await request.read()
        operation, model = parse_address(request.method, request.raw_path)
        recorded = RecordedRequest(
            operation=operation,
            model=model,
            method=request.method,
            path=request.raw_path,
            headers={name.lower(): ",".join(request.headers.getall(name)) for name in request.headers},
            raw_body=raw,
            received_at=time.monotonic(),
        )
        self._journal.add_request(recorded)
        streaming = operation == "ConverseStream"
        answer = Answer()
        try:
            body = admit(recorded, self._policy)
            if operation in LOOK_UPS:
                return self._looked_up(recorded, body)
            conversation = accept(recorded, body, self._policy)
            scripted = self._next_scripted(recorded)
            if isinstance(scripted, HttpError):
                return _error_response(scripted)
            answer = scripted
            if self._guest is not None and answer == Answer():
                return await self._answered_by(self._guest, request, recorded, conversation)
            outgoing = prepare(conversation, answer, streaming=streaming)
        except RefusedError as refused:
            in_stream = refused_stream(refused, model_family(model), streaming=streaming)
            if in_stream is None:
                return _error_response(refused.error)
            outgoing = in_stream
        except ScriptError as error:
            return _error_response(HttpError(500, "InternalServerException", f"The emulator's script: {error}"))
        return await self._guarded(request, recorded, outgoing, lambda sending: self._send(sending, answer))

    async def _answered_by(
        self, guest: Guest, request: web.Request, recorded: RecordedRequest, conversation: Conversation
    ) -> web.StreamResponse:
        """Send what another backend answers, as it comes.

        Raises:
            RefusedError: It cannot answer.
        """
        streaming = conversation.operation == "ConverseStream"
        async with aclosing(guest.answer(conversation, streaming=streaming)) as parts:
            # The head says whether there is an answer, so that it waits for the first part of one.
            first: bytes | None = None
            with anyio.CancelScope() as scope:
                self._running.add(scope)
                try:
                    first = await anext(parts)
                finally:
                    self._running.discard(scope)
            if first is None:
                return _error_response(HttpError(503, "ServiceUnavailableException", "The emulator is closing"))

            async def send(sending: _Sending) -> None:
                await sending.begin({})
                await sending.write(begun, None)
                async for part in parts:
                    await anyio.sleep(self._pace)
                    await sending.write(part, None)
                await sending.finish()

            begun = first
            outgoing = Outgoing(Delivery((begun,)), streaming, len(begun))
            return await self._guarded(request, recorded, outgoing, send)

    async def release(self, count: int) -> None:
        """Let this many holds go on."""
        for _ in range(count):
            self._releases.release()

    def cancel_running(self) -> None:
        """End all answers in progress; their connections are reset."""
        for scope in list(self._running):
            scope.cancel()

    def _looked_up(self, recorded: RecordedRequest, body: dict[str, Any]) -> web.Response:
        """The answer to a request that asks no model: from the script only if that has an error for this operation."""
        errors = self._errors.get(recorded.operation or "")
        answer = look_up(recorded, body, check_requests=self._policy.check_requests)
        if errors:
            return _error_response(errors.popleft())
        headers = {"content-type": JSON_TYPE, "x-amzn-requestid": str(uuid.uuid4())}
        return web.Response(body=encode_json(answer), headers=headers)

    def _next_scripted(self, request: RecordedRequest) -> Answer | HttpError:
        try:
            scripted = self._script.popleft()
        except IndexError:
            return Answer()
        return scripted if isinstance(scripted, Answer | HttpError) else scripted(request)

    async def _guarded(
        self,
        request: web.Request,
        recorded: RecordedRequest,
        outgoing: Outgoing,
        send: Callable[[_Sending], Awaitable[None]],
    ) -> web.StreamResponse:
        """Send an answer, and notice if the client does not wait for its end."""
        sending = _Sending(request, outgoing)
        with anyio.CancelScope() as scope:
            self._running.add(scope)
            try:
                await send(sending)
            except ConnectionError:
                # The connection went while something was written: returning is all that is left to do.
                self._note_disconnect(recorded, sending)
            except asyncio.CancelledError:
                # Either the server has seen the client go and cancels what it did for it, or the emulator is closing.
                if not scope.cancel_called:
                    self._note_disconnect(recorded, sending)
                raise
            finally:
                self._running.discard(scope)
        if scope.cancelled_caught:
            sending.end("abort")
        return sending.response

    def _note_disconnect(self, recorded: RecordedRequest, sending: _Sending) -> None:
        self._journal.add_disconnect(Disconnect(recorded, sending.parts_sent, time.monotonic()))

    async def _send(self, sending: _Sending, answer: Answer) -> None:
        if answer.delay:
            await anyio.sleep(answer.delay)
        await self._hold(answer.hold, None)
        if not sending.outgoing.delivery.with_head:
            sending.end(sending.outgoing.delivery.ending)
            return
        await sending.begin(answer.headers)
        pace = self._pace if answer.pace is None else answer.pace
        for number, part in enumerate(sending.outgoing.delivery.parts):
            await self._hold(answer.hold, number)
            if pace and sending.outgoing.streaming:
                await anyio.sleep(pace)
            elif number % _PARTS_PER_TURN == _PARTS_PER_TURN - 1:
                await anyio.lowlevel.checkpoint()
            await sending.write(part, answer.write_size)
        await self._hold(answer.hold, len(sending.outgoing.delivery.parts))
        if sending.outgoing.delivery.ending in {"complete", "end"} and sending.is_whole:
            await sending.finish()
        else:
            sending.end(sending.outgoing.delivery.ending)

    async def _hold(self, hold: Hold | None, position: int | None) -> None:
        if hold is not None and hold.after_events == position:
            self._journal.add_hold()
            await self._releases.acquire()


def _error_response(error: HttpError) -> web.Response:
    headers = {
        "content-type": JSON_TYPE,
        "x-amzn-requestid": str(uuid.uuid4()),
        "x-amzn-errortype": error.error_type(),
    }
    response = web.Response(status=error.status, body=error.body(), headers=headers)
    response.headers.update(error.headers)
    return response
