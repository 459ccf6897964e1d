"""The documentation's web server, called as a server calls it: what a browser gets, and what happens when it leaves."""

import importlib.util
import json
from collections.abc import MutableMapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import anyio.to_thread
import pytest

from chatport import ServiceError, Session
from chatport.testing import Answer, ScriptedBackend
from chatport_bedrock import emulator as emulators

pytestmark = pytest.mark.anyio

_EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "serving_browsers.py"


@pytest.fixture(scope="module", name="example")
def loaded_example() -> ModuleType:
    """The example as a module; its server is not started."""
    spec = importlib.util.spec_from_file_location("serving_browsers", _EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Browser:
    """The other side of ASGI: takes what is sent, and leaves when told to."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.events: list[tuple[str, Any]] = []
        self.has_ended = False
        self.first_event = anyio.Event()
        self.left = anyio.Event()
        self.refuses = False  # to take more, as a full connection does

    async def receive(self) -> MutableMapping[str, Any]:
        """Say that it has left, once it has."""
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take a part of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        event, data = message["body"].decode().strip().split("\n")
        self.events.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        self.has_ended = not message["more_body"]
        self.first_event.set()
        if self.refuses:
            await anyio.sleep_forever()

    async def ask(self, example: ModuleType, session: Session) -> None:
        """Ask, and wait for the end of the response."""
        response = example.AnswerEvents(session, "Tell me a story.")
        with anyio.fail_after(10):
            await response({"type": "http"}, self.receive, self.send)


async def test_a_browser_gets_the_answer_as_it_comes(example: ModuleType) -> None:
    """Each piece is an event; no length is claimed, and nothing is cached."""
    browser = Browser()
    await browser.ask(example, Session(ScriptedBackend("Once\nupon a time."), "m"))
    assert browser.status == 200
    assert browser.headers["content-type"].startswith("text/event-stream")
    assert browser.headers["cache-control"] == "no-store"
    assert "content-length" not in browser.headers
    assert "".join(data for event, data in browser.events if event == "text") == "Once\nupon a time."
    assert len(browser.events) > 2
    assert browser.events[-1] == ("end", {"tokens": None})
    assert browser.has_ended


@pytest.mark.parametrize("refuses", [False, True], ids=["while-it-waits", "while-it-sends"])
async def test_a_browser_that_leaves_stops_the_model(example: ModuleType, refuses: bool) -> None:
    """The service sees its connection close, whether the model or the browser was waited for."""
    browser = Browser()
    browser.refuses = refuses
    with emulators.Emulator(api_key="made-up") as emulator:
        emulator.enqueue(emulators.Answer(hold=emulators.Hold(after_events=4)))
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        async with example.open_backend("bedrock", **options) as backend, anyio.create_task_group() as group:
            group.start_soon(browser.ask, example, Session(backend, example.MODEL))
            with anyio.fail_after(10):
                await browser.first_event.wait()
            browser.left.set()
            await anyio.to_thread.run_sync(partial(emulator.wait_for_disconnects, 1, timeout=5))
    assert not browser.has_ended
    assert {event for event, _ in browser.events} == {"text"}


@pytest.mark.parametrize("begun", [False, True])
async def test_an_error_is_told_without_its_words(example: ModuleType, begun: bool) -> None:
    """Before the first word as a status, behind it as an event; what the service says stays here."""
    browser = Browser()
    error = ServiceError("account 123456789012 has no money")
    script = Answer("Once upon", error=error) if begun else error
    await browser.ask(example, Session(ScriptedBackend(script), "m", retry=None))
    assert browser.status == (200 if begun else 502)
    assert browser.events[-1] == ("error", "ServiceError")
    assert len(browser.events) == (3 if begun else 1)
    assert browser.has_ended


async def test_the_endpoint_gives_such_an_answer(example: ModuleType) -> None:
    """The application has the route, and knows the backend that its lifespan has opened."""
    browser = Browser()
    example.app.state.backend = ScriptedBackend("Hi")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/answer",
        "raw_path": b"/answer",
        "query_string": b"question=Hello",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    with anyio.fail_after(10):
        await example.app(scope, browser.receive, browser.send)
    assert browser.events[0] == ("text", "Hi")
    assert example.app.state.backend.requests[0].messages[0].text == "Hello"
