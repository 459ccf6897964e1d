"""What an emulator remembers: requests and disconnects, for any thread to read and to wait for."""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it arrived, accepted or not.

    Attributes:
        operation: Such as `"Converse"`, `"ConverseStream"` or `"ListFoundationModels"`; None for an address that is no
            operation of the emulator.
        model: The id in the address, of a model or a profile, decoded; empty if the address has none.
        method: The HTTP method.
        path: The path as it stood in the request line, still encoded.
        headers: By lower-case name. Credentials are in here: they are those of a test.
        raw_body: The bytes of the body.
        received_at: When the whole of it had arrived, by `time.monotonic()`, in seconds.
    """

    operation: str | None
    model: str
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    raw_body: bytes = field(repr=False)
    received_at: float

    @property
    def body(self) -> Any:
        """The body, parsed anew at each call.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.raw_body)


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A client that left before its answer was complete.

    Attributes:
        request: What it had asked.
        parts_sent: How much of the answer it had been sent: events of a stream.
        at: When the server noticed, by `time.monotonic()`, in seconds.
    """

    request: RecordedRequest
    parts_sent: int
    at: float


class Journal:
    """Requests and disconnects, newest last; thread-safe.

    Args:
        max_requests: How many of either to keep.
        max_bytes: How much the bodies of the kept requests may take together, in bytes; the newest request is kept even
            if it is larger by itself.
    """

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        if max_requests < 1 or max_bytes < 0:
            raise ValueError("a journal keeps at least one request, and no negative number of bytes")
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._requests: deque[RecordedRequest] = deque()
        self._bytes = 0
        self._disconnects: deque[Disconnect] = deque(maxlen=max_requests)
        self._request_count = 0
        self._disconnect_count = 0
        self._held_count = 0

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The kept requests."""
        with self._changed:
            return tuple(self._requests)

    @property
    def disconnects(self) -> tuple[Disconnect, ...]:
        """The kept disconnects."""
        with self._changed:
            return tuple(self._disconnects)

    @property
    def request_count(self) -> int:
        """How many requests there have been, forgotten ones included."""
        with self._changed:
            return self._request_count

    def add_request(self, request: RecordedRequest) -> None:
        """Remember a request, and forget old ones that have no room beside it."""
        with self._changed:
            self._requests.append(request)
            self._bytes += len(request.raw_body)
            while len(self._requests) > 1 and (
                len(self._requests) > self._max_requests or self._bytes > self._max_bytes
            ):
                self._bytes -= len(self._requests.popleft().raw_body)
            self._request_count += 1
            self._changed.notify_all()

    def add_disconnect(self, disconnect: Disconnect) -> None:
        """Remember a disconnect."""
        with self._changed:
            self._disconnects.append(disconnect)
            self._disconnect_count += 1
            self._changed.notify_all()

    def add_hold(self) -> None:
        """Remember that an answer has reached a point where it waits."""
        with self._changed:
            self._held_count += 1
            self._changed.notify_all()

    def wait_for_requests(self, count: int, timeout: float) -> None:
        """Wait until there have been this many requests."""
        self._wait(lambda: self._request_count, count, timeout, "requests have arrived")

    def wait_for_disconnects(self, count: int, timeout: float) -> None:
        """Wait until this many clients have left."""
        self._wait(lambda: self._disconnect_count, count, timeout, "clients have left early")

    def wait_for_holds(self, count: int, timeout: float) -> None:
        """Wait until this many answers have reached a hold."""
        self._wait(lambda: self._held_count, count, timeout, "answers have been held")

    def _wait(self, actual: Callable[[], int], count: int, timeout: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: actual() >= count, timeout):
                raise TimeoutError(f"after {timeout:g} s only {actual()} of {count} {what}")
