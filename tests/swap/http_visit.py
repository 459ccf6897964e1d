"""What stations share whose services speak HTTP: a service on loopback, and the vendor's types of a request."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError
from tests.swap.speech import Answer, Body
from tests.swap.station import Visit

from chatport.backend import Backend
from chatport.testing import HttpReply, HttpService
from chatport.testing import ServedRequest as _ServedRequest

Render: TypeAlias = Callable[[Answer, Body], dict[str, Any] | list[tuple[str, dict[str, Any] | str]]]
"""Says an answer in a service's words: whole, or as the events of a stream, each with its name and its data."""


class HttpVisit(Visit):
    """A backend that asks a service on loopback."""

    def __init__(self, service: HttpService, backend: Backend, render: Render) -> None:
        """Take both, open."""
        self._service = service
        self._render = render
        self.backend = backend

    def enqueue(self, answer: Answer) -> None:
        """See `Visit.enqueue`."""

        def reply(request: _ServedRequest) -> HttpReply:
            said = self._render(answer, json.loads(request.body))
            if isinstance(said, dict):
                return HttpReply(body=json.dumps(said).encode(), headers={"content-type": "application/json"})
            return HttpReply(body=b"".join(_event(*event) for event in said), headers=_STREAM)

        self._service.reply(reply)

    @property
    def bodies(self) -> list[Body]:
        """See `Visit.bodies`."""
        return [json.loads(request.body) for request in self._service.requests]


_STREAM = {"content-type": "text/event-stream"}


def _event(name: str, data: dict[str, Any] | str) -> bytes:
    head = f"event: {name}\n" if name else ""
    text = data if isinstance(data, str) else json.dumps(data)
    return f"{head}data: {text}\n\n".encode()


def type_faults(adapter: TypeAdapter[Any], body: Body, *, beyond: Iterable[str] = ()) -> Iterator[str]:
    """Yield what a vendor's own type says against a body: what does not fit, and members that it does not know.

    Args:
        adapter: The type.
        body: The body.
        beyond: Members that this service takes beyond the type.
    """
    known = _without(body, frozenset(beyond))
    try:
        fitting = _whole(adapter.validate_python(known))
    except ValidationError as error:
        yield str(error)
        return
    yield from _unknown(known, fitting, "body")


def _without(value: Any, members: frozenset[str]) -> Any:
    match value:
        case dict():
            return {name: _without(member, members) for name, member in value.items() if name not in members}
        case list():
            return [_without(item, members) for item in value]
        case _:
            return value


def _whole(value: Any) -> Any:
    """Return a value whose iterables have been walked: pydantic checks them no earlier."""
    match value:
        case dict():
            return {name: _whole(member) for name, member in value.items()}
        case str() | bytes() | int() | float() | None:
            return value
        case _:
            return [_whole(item) for item in value]


def _unknown(given: Any, fitting: Any, path: str) -> Iterator[str]:
    """Yield the members that a type has not: what it fits is without them."""
    match given:
        case dict():
            for name, member in given.items():
                if name not in fitting:
                    yield f"{path}.{name} is no member of the vendor's type"
                else:
                    yield from _unknown(member, fitting[name], f"{path}.{name}")
        case list():
            for index, item in enumerate(given):
                yield from _unknown(item, fitting[index], f"{path}[{index}]")
        case _:
            pass
