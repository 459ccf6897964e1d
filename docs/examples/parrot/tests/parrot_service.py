"""A parrot on loopback that says what a test tells it: the `script` of the suite."""

from __future__ import annotations

import json
import select
import socket
import socketserver
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, assert_never

import anyio.to_thread

from chatport import ReasoningDelta, StopReason, TextDelta, ToolCallDelta, ToolCallStart
from chatport.testing import (
    Cut,
    Damage,
    Feature,
    Hold,
    RefusalKind,
    ScriptedAnswer,
    ServiceAnswer,
    ServiceEvent,
    ServiceRefusal,
    StreamFailure,
    UnknownEvent,
)

_KINDS: dict[RefusalKind, str] = {
    "context-window": "too-long",
    "forbidden": "not-yours",
    "invalid-request": "nonsense",
    "model-not-found": "who",
    "overloaded": "asleep",
    "server-error": "bitten",
    "throttled": "too-fast",
    "unauthorized": "no-key",
}
_REASONS: dict[StopReason, str] = {
    "content_filter": "censored",
    "length": "most",
    "stop": "done",
    "tool_calls": "calls",
}
_PATIENCE = 10.0
_NO_PICTURES = "a parrot has words and tools"


class ParrotScript:
    """The service: a thread for each connection, with plain sockets, so that no event loop is its own."""

    model = "grey"
    secrets: Sequence[str] = ("crackers-4711",)
    lacks: Mapping[Feature, str] = {
        "images": _NO_PICTURES,
        "documents": _NO_PICTURES,
        "audio": _NO_PICTURES,
        "video": _NO_PICTURES,
        "output-schema": "a parrot fits no schema",
        "tool-choice": "a parrot chooses for itself",
        "status-codes": "a parrot speaks no HTTP",
    }

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answers: deque[ScriptedAnswer] = deque()
        self._changed = threading.Condition()
        self._held = 0
        self._left: list[float] = []
        self._released, self._release = socket.socketpair()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.002,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._released.close()
        self._release.close()

    # --- what the suite asks for --------------------------------------------------------------------------------------

    def enqueue(self, *answers: ScriptedAnswer) -> None:
        self.answers.extend(answers)

    def sign(self, text: str) -> str:
        return f"sealed:{text}"

    def release(self) -> None:
        # Nobody reads it: from now on it is readable, for every answer that waits for that.
        self._release.send(b"!")

    async def until_held(self, count: int = 1) -> None:
        await anyio.to_thread.run_sync(self._wait, lambda: self._held >= count)

    async def until_left(self, count: int = 1) -> float:
        await anyio.to_thread.run_sync(self._wait, lambda: len(self._left) >= count)
        return self._left[count - 1]

    def _wait(self, is_so: Any) -> None:
        with self._changed:
            assert self._changed.wait_for(is_so, _PATIENCE), "it did not happen"

    # --- what the connections tell ------------------------------------------------------------------------------------

    def hold(self, connection: socket.socket) -> None:
        """Wait until the script says to go on, or the client leaves."""
        with self._changed:
            self._held += 1
            self._changed.notify_all()
        readable, _, _ = select.select([connection, self._released], [], [], _PATIENCE)
        if connection in readable:
            raise ConnectionError

    def note_left(self) -> None:
        """Note that a client has left before the end of its answer."""
        with self._changed:
            self._left.append(time.monotonic())
            self._changed.notify_all()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 64
    script: ParrotScript


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    connection: socket.socket

    @property
    def script(self) -> ParrotScript:
        assert isinstance(self.server, _Server)
        return self.server.script

    def handle(self) -> None:
        line = self.rfile.readline()
        if not line:
            return
        self.script.requests.append(line)
        answer = self.script.answers.popleft()
        try:
            if isinstance(answer, ServiceRefusal):
                self._write({"error": _refusal(answer)}, None)
            else:
                self._answer(answer)
        except ConnectionError:
            self.script.note_left()

    def _answer(self, answer: ServiceAnswer) -> None:
        fault = answer.fault
        if fault is not None and fault.after is None and not self._suffers(fault, {}):
            return
        self._write({"head": {"id": answer.request_id, "model": self.script.model}}, answer.write_size)
        for number, event in enumerate(answer.events):
            line = _line(event)
            if fault is not None and fault.after == number and not self._suffers(fault, line):
                return
            self._write(line, answer.write_size)
        end = _end(answer)
        if fault is None or fault.after != len(answer.events) or self._suffers(fault, end):
            self._write(end, answer.write_size)

    def _suffers(self, fault: Cut | Damage | Hold | StreamFailure, line: dict[str, Any]) -> bool:
        """Do what goes wrong before a line; return whether the answer goes on."""
        match fault:
            case Hold():
                self.script.hold(self.connection)
                return True
            case Damage():
                self.wfile.write(b'{"text": {"part": 0, "pie\n')
                return True
            case Cut(how="inside-frame"):
                self.wfile.write(json.dumps(line).encode()[:-3])
            case Cut(how="reset"):
                # What is closed without lingering is torn down.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Cut():
                pass
            case StreamFailure(kind=kind, message=message):
                self._write({"error": {"kind": _KINDS[kind], "message": message}}, None)
            case _:
                assert_never(fault)
        return False

    def _write(self, line: dict[str, Any], size: int | None) -> None:
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        for begin in range(0, len(data), size or len(data)):
            self.wfile.write(data[begin : begin + (size or len(data))])

    def finish(self) -> None:
        super().finish()
        # Without the handshake that the server would make: a torn connection stays torn.
        self.connection.close()


def _refusal(refusal: ServiceRefusal) -> dict[str, Any]:
    waits = {} if refusal.retry_after is None else {"wait": refusal.retry_after}
    return {"kind": _KINDS[refusal.kind], "message": refusal.message, "id": refusal.request_id, **waits}


def _line(event: ServiceEvent) -> dict[str, Any]:
    match event:
        case TextDelta(index, text):
            return {"text": {"part": index, "piece": text}}
        case ToolCallStart(index, id_, name):
            return {"call": {"part": index, "id": id_, "name": name}}
        case ToolCallDelta(index, piece):
            return {"arguments": {"part": index, "piece": piece}}
        case UnknownEvent():
            return {"dance": {"steps": 3}}
        case ReasoningDelta(index, text, signature=None):
            return {"thought": {"part": index, "piece": text}}
        case ReasoningDelta(index, signature=seal):
            return {"thought": {"part": index, "seal": seal}}
        case _:
            assert_never(event)


def _end(answer: ServiceAnswer) -> dict[str, Any]:
    end: dict[str, Any] = {"reason": answer.raw_stop_reason or _REASONS[answer.reason]}
    if answer.usage is not None:
        remembered = answer.usage.cache_read_tokens
        end["words"] = {
            "heard": (answer.usage.input_tokens or 0) - (remembered or 0),
            "said": answer.usage.output_tokens,
            **({} if remembered is None else {"remembered": remembered}),
        }
    return {"end": end}
