"""URLs in a request: what is fetched, what is left to the service, what is remembered."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.web_server import PNG, WebServer, answer

from chatport import Document, Image, Message, Session, Text, ToolResult, TransportError, UnsupportedError, _fetch
from chatport._fetch import Fetcher
from chatport._media import Media
from chatport._url_media import UrlMedia, fetch_media
from chatport.backend import ChatRequest
from chatport.testing import ScriptedBackend

pytestmark = pytest.mark.anyio

JPEG = b"\xff\xd8\xff\xe0" + bytes(16)


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A server with two pictures and a table."""
    answers = {
        "/cat.png": answer(PNG),
        "/dog": answer(JPEG, Content_Type="image/png"),
        "/table.csv": answer(b"a,b\n", Content_Type="text/plain"),
        "/table": answer(b"a,b\n", Content_Type="text/csv; header=present"),
    }
    with WebServer(answers) as running:
        yield running


def request(*messages: Message, system: tuple[Image, ...] = ()) -> ChatRequest:
    """Return a request of these messages."""
    return ChatRequest("model-1", messages, system)


async def test_content_takes_the_place_of_urls_everywhere(server: WebServer) -> None:
    """In messages, in results within results and in the system prompt; order, names and all else stay as they are."""
    cat = Image.from_url(server.url("/cat.png"))
    table = Document.from_url(server.url("/table.csv"))
    other = Document.from_url(server.url("/table"), name="numbers")
    nested = ToolResult("1", (ToolResult("2", (replace(cat, metadata={"echo": {"n": 1}}),)), Text("x")), is_error=True)
    plain = Message.user("No media here.")
    given = request(plain, Message("tool", (nested,)), Message.user("Look", cat, table, other), system=(cat,))
    filled = await UrlMedia(server.fetcher()).filled(given, native_urls=False)
    image = Image("image/png", PNG)
    inner = ToolResult("2", (Image("image/png", PNG, metadata={"echo": {"n": 1}}),))
    assert filled == replace(
        given,
        system=(image,),
        messages=(
            plain,
            Message("tool", (ToolResult("1", (inner, Text("x")), is_error=True),)),
            Message.user(
                "Look",
                image,
                Document("text/csv", b"a,b\n", name="table.csv"),
                Document("text/csv", b"a,b\n", name="numbers"),
            ),
        ),
    )
    assert filled.messages[0] is plain
    assert given.system == (cat,), "the request that was given is as before"
    assert sorted(asked.target for asked in server.asked) == ["/cat.png", "/table", "/table.csv"]


async def test_what_has_no_url_is_not_touched(server: WebServer) -> None:
    """A request without URLs is passed on as it is, and needs no HTTP library."""
    given = request(Message.user("Look", Image("image/png", PNG)))
    assert await UrlMedia(server.fetcher()).filled(given, native_urls=False) is given


async def test_what_was_fetched_is_remembered_while_it_is_needed(server: WebServer) -> None:
    """The second turn sees the same bytes, whatever the server has now; a conversation without them lets them go."""
    media = UrlMedia(server.fetcher())
    given = request(Message.user(Image.from_url(server.url("/cat.png"))))
    first = await media.filled(given, native_urls=False)
    server.answers["/cat.png"] = answer(JPEG)
    again = replace(given, messages=(*given.messages, Message.user(Image.from_url(server.url("/dog")))))
    assert (await media.filled(again, native_urls=False)).messages[0] == first.messages[0]
    assert [asked.target for asked in server.asked] == ["/cat.png", "/dog"]
    await media.filled(request(Message.user(Image.from_url(server.url("/dog")))), native_urls=False)
    assert (await media.filled(given, native_urls=False)).messages[0].parts == (Image("image/jpeg", JPEG),)


async def test_the_type_is_found_from_the_content(server: WebServer) -> None:
    """A server that says PNG of a JPEG does no harm; a declared type that does not hold is an error."""
    url = server.url("/dog?signature=1")
    media = UrlMedia(server.fetcher())
    filled = await media.filled(request(Message.user(Image.from_url(url))), native_urls=False)
    assert filled.messages[0].parts == (Image("image/jpeg", JPEG),)
    for wrong in (Image.from_url(url, media_type="image/png"), Document.from_url(url)):
        with pytest.raises(UnsupportedError, match=r"cannot be used: http://media\.example\.com") as caught:
            await media.filled(request(Message.user(wrong)), native_urls=False)
        assert "signature" not in str(caught.value)


async def test_a_backend_may_take_urls_as_they_are(server: WebServer) -> None:
    """All of them, or those that it says yes to, medium by medium and model by model."""
    cat, table = Image.from_url(server.url("/cat.png")), Document.from_url(server.url("/table"))
    given = request(Message.user(cat, table))
    media = UrlMedia(server.fetcher())
    assert await media.filled(given, native_urls=True) is given
    seen: list[tuple[type[Media], str]] = []

    def takes(medium: Media, model: str) -> bool:
        seen.append((type(medium), model))
        return isinstance(medium, Image)

    filled = await media.filled(given, takes)
    assert filled.messages[0].parts == (cat, Document("text/csv", b"a,b\n", name="table"))
    assert seen == [(Image, "model-1"), (Document, "model-1")]
    assert [asked.target for asked in server.asked] == ["/table"]


async def test_one_failure_ends_the_others(server: WebServer) -> None:
    """The error is raised as it is, in no group; what is still loading is given up."""
    held = [Image.from_url(server.url(f"/held/{number}")) for number in range(3)]
    missing = Image.from_url(server.url("/missing"))
    server.answers["/missing"] = answer(status="404 Not Found")
    with pytest.raises(UnsupportedError, match="answers with status 404"):
        await UrlMedia(server.fetcher()).filled(request(Message.user(missing, *held)), native_urls=False)


@pytest.mark.parametrize("error", [OSError("no such name"), RuntimeError("a bug")], ids=["expected", "bug"])
async def test_a_failure_before_the_request_is_not_the_backends(error: Exception) -> None:
    """It leaves the turn as itself, says what had happened, and names no backend: nobody has been asked yet."""

    async def look_up(_host: str, _port: int) -> tuple[str, ...]:
        raise error

    backend = ScriptedBackend("never")
    chat = Session(backend, "m", retry=None)
    chat._media = UrlMedia(Fetcher(resolve=look_up))
    kind = TransportError if isinstance(error, OSError) else RuntimeError
    with pytest.raises(kind) as caught:
        await chat.ask("Look:", *(Image.from_url(f"http://media.example.com/{number}.png") for number in range(3)))
    if isinstance(caught.value, TransportError):
        assert (caught.value.backend, caught.value.model) == (None, None)
        assert caught.value.partial is not None
        assert len(caught.value.partial.messages) == 1
    assert (backend.requests, chat.messages) == ([], ())


async def test_a_failure_is_not_remembered(server: WebServer) -> None:
    """What could not be fetched is tried again the next time."""
    media = UrlMedia(server.fetcher())
    given = request(Message.user(Image.from_url(server.url("/later"))))
    server.answers["/later"] = answer(status="503 Service Unavailable")
    with pytest.raises(TransportError, match="status 503"):
        await media.filled(given, native_urls=False)
    server.answers["/later"] = answer(PNG)
    assert (await media.filled(given, native_urls=False)).messages[0].parts == (Image("image/png", PNG),)


async def test_fetching_by_hand_is_guarded_too() -> None:
    """A port of one's own may be asked, a private address may not; what has no URL is there already."""
    image = Image("image/png", PNG)
    assert await fetch_media(image) is image
    with pytest.raises(UnsupportedError, match="has a port that is not asked; these are: 80 and 443"):
        await fetch_media(Image.from_url("http://127.0.0.1:8080/cat.png"))
    with pytest.raises(UnsupportedError, match="is not on the public internet: loopback"):
        await fetch_media(Image.from_url("http://127.0.0.1:8080/cat.png"), ports=[8080])


async def test_fetching_by_hand_gives_the_same_medium_with_content(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document stays a document with its name, and its limits are the caller's."""
    monkeypatch.setattr(_fetch, "Fetcher", lambda limits: server.fetcher(max_bytes=limits.max_bytes))
    table = await fetch_media(Document.from_url(server.url("/table")))
    assert table == Document("text/csv", b"a,b\n", name="table")
    with pytest.raises(UnsupportedError, match="the limit is 3"):
        await fetch_media(Document.from_url(server.url("/table")), max_bytes=3)
