"""Services on loopback that say what the suite for backends enqueues, in the words of one HTTP protocol each."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self, assert_never

from chatport.testing import (
    Cut,
    Damage,
    Feature,
    Hold,
    HttpReply,
    HttpService,
    HttpStep,
    RefusalKind,
    ScriptedAnswer,
    ServedRequest,
    ServiceAnswer,
    ServiceRefusal,
    StreamFailure,
)


class HttpScript(ABC):
    """A `ServiceScript` of a protocol with JSON for whole answers and server-sent events for streams.

    Attributes:
        path: Where questions are asked.
        request_id: The header with the id of a request.
        refusals: The status of a refusal, its code, and with which words its message begins.
        damaged: An event that nobody can read.
    """

    model: str
    secrets: Sequence[str]
    lacks: Mapping[Feature, str]
    path: ClassVar[str]
    request_id: ClassVar[str]
    refusals: ClassVar[Mapping[RefusalKind, tuple[int, str, str]]]
    damaged: ClassVar[bytes]

    def __init__(self) -> None:
        self.service = HttpService()

    def __enter__(self) -> Self:
        self.service.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.service.__exit__(kind, error, traceback)

    @property
    def requests(self) -> Sequence[bytes]:
        return [request.body for request in self.service.requests if request.path == self.path]

    def enqueue(self, *answers: ScriptedAnswer) -> None:
        for answer in answers:
            self.service.reply(self._refused(answer) if isinstance(answer, ServiceRefusal) else self._answered(answer))

    def sign(self, text: str) -> str:
        return f"signature of {len(text)}"

    def release(self) -> None:
        self.service.release()

    async def until_held(self, count: int = 1) -> None:
        await self.service.until_held(count)

    async def until_left(self, count: int = 1) -> float:
        return await self.service.until_left(count)

    @abstractmethod
    def error(self, code: str, message: str) -> dict[str, Any]:
        """The body of a refusal."""

    @abstractmethod
    def failure(self, failure: StreamFailure) -> bytes:
        """The event that ends a stream with an error."""

    @abstractmethod
    def whole(self, answer: ServiceAnswer) -> dict[str, Any]:
        """The body of a whole answer."""

    @abstractmethod
    def events(self, answer: ServiceAnswer) -> tuple[list[bytes], list[int]]:
        """The events of a stream, and behind how many of them each neutral one has gone out; the first place is 0's."""

    def _refused(self, refusal: ServiceRefusal) -> HttpReply:
        status, code, words = self.refusals[refusal.kind]
        headers = {"content-type": "application/json", self.request_id: refusal.request_id}
        if refusal.retry_after is not None:
            headers["retry-after"] = f"{refusal.retry_after:g}"
        body = json.dumps(self.error(code, words + refusal.message)).encode()
        return HttpReply(status=status, headers=headers, body=body)

    def _answered(self, answer: ServiceAnswer) -> Callable[[ServedRequest], HttpReply]:
        def say(request: ServedRequest) -> HttpReply:
            return self._streamed(answer) if json.loads(request.body).get("stream") else self._in_one(answer)

        return say

    def _streamed(self, answer: ServiceAnswer) -> HttpReply:
        events, places = self.events(answer)
        fault = answer.fault
        before: HttpStep | None = None
        body: list[bytes | HttpStep] = [*events]
        if fault is not None:
            if isinstance(fault, (Cut, Hold)) and fault.after is None:
                before = HttpStep.HOLD if isinstance(fault, Hold) else HttpStep.RESET
            else:
                assert fault.after is not None
                body = self._with_fault(events, places[fault.after], fault)
        return HttpReply(
            body=tuple(body),
            headers={"content-type": "text/event-stream; charset=utf-8", self.request_id: answer.request_id},
            framing="end" if isinstance(fault, Cut) and fault.how != "reset" else None,
            before=before,
            write_size=answer.write_size,
        )

    def _with_fault(
        self, events: list[bytes], place: int, fault: Cut | Damage | StreamFailure | Hold
    ) -> list[bytes | HttpStep]:
        """The events with what happens behind so many of them."""
        told, rest = events[:place], events[place:]
        match fault:
            case Hold():
                return [*told, HttpStep.HOLD, *rest]
            case Cut(how="reset"):
                return [*told, HttpStep.RESET]
            case Cut(how="inside-frame"):
                return [*told, rest[0][: len(rest[0]) // 2]]
            case Cut():
                return [*told]
            case Damage():
                return [*told, self.damaged, *rest]
            case StreamFailure():
                return [*told, self.failure(fault)]
            case _:
                assert_never(fault)

    def _in_one(self, answer: ServiceAnswer) -> HttpReply:  # noqa: PLR0911 - one return for each fault
        body = json.dumps(self.whole(answer)).encode()
        headers = {"content-type": "application/json", self.request_id: answer.request_id}
        middle = len(body) // 2
        match answer.fault:
            case None | StreamFailure():
                return HttpReply(body=body, headers=headers, write_size=answer.write_size)
            case Hold(after=None):
                return HttpReply(body=body, headers=headers, before=HttpStep.HOLD)
            case Hold():
                return HttpReply(body=(body[:middle], HttpStep.HOLD, body[middle:]), headers=headers, framing="length")
            case Cut(after=None):
                return HttpReply(body=body, headers=headers, before=HttpStep.RESET)
            case Cut(how="reset"):
                return HttpReply(body=(body[:middle], HttpStep.RESET, body[middle:]), headers=headers, framing="length")
            case Cut():
                return HttpReply(body=(body[:middle], HttpStep.CLOSE, body[middle:]), headers=headers, framing="length")
            case Damage():
                return HttpReply(body=body[:middle] + b"}{" + body[middle:], headers=headers)
            case _:
                assert_never(answer.fault)
