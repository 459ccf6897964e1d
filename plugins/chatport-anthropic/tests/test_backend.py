"""The backend over its wire: what is sent where, which answer is taken for what, lists, counts and previews."""

from __future__ import annotations

import json
import ssl
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from anthropic_support.decoding import MODEL, body_of, stream_events

import chatport
from chatport import Image, ProtocolError, Reply, Session, Settings, StreamInterruptedError
from chatport.backend import ChatRequest, DescribesItself, Document, Message, ReportsLoad, UnsupportedError
from chatport.testing import HttpReply, HttpService, HttpStep, ServedRequest
from chatport_anthropic.backend import AnthropicBackend

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
HELLO = [({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Hello"}])]


def whole(**members: Any) -> HttpReply:
    """A whole answer that says hello."""
    usage = {"input_tokens": 3, "output_tokens": 7}
    body = {"type": "message", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"}
    return HttpReply(body=json.dumps({**body, "usage": usage, **members}).encode(), headers=JSON)


def streamed(**headers: str) -> HttpReply:
    """A streamed answer that says hello."""
    return HttpReply(body=(body_of(stream_events(*HELLO)),), headers={**STREAM, **headers})


async def asked(backend: AnthropicBackend, service: HttpService, **members: Any) -> tuple[Reply[None], ServedRequest]:
    """One turn, and the request that it made."""
    reply = await Session(backend, MODEL, retry=None).ask("hi", **members)
    return reply, service.requests[-1]


# --- requests --------------------------------------------------------------------------------------------------------


async def test_what_is_sent(service: HttpService, options: dict[str, Any]) -> None:
    """Address, key, version, betas of the options and of the request, the caller's headers; the body and no more."""
    service.reply(whole())
    backend = AnthropicBackend(**options, betas=["b1"], headers={"X-Team": "t"})
    extra = {"anthropic": {"betas": ["b2", "b1"]}}
    _, request = await asked(backend, service, settings=Settings(max_tokens=5, extra=extra))
    assert (request.method, request.target) == ("POST", "/v1/messages")
    found = request.headers
    assert (found["x-api-key"], found["anthropic-version"]) == ("test-key", "2023-06-01")
    assert (found["anthropic-beta"], found["x-team"]) == ("b1,b2", "t")
    assert (found["content-type"], found["accept"]) == ("application/json", "application/json")
    hi = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    assert json.loads(request.body) == {"model": MODEL, "max_tokens": 5, "messages": [hi]}
    await backend.aclose()
    await backend.aclose()


@pytest.mark.parametrize(
    ("streaming", "reads", "limit", "streams"),
    [
        ("auto", False, None, False),
        ("auto", True, None, True),
        ("auto", False, 30_000, True),
        ("always", False, 5, True),
        ("never", True, None, False),
        ("never", False, 30_000, False),
    ],
)
async def test_which_answers_stream(
    service: HttpService, options: dict[str, Any], streaming: str, reads: bool, limit: int | None, streams: bool
) -> None:
    """What the caller reads, what is too long to come whole, or what the option says."""
    service.reply(streamed() if streams else whole())
    backend = AnthropicBackend(**options, streaming=streaming)
    session = Session(backend, MODEL, settings=Settings(max_tokens=limit))
    if reads:
        async with session.stream("hi") as stream:
            reply = await stream.finish()
    else:
        reply = await session.ask("hi")
    assert reply.text == "Hello"
    body = json.loads(service.requests[0].body)
    assert body.get("stream") == (True if streams else None)
    assert service.requests[0].headers["accept"] == ("text/event-stream" if streams else "application/json")
    request = ChatRequest(MODEL, (Message.user("hi"),), streaming=reads, settings=Settings(max_tokens=limit))
    assert (await backend.preview(request)).request == body
    await backend.aclose()


async def test_media_stand_in_the_body_as_base64(service: HttpService, options: dict[str, Any]) -> None:
    """And a file of the Files API brings its beta along."""
    service.reply(whole())
    async with chatport.open_backend("anthropic", **options) as backend:
        stored = Document.from_uri("anthropic://file_1", media_type="application/pdf")
        await Session(backend, MODEL).ask("?", Image("image/png", b"\x89PNG\r\n\x1a\n"), stored)
    request = service.requests[0]
    assert b'"data":"iVBORw0KGgo="' in request.body
    assert request.headers["anthropic-beta"] == "files-api-2025-04-14"


async def test_a_strict_request_is_refused_before_it_is_sent(service: HttpService, options: dict[str, Any]) -> None:
    """A loss is an error then, in a preview too."""
    backend = AnthropicBackend(**options)
    request = ChatRequest("claude-opus-4-8", (Message.user("hi"),), settings=Settings(temperature=0.5), strict=True)
    with pytest.raises(UnsupportedError, match="temperature"):
        await backend.preview(request)
    with pytest.raises(UnsupportedError, match="temperature"):
        async with aclosing(backend.stream(request)) as events:
            await anext(events)
    assert not service.requests


def test_urls_that_the_service_fetches(options: dict[str, Any]) -> None:
    """Images and PDF documents over TLS, for Claude; everything else is fetched by the session."""
    backend = AnthropicBackend(**options)
    taken = [
        Image.from_url("https://a.b/c"),
        Image.from_url("https://a.b/c.png", media_type="image/png"),
        Document.from_url("https://a.b/c.PDF?x=1"),
        Document.from_url("https://a.b/c", media_type="application/pdf"),
    ]
    refused = [
        Image.from_url("http://a.b/c.png"),
        Image.from_url("https://a.b/c.tiff", media_type="image/tiff"),
        Document.from_url("https://a.b/c.docx"),
        Document.from_url("https://a.b/c.csv", media_type="text/csv"),
    ]
    assert [backend.native_urls(medium, MODEL) for medium in (*taken, *refused)] == [True] * 4 + [False] * 4
    assert not backend.native_urls(taken[0], "gpt-oss:20b")


# --- answers ---------------------------------------------------------------------------------------------------------


async def test_what_came_counts(service: HttpService, options: dict[str, Any]) -> None:
    """A server that does not stream, and one that always does, are understood."""
    service.reply(whole(), streamed(**{"apim-request-id": "azure"}), streamed(**{"content-type": "application/x"}))
    async with chatport.open_backend("anthropic", **options) as backend:
        async with Session(backend, MODEL).stream("hi") as stream:
            assert (await stream.finish()).text == "Hello"
        reply = await Session(backend, MODEL).ask("hi")
        assert (reply.text, reply.request_id) == ("Hello", "azure")
        async with Session(backend, MODEL).stream("hi") as stream:
            assert (await stream.finish()).text == "Hello"


@pytest.mark.parametrize("streams", [True, False])
async def test_a_page_is_no_answer(service: HttpService, options: dict[str, Any], streams: bool) -> None:
    """A proxy that asks to log in answers with status 200."""
    service.reply(HttpReply(body=b"<html>Log in</html>", headers={"content-type": "text/html"}))
    backend = AnthropicBackend(**options, streaming="always" if streams else "never")
    with pytest.raises(ProtocolError, match="text/html, which is no answer of the Messages API; it says: Log in"):
        await asked(backend, service)
    await backend.aclose()


async def test_a_stream_that_is_none(service: HttpService, options: dict[str, Any]) -> None:
    """Bytes that are no UTF-8, whether an empty line ends them or the body does."""
    good = body_of(stream_events(*HELLO)[:3])
    for tail in (b"data: \xff\n\n", b"data: \xff"):
        service.reply(HttpReply(body=(good, tail), headers=STREAM))
        async with chatport.open_backend("anthropic", **options) as backend:
            with pytest.raises(ProtocolError, match="cannot be read as a stream of events") as caught:
                async with Session(backend, MODEL, retry=None).stream("hi") as stream:
                    await stream.finish()
            assert caught.value.partial is not None
            assert caught.value.partial.text == "Hello"


async def test_a_cut_is_no_end(service: HttpService, options: dict[str, Any]) -> None:
    """In order or not, with the pieces before it in the partial message; the last event may lack its empty line."""
    events = body_of(stream_events(*HELLO))
    announced = events[: events.index(b"event: message_stop")].rstrip()
    service.reply(HttpReply(body=(announced,), headers=STREAM))
    service.reply(HttpReply(body=(events[:500], HttpStep.CLOSE), headers=STREAM))
    async with chatport.open_backend("anthropic", **options) as backend:
        async with Session(backend, MODEL).stream("hi") as stream:
            assert (await stream.finish()).text == "Hello"
        with pytest.raises(StreamInterruptedError):
            async with Session(backend, MODEL, retry=None).stream("hi") as stream:
                await stream.finish()


async def test_the_connection_is_used_again(service: HttpService, options: dict[str, Any]) -> None:
    """After a stream that was read to its end, what comes behind the end included."""
    service.reply(HttpReply(body=(body_of(stream_events(*HELLO)), b"data: [DONE]\n\n"), headers=STREAM), streamed())
    async with chatport.open_backend("anthropic", **options) as backend:
        for _ in range(2):
            async with Session(backend, MODEL).stream("hi") as stream:
                await stream.finish()
        assert len(service.connections) == 1
        assert isinstance(backend, ReportsLoad)
        assert backend.load().in_flight == 0


async def test_an_overloaded_service_says_when_to_come_again(service: HttpService, options: dict[str, Any]) -> None:
    """The session waits as long, and asks once more."""
    body = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}).encode()
    service.reply(HttpReply(status=529, body=body, headers={**JSON, "retry-after": "0"}), whole())
    async with chatport.open_backend("anthropic", **options) as backend:
        with anyio.fail_after(10):
            reply = await Session(backend, MODEL).ask("hi")
    assert reply.attempts == 2


# --- beside answers --------------------------------------------------------------------------------------------------


def page(*entries: dict[str, Any], **members: Any) -> HttpReply:
    """A page of the list of models."""
    return HttpReply(body=json.dumps({"data": entries, **members}).encode(), headers=JSON)


async def test_models_come_in_pages(service: HttpService, options: dict[str, Any]) -> None:
    """All of them, with the service's own facts; filters say which."""
    reads = {"image_input": {"supported": True}, "pdf_input": {"supported": False}}
    opus = {"type": "model", "id": "claude-opus-5", "display_name": "Claude Opus 5", "lifecycle": "active"}
    service.reply(
        page({**opus, "capabilities": reads, "max_tokens": 128_000}, has_more=True, last_id="claude opus"),
        page({"id": "old", "lifecycle": "deprecated"}, {"no": "id"}, "nonsense", has_more=False),  # type: ignore[arg-type]  # what a server may do
    )
    backend = AnthropicBackend(**options)
    first, second = await backend.models()
    assert (first.id, first.name, first.provider, first.status) == (
        "claude-opus-5",
        "Claude Opus 5",
        "Anthropic",
        "active",
    )
    assert (first.input, first.output, first.streaming) == (("text", "image"), ("text",), True)
    assert first.metadata["anthropic"]["max_tokens"] == 128_000
    assert (second.id, second.name, second.provider, second.status) == ("old", "old", None, "legacy")
    assert [request.target for request in service.requests] == [
        "/v1/models?limit=1000",
        "/v1/models?limit=1000&after_id=claude%20opus",
    ]
    service.reply(page(opus))
    assert await backend.models(output="text", status="active", provider="anthropic", input="image") == ()
    await backend.aclose()


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"data": 5}'])
async def test_a_list_that_is_none(service: HttpService, options: dict[str, Any], body: bytes) -> None:
    """It is said, with the id of the request."""
    service.reply(HttpReply(body=body, headers={**JSON, "request-id": "r"}))
    backend = AnthropicBackend(**options)
    with pytest.raises(ProtocolError, match="no list of models") as caught:
        await backend.models()
    assert caught.value.request_id == "r"
    await backend.aclose()


async def test_tokens_are_counted_of_what_would_be_sent(service: HttpService, options: dict[str, Any]) -> None:
    """Without what counting does not take; an answer without a number is none."""
    service.reply(HttpReply(body=b'{"input_tokens": 12}', headers=JSON))
    service.reply(HttpReply(body=b'{"input_tokens": null}', headers=JSON), HttpReply(body=b"{", headers=JSON))
    backend = AnthropicBackend(**options)
    request = ChatRequest(MODEL, (Message.user("hi"),), settings=Settings(temperature=0.5, stop_sequences=["#"]))
    assert await backend.count_tokens(request) == 12
    (sent,) = service.requests
    assert sent.target == "/v1/messages/count_tokens"
    assert json.loads(sent.body).keys() == {"model", "messages"}
    for _ in range(2):
        with pytest.raises(ProtocolError, match="no number of tokens"):
            await backend.count_tokens(request)
    await backend.aclose()


async def test_it_describes_itself(options: dict[str, Any]) -> None:
    """Without asking anybody."""
    backend = AnthropicBackend(**options, verify=ssl.create_default_context())
    assert isinstance(backend, DescribesItself)
    shown = await backend.describe()
    assert (shown["address"], shown["key from"]) == (options["base_url"], "the option api_key")
    assert shown["certificates"] == "checked against a context of the caller's"


async def test_the_environment_says_where_and_as_whom(service: HttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read when it is needed, so that it may be set later; without a key nothing is sent."""
    service.reply(whole())
    async with chatport.open_session(f"anthropic:{MODEL}") as session:
        with pytest.raises(chatport.ConfigurationError, match="there is no key"):
            await session.ask("hi")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", service.url)
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token")
        assert (await session.ask("hi")).text == "Hello"
    assert service.requests[0].headers["authorization"] == "Bearer token"


# --- paused answers --------------------------------------------------------------------------------------------------

SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "bread"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
ABOUT = {"type": "text", "text": "3 euros"}
ROOM = {"id": "container_1", "expires_at": "2026-06-30T23:59:45Z"}


@pytest.mark.parametrize("streaming", ["never", "always"])
async def test_a_paused_answer_goes_on(service: HttpService, options: dict[str, Any], streaming: str) -> None:
    """What was said goes back as it is, with its container; later, both are one turn of Claude's."""
    paused = stream_events((SEARCH, ()), stop_reason="pause_turn")
    paused[-2]["delta"]["container"] = ROOM
    if streaming == "never":
        service.reply(whole(content=[SEARCH], stop_reason="pause_turn", container=ROOM), whole(content=[FOUND, ABOUT]))
    else:
        rest = stream_events((FOUND, ()), ({**ABOUT, "text": ""}, [{"type": "text_delta", "text": "3 euros"}]))
        service.reply(*(HttpReply(body=(body_of(events),), headers=STREAM) for events in (paused, rest)))
    service.reply(streamed() if streaming == "always" else whole())
    async with chatport.open_backend("anthropic", **options, streaming=streaming) as backend:
        session = Session(backend, MODEL)
        reply = await session.ask("Bread?")
        assert (reply.text, len(reply.steps), reply.usage.output_tokens) == ("3 euros", 2, 14)
        session.edit(chatport.load_messages(chatport.dump_messages(session.messages)))
        await session.ask("Thanks.")
    bodies = [json.loads(request.body) for request in service.requests]
    assert bodies[1]["messages"] == [*bodies[0]["messages"], {"role": "assistant", "content": [SEARCH]}]
    assert [body.get("container") for body in bodies] == [None, "container_1", None]
    assert bodies[2]["messages"][1] == {"role": "assistant", "content": [SEARCH, FOUND, ABOUT]}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("container_2", "container_2"),
        ({"id": "container_2"}, {"id": "container_2"}),
        ({"skills": []}, {"skills": [], "id": "container_1"}),
        (None, None),
    ],
)
async def test_a_container_of_the_callers(
    service: HttpService, options: dict[str, Any], given: object, sent: object
) -> None:
    """What the caller says of it counts; one that is not named is the one of the paused answer."""
    service.reply(whole(content=[SEARCH], stop_reason="pause_turn", container=ROOM), whole())
    backend = AnthropicBackend(**options)
    await asked(backend, service, settings=Settings(extra={"anthropic": {"container": given}}))
    assert json.loads(service.requests[1].body)["container"] == sent
    await backend.aclose()


async def test_a_pause_without_words_of_its_own(service: HttpService, options: dict[str, Any]) -> None:
    """Notes of anybody else in a message are no container, nor is what is not of its form."""
    backend = AnthropicBackend(**options)
    for said in ({}, {"anthropic": "?"}, {"anthropic": {"container": "x"}}, {"bedrock": {"container": ROOM}}):
        service.reply(whole())
        history = (Message.user("hi"), Message("assistant", (chatport.Text("Well"),), said))
        events = [event async for event in backend.stream(ChatRequest(MODEL, history))]
        assert events
        assert "container" not in json.loads(service.requests[-1].body)
    await backend.aclose()
