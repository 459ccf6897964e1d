"""A web server on loopback that answers as a test tells it, and names that lead to it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from chatport._addresses import why_not_public
from chatport._fetch import Fetcher, FetchLimits

LOOPBACK = "127.0.0.1"
CERTIFICATE = Path(__file__).parent / "fixtures" / "media.example.com.pem"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


@dataclass(frozen=True)
class Asked:
    """A request, as the server saw it."""

    target: str
    headers: dict[str, str]
    sni: str | None


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Return an answer with its length, if none is given."""
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + body


class WebServer:
    """Answers each path with the bytes that are set for it; a path without any is held until the server ends."""

    def __init__(self, answers: dict[str, bytes] | None = None, *, secure: bool = False) -> None:
        self.answers = answers if answers is not None else {}
        self.asked: list[Asked] = []
        self.connections = 0
        self._names: list[str | None] = []
        self._context = self._secured() if secure else None
        self._socket = socket.create_server((LOOPBACK, 0))
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._socket.close()

    def url(self, path: str = "/", *, host: str = "media.example.com") -> str:
        """Return an address of the server under a name that looks public."""
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def fetcher(
        self, names: Mapping[str, Sequence[Sequence[str]]] | None = None, *, visits: int = 100, **limits: float
    ) -> Fetcher:
        """Return a fetcher to which this server's address is as good as public; every other address is what it is.

        Args:
            names: What a name leads to, look-up by look-up; any other name leads to the server.
            visits: How often the server's address passes the check before it is loopback again.
            **limits: Of `FetchLimits`.
        """
        plans = {name: iter(look_ups) for name, look_ups in (names or {}).items()}
        passes = iter(range(visits))

        async def look_up(host: str, _: int) -> Sequence[str]:
            return next(plans[host]) if host in plans else [LOOPBACK]

        def why_not(address: str) -> str | None:
            return None if address == LOOPBACK and next(passes, None) is not None else why_not_public(address)

        chosen = replace(FetchLimits(ports=frozenset({80, 443, self.port})), **limits)  # type: ignore[arg-type]  # names
        return Fetcher(chosen, resolve=look_up, why_not=why_not, tls=trusting())

    def _secured(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        context.sni_callback = lambda _, name, __: self._names.append(name)
        return context

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return  # the end of the test
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(peer,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        peer.settimeout(10)
        try:
            with self._context.wrap_socket(peer, server_side=True) if self._context else peer as connection:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536) or _gone()
                first, *lines = received.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
                target = first.split(" ")[1]
                fields = (line.split(": ", 1) for line in lines)
                sni = self._names[-1] if self._names else None
                self.asked.append(Asked(target, {name.lower(): value for name, value in fields}, sni))
                if target.partition("?")[0] not in self.answers:
                    self._ended.wait(10)
                    return
                connection.sendall(self.answers[target.partition("?")[0]])
        except (OSError, EOFError):
            pass  # the client went away, or does not trust us: what the test is about


def _gone() -> bytes:
    raise EOFError


def trusting() -> ssl.SSLContext:
    """Return a context that trusts the server's certificate, and no other."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))
