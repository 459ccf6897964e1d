"""URLs in a conversation: the backend gets the content, the history keeps the URL."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.web_server import PNG, WebServer, answer

import chatport
from chatport import Image, Message, Preview, ToolCall, ToolResult, TransportError, UnsupportedError, tool
from chatport._url_media import UrlMedia
from chatport.backend import ChatRequest, Media
from chatport.testing import ScriptedBackend

pytestmark = pytest.mark.anyio

CONTENT = Image("image/png", PNG)


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A server with a picture."""
    with WebServer({"/cat.png": answer(PNG)}) as running:
        yield running


def session(server: WebServer, backend: ScriptedBackend, **options: object) -> chatport.Session:
    """Return a session that takes the server for a public one."""
    chat = chatport.Session(backend, "model-1", **options)  # type: ignore[arg-type]  # options as they come
    chat._media = UrlMedia(server.fetcher())
    return chat


async def test_the_backend_gets_content_and_the_history_the_url(server: WebServer) -> None:
    """Every turn sends the same bytes, one download serves them all, and what was said stays as it was said."""
    backend = ScriptedBackend("A cat.", "Still a cat.", "Yes.")
    chat = session(server, backend)
    cat = Image.from_url(server.url("/cat.png"))
    reply = await chat.ask("What is this?", cat)
    await chat.ask("Sure?")
    async with chat.stream("Really?", cat) as stream:
        await stream.finish()
    assert reply.messages[0] == chat.messages[0] == Message.user("What is this?", cat)
    for request in backend.requests:
        assert request.messages[0] == Message.user("What is this?", CONTENT)
    assert backend.requests[2].messages[-1] == Message.user("Really?", CONTENT)
    assert len(server.asked) == 1


async def test_a_stored_history_is_fetched_again(server: WebServer) -> None:
    """A conversation with URLs goes to JSON, and on with another backend."""
    chat = session(server, ScriptedBackend("A cat."))
    await chat.ask("What is this?", Image.from_url(server.url("/cat.png")))
    messages = chatport.load_messages(chatport.dump_messages(chat.messages))
    assert messages == chat.messages
    backend = ScriptedBackend("Yes.", name="another")
    await session(server, backend, messages=messages).ask("Sure?")
    assert backend.requests[0].messages[0] == Message.user("What is this?", CONTENT)


@pytest.mark.parametrize("status", ["404 Not Found", "503 Service Unavailable"])
async def test_a_turn_whose_url_fails_does_not_land(server: WebServer, status: str) -> None:
    """Nothing is sent, the history is as before, the error says what was said, and the session goes on."""
    server.answers["/cat.png"] = answer(status=status)
    backend = ScriptedBackend("Hello.")
    chat = session(server, backend, retry=None)
    cat = Image.from_url(server.url("/cat.png"))
    with pytest.raises((UnsupportedError, TransportError), match=status[:3]) as caught:
        await chat.ask("What is this?", cat)
    assert (chat.messages, backend.requests) == ((), [])
    assert caught.value.partial is not None
    assert caught.value.partial.messages == (Message.user("What is this?", cat),)
    assert getattr(caught.value, "attempts", 0) == 0
    with pytest.raises((UnsupportedError, TransportError), match=status[:3]):
        async with chat.stream("What is this?", cat):
            pytest.fail("the error leaves the opening of the stream")
    assert (await chat.ask("Hello?")).text == "Hello."


async def test_what_a_tool_returns_is_fetched_for_the_next_step(server: WebServer) -> None:
    """A tool may answer with a URL, which nobody has checked: the model gets the picture."""

    @tool
    async def show_cat() -> Image:
        """Show the cat."""
        return Image.from_url(server.url("/cat.png"))

    backend = ScriptedBackend(ToolCall("1", "show_cat", {}), "A cat.")
    chat = session(server, backend, tools=[show_cat])
    await chat.ask("Show me.")
    assert backend.requests[1].messages[-1] == Message("tool", (ToolResult("1", CONTENT),))
    assert chat.messages[2] == Message("tool", (ToolResult("1", Image.from_url(server.url("/cat.png"))),))


async def test_a_backend_that_takes_urls_gets_them(server: WebServer) -> None:
    """With `native_urls` nothing is fetched, or what the function says no to."""

    class NativeBackend(ScriptedBackend):
        def native_urls(self, medium: Media, model: str) -> bool:
            return isinstance(medium, Image) and model == "model-1"

    backend = NativeBackend("A cat.")
    cat = Image.from_url(server.url("/cat.png"))
    await session(server, backend).ask(cat)
    assert backend.requests[0].messages == (Message.user(cat),)
    assert not server.asked


async def test_a_preview_shows_the_content(server: WebServer) -> None:
    """The preview is of what would be sent; a request as a value fetches nothing."""

    class PreviewBackend(ScriptedBackend):
        async def preview(self, request: ChatRequest) -> Preview:
            (medium,) = request.messages[0].parts
            assert medium == CONTENT
            return Preview({"seen": True})

    chat = session(server, PreviewBackend())
    cat = Image.from_url(server.url("/cat.png"))
    assert chat.request(cat).messages == (Message.user(cat),)
    assert not server.asked
    assert (await chat.preview(cat)).request == {"seen": True}
    assert chat.messages == ()


async def test_a_session_reaches_public_hosts_only() -> None:
    """As it comes, a session fetches nothing from the machine it runs on."""
    backend = ScriptedBackend()
    chat = chatport.Session(backend, "model-1")
    for url in ("http://127.0.0.1/", "http://localhost/", "http://169.254.169.254/latest/meta-data/"):
        with pytest.raises(UnsupportedError, match="is not on the public internet"):
            await chat.ask(replace(Image.from_url("http://example.com/"), url=url))
    assert backend.requests == []
