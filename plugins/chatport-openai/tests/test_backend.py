"""The backend as a whole: options, addresses, keys, answers of other kinds, lists of models, and no secret."""

from __future__ import annotations

import json
import logging
from contextlib import aclosing
from typing import Any

import pytest
from openai_support.streams import chunk, sse

import chatport
from chatport import Image, Reply, Session, Settings
from chatport.backend import ChatRequest, Message
from chatport.testing import HttpReply, HttpService
from chatport_openai.backend import OpenAIBackend

pytestmark = pytest.mark.anyio

KEY = "sk-secret-of-the-test-0123456789"
ANSWER = {"id": "c1", "model": "m-1", "choices": [{"index": 0, "message": {"content": "Ho"}, "finish_reason": "stop"}]}


def replying(service: HttpService, body: Any, *, content_type: str | None = "application/json", **members: Any) -> None:
    """Let the service answer the next request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if content_type is None else {"content-type": content_type}
    service.reply(HttpReply(body=data, headers={**headers, **members.pop("headers", {})}, **members))


async def ask(options: dict[str, Any], model: str = "m", **members: Any) -> Reply[None]:
    """Ask once."""
    async with chatport.open_backend("openai", **options) as backend:
        return await Session(backend, model, retry=None, **members).ask("Hi")


async def read(options: dict[str, Any]) -> Reply[None]:
    """Ask once, reading the answer as it comes."""
    async with (
        chatport.open_backend("openai", **options) as backend,
        Session(backend, "m", retry=None).stream("Hi") as stream,
    ):
        return await stream.finish()


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"nonsense": 1}, "no option 'nonsense'; there are base_url"),
        ({"base_url": "ftp://x"}, "base_url must be an address"),
        ({"base_url": 7}, "base_url is a int"),
        ({"api_key": " "}, "api_key is blank"),
        ({"api_key": "a\nb"}, "api_key has characters"),
        ({"api_key": 7}, "api_key must be a str or an async function"),
        ({"dialect": "klingon"}, "no dialect 'klingon'; there are openai, azure"),
        ({"dialect": "azure"}, "base_url is missing"),
        ({"streaming": "sometimes"}, "streaming must be one of"),
        ({"query": {"a": 1}}, "query must be texts by name"),
        ({"query": "a=b"}, "query must be texts by name"),
        ({"organization": "a\nb"}, "OpenAI-Organization has characters"),
        ({"project": ""}, "project is blank"),
        ({"max_connections": 0}, "max_connections"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], why: str) -> None:
    """Each says what is wrong; no value that may be a secret is shown."""
    with pytest.raises(chatport.ConfigurationError, match=why):
        OpenAIBackend(**options)


@pytest.mark.parametrize(
    ("options", "variables", "dialect", "url"),
    [
        ({}, {}, "openai", "https://api.openai.com/v1/x"),
        ({}, {"OPENAI_BASE_URL": "http://10.0.0.1:9/v1/"}, "compatible", "http://10.0.0.1:9/v1/x"),
        ({"dialect": "groq"}, {"OPENAI_BASE_URL": "http://a"}, "groq", "https://api.groq.com/openai/v1/x"),
        ({"base_url": "https://api.mistral.ai/v1"}, {}, "mistral", "https://api.mistral.ai/v1/x"),
        ({"base_url": "https://api.mistral.ai/v1/chat/completions"}, {}, "mistral", "https://api.mistral.ai/v1/x"),
        ({}, {"OPENAI_BASE_URL": "http://10.0.0.1:9/chat/completions/"}, "compatible", "http://10.0.0.1:9/x"),
        ({"base_url": "http://127.0.0.1:11434/v1"}, {}, "ollama", "http://127.0.0.1:11434/v1/x"),
        ({"base_url": "http://localhost:8000/v1"}, {}, "compatible", "http://localhost:8000/v1/x"),
        ({"base_url": "http://gateway/groq/openai/v1"}, {}, "groq", "http://gateway/groq/openai/v1/x"),
        ({"base_url": "https://me.openai.azure.com"}, {}, "azure", "https://me.openai.azure.com/openai/v1/x"),
        (
            {"base_url": "https://me.openai.azure.com", "query": {"api-version": "1"}},
            {},
            "azure",
            "https://me.openai.azure.com/openai/deployments/a%20model/x?api-version=1",
        ),
        (
            {"base_url": "https://me.openai.azure.com/openai/deployments/d", "query": {"api-version": "1"}},
            {},
            "azure",
            "https://me.openai.azure.com/openai/deployments/d/x?api-version=1",
        ),
        (
            {"base_url": "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1"},
            {},
            "bedrock",
            "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1/x",
        ),
    ],
)
def test_which_server_it_is(
    options: dict[str, Any], variables: dict[str, str], dialect: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the option, the environment, and the address."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    server = OpenAIBackend(**options)._server
    assert (server.dialect.name, server.url("x", model="a model")) == (dialect, url)


async def test_keys(service: HttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the option, from a function, from the dialect's variable; OpenAI's own key goes to nobody else."""
    service.reply_always(HttpReply(body=json.dumps(ANSWER).encode()))

    async def fresh() -> str:
        return "fresh"

    monkeypatch.setenv("OPENAI_API_KEY", "from-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("GROQ_API_KEY", " from-groq ")
    base = {"base_url": f"{service.url}/v1"}
    cases: list[tuple[dict[str, Any], tuple[str, str] | None]] = [
        ({"api_key": "given"}, ("authorization", "Bearer given")),
        ({"api_key": fresh}, ("authorization", "Bearer fresh")),
        ({"dialect": "groq"}, ("authorization", "Bearer from-groq")),
        ({"dialect": "openai"}, ("authorization", "Bearer from-openai")),
        ({"dialect": "azure", "api_key": "given"}, ("api-key", "given")),
        ({"dialect": "azure", "api_key": "eyJ.token"}, ("authorization", "Bearer eyJ.token")),
        ({}, None),
    ]
    for options, wanted in cases:
        await ask(base | options)
        headers = service.requests[-1].headers
        assert wanted is None or headers[wanted[0]] == wanted[1]
        assert (wanted is None) == ("authorization" not in headers and "api-key" not in headers)
        assert ("openai-organization" in headers) == (options.get("dialect") == "openai")
    monkeypatch.setenv("OPENAI_BASE_URL", base["base_url"])
    await ask({"project": "p"})
    assert service.requests[-1].headers["authorization"] == "Bearer from-openai"
    assert service.requests[-1].headers["openai-project"] == "p"


async def test_no_key() -> None:
    """The error says every place that was looked at, and nothing is sent."""
    with pytest.raises(chatport.ConfigurationError, match=r"neither the option api_key .* OPENAI_API_KEY"):
        await ask({})
    with pytest.raises(chatport.ConfigurationError, match="ZAI_API_KEY or ZHIPU_API_KEY"):
        await ask({"dialect": "zai"})


@pytest.mark.parametrize(
    ("answer", "why"), [("", "returned nothing"), (7, "returned a int"), (None, "failed: OSError")]
)
async def test_a_function_that_gives_no_key(answer: Any, why: str) -> None:
    """It is an error of authentication, with the cause."""

    async def key() -> str:
        if answer is None:
            raise OSError("the vault is closed")
        return answer  # type: ignore[no-any-return]  # what a caller's function may do

    with pytest.raises(chatport.AuthenticationError, match=why) as caught:
        await ask({"api_key": key})
    assert caught.value.phase == "connect"


# --- exchanges -------------------------------------------------------------------------------------------------------


async def test_what_is_sent(service: HttpService, options: dict[str, Any]) -> None:
    """Path, query, headers and body of a whole answer and of a streamed one."""
    replying(service, ANSWER, headers={"x-request-id": "r1", "openai-processing-ms": "250"})
    reply = await ask({**options, "query": {"v": "a b"}, "headers": {"X-Mine": "1"}}, settings=Settings(max_tokens=5))
    request = service.requests[-1]
    assert (request.method, request.target) == ("POST", "/v1/chat/completions?v=a+b")
    assert (request.headers["x-mine"], request.headers["accept"]) == ("1", "application/json")
    assert json.loads(request.body) == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
    assert (reply.text, reply.request_id, reply.timing.service) == ("Ho", "r1", 0.25)
    replying(service, sse(chunk({"content": "Ho"}, finish="stop")), content_type="text/event-stream")
    assert (await read(options)).text == "Ho"
    request = service.requests[-1]
    assert request.headers["accept"] == "text/event-stream"
    assert json.loads(request.body)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(("mode", "streams"), [("always", True), ("never", False)])
async def test_the_option_streaming(service: HttpService, options: dict[str, Any], mode: str, streams: bool) -> None:
    """Answers come as it says, whatever the caller reads."""
    for reads in (ask, read):
        body = sse(chunk({"content": "Ho"}, finish="stop")) if streams else json.dumps(ANSWER).encode()
        replying(service, body, content_type="text/event-stream" if streams else "application/json")
        assert (await reads({**options, "streaming": mode})).text == "Ho"
        assert json.loads(service.requests[-1].body).get("stream", False) is streams


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream", None])
async def test_an_answer_in_one_piece_to_who_wants_a_stream(
    service: HttpService, options: dict[str, Any], content_type: str | None
) -> None:
    """It is read as what it is; so are errors in it."""
    replying(service, b" \n" + json.dumps(ANSWER).encode(), content_type=content_type, write_size=1)
    assert (await read(options)).text == "Ho"
    replying(service, {"error": {"message": "Filtered", "code": 400}}, content_type=content_type)
    with pytest.raises(chatport.InvalidRequestError, match="Filtered"):
        await read(options)


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"<html>Sign in</html>", "text/html", chatport.ProtocolError),
        (b"method=POST", "text/plain", chatport.ProtocolError),
        (b"", "text/event-stream", chatport.StreamInterruptedError),
        (b"", None, chatport.StreamInterruptedError),
        (b": OPENROUTER PROCESSING\n\n", "text/event-stream", chatport.StreamInterruptedError),
        (b"data: \xff\n\n", "text/event-stream", chatport.ProtocolError),
        (b"data: x", "text/event-stream", chatport.ProtocolError),
        (b"data: \xff", "text/event-stream", chatport.ProtocolError),
    ],
)
async def test_what_is_no_stream(
    service: HttpService, options: dict[str, Any], body: bytes, content_type: str | None, kind: type[Exception]
) -> None:
    """Neither a page nor damage passes for an answer."""
    replying(service, body, content_type=content_type)
    with pytest.raises(kind) as caught:
        await read(options)
    assert type(caught.value) is kind


@pytest.mark.parametrize("write_size", [1, 4096])
async def test_a_stream_to_who_wants_a_whole_answer(
    service: HttpService, options: dict[str, Any], write_size: int
) -> None:
    """What came counts, not what was asked for; a type that is wrong is no harm either."""
    kind = "text/event-stream; charset=utf-8"
    replying(
        service,
        sse(b"\n", b": waiting\n\n", chunk({"content": "Ho"}), chunk(finish="stop")),
        content_type=kind,
        write_size=write_size,
    )
    assert (await ask(options)).text == "Ho"
    replying(service, sse(chunk({"content": "H"}), done=False), content_type=kind, write_size=write_size)
    with pytest.raises(chatport.StreamInterruptedError) as caught:
        await ask(options)
    assert caught.value.partial is not None
    assert caught.value.partial.text == "H"
    replying(service, ANSWER, content_type=kind, write_size=write_size)
    assert (await ask(options)).text == "Ho"
    replying(service, b"", content_type=kind)
    with pytest.raises(chatport.ProtocolError, match="it says: nothing"):
        await ask(options)


async def test_what_came_before_an_unreadable_event(service: HttpService, options: dict[str, Any]) -> None:
    """In one piece with it, or before it: it comes out first, and whether an empty line ends the event or the body."""
    for tail in (b"data: \xff\n\n", b"data: \xff"):
        replying(service, sse(chunk({"content": "Ho"}), tail, done=False), content_type="text/event-stream")
        with pytest.raises(chatport.ProtocolError, match="cannot be read as a stream of events") as caught:
            await read(options)
        assert caught.value.partial is not None
        assert caught.value.partial.text == "Ho"


async def test_an_answer_that_is_none(service: HttpService, options: dict[str, Any]) -> None:
    """A page in place of a whole answer is an error, with its words."""
    replying(service, b"<html>Sign in</html>", content_type="text/html")
    with pytest.raises(chatport.ProtocolError, match="Sign in"):
        await ask(options)


async def test_a_refusal_says_where_the_key_came_from(service: HttpService, options: dict[str, Any]) -> None:
    """Or that none was sent."""
    for given, why in (
        (options, "came from the option api_key"),
        ({"base_url": options["base_url"]}, "No key was sent"),
    ):
        replying(service, {"error": {"message": "Who?"}}, status=401)
        with pytest.raises(chatport.AuthenticationError, match=why):
            await ask(given)


async def test_strict_requests_refuse_a_loss_before_anything_is_sent(options: dict[str, Any]) -> None:
    """The service sees nothing: it would fail the test."""
    with pytest.raises(chatport.UnsupportedError, match="top_k"):
        await ask({**options, "dialect": "openai"}, settings=Settings(top_k=3), strict=True)


async def test_preview(options: dict[str, Any]) -> None:
    """The body as JSON and what would be reported; nothing is sent."""
    async with chatport.open_backend("openai", **options) as backend:
        preview = await Session(backend, "m", settings=Settings(top_k=3)).preview("Hi", Image("image/png", b"abc"))
        assert preview.request["messages"][0]["content"][1]["image_url"]["url"] == "data:image/png;base64,YWJj"
        assert preview.adjustments == ()


async def test_addresses_that_the_server_reads_itself(service: HttpService, options: dict[str, Any]) -> None:
    """They go as they are, without being fetched here."""
    replying(service, ANSWER)
    async with chatport.open_backend("openai", **options, dialect="openai") as backend:
        await Session(backend, "gpt-4o").ask("What?", Image.from_url("https://example.org/a.png"))
    content = json.loads(service.requests[-1].body)["messages"][0]["content"]
    assert content[1]["image_url"]["url"] == "https://example.org/a.png"
    mistral = OpenAIBackend(dialect="mistral", api_key="k")
    document = chatport.Document.from_url("https://example.org/a.pdf")
    assert (mistral.native_urls(document, "m"), OpenAIBackend(api_key="k").native_urls(document, "m")) == (True, False)


# --- models, description, load ---------------------------------------------------------------------------------------


async def test_models(service: HttpService, options: dict[str, Any]) -> None:
    """In the server's order, with what else it says; in each of the forms that servers have."""
    rows = [
        {"id": "b", "object": "model", "owned_by": "Them", "created": 1},
        {
            "id": "a",
            "name": "A",
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        },
        {"id": "c", "active": False},
        {"nonsense": 1},
    ]
    async with aclosing(OpenAIBackend(**options)) as backend:
        for body in (rows, {"models": rows}, {"data": rows}):
            replying(service, body)
            assert [model.id for model in await backend.models()] == ["b", "a", "c"]
        replying(service, rows)
        found = await backend.models()
        assert (found[0].provider, found[0].metadata) == ("Them", {"openai": {"created": 1}})
        assert (found[1].name, found[1].input, found[2].status) == ("A", ("text", "image"), "legacy")
        replying(service, {"data": rows})
        assert [model.id for model in await backend.models(output="text")] == ["a"]
        assert service.requests[-1].target == "/v1/models"
        wrongs: tuple[tuple[Any, int, type[chatport.BackendError]], ...] = (
            ({"error": "No"}, 401, chatport.AuthenticationError),
            (b"<html>", 200, chatport.ProtocolError),
            ({"x": 1}, 200, chatport.ProtocolError),
        )
        for wrong, status, kind in wrongs:
            replying(service, wrong, status=status)
            with pytest.raises(kind):
                await backend.models()


async def test_description_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where requests go and with whose key, without the key; what is missing says so."""
    described = await OpenAIBackend(api_key=KEY, proxy="http://user:pass@proxy:1").describe()
    assert (described["endpoint"], described["credentials"]) == ("https://api.openai.com/v1", "the option api_key")
    assert KEY not in str(described)
    assert "pass" not in str(described)
    assert (await OpenAIBackend().describe())["credentials"].startswith("none: ")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert (await OpenAIBackend().describe())["credentials"] == "the environment variable OPENAI_API_KEY"
    local = await OpenAIBackend(dialect="ollama").describe()
    assert (local["server"], local["certificates"], local["credentials"][:6]) == ("ollama", "none: no TLS", "none: ")
    assert (await OpenAIBackend(api_key=KEY, verify=False).describe())["certificates"] == "NOT checked"
    assert OpenAIBackend(api_key=KEY).load().in_flight == 0


# --- secrets -----------------------------------------------------------------------------------------------


async def test_no_secret_is_shown(
    service: HttpService, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in an error, its causes and its frames' public values, nor in a log, nor in a repr."""
    caplog.set_level(logging.DEBUG)
    options = {
        "base_url": f"{service.url}/v1",
        "api_key": KEY,
        "headers": {"X-Token": f"token-{KEY}"},
        "query": {"k": KEY},
    }
    replying(service, {"error": {"message": f"Incorrect API key provided: {KEY}."}}, status=401)
    with pytest.raises(chatport.AuthenticationError) as caught:
        await ask(options)
    backend = OpenAIBackend(**options)
    request = ChatRequest("m", (Message.user("Hi"),))
    shown = [str(caught.value), repr(caught.value), repr(backend), repr(vars(backend)), caplog.text, repr(request)]
    assert all(KEY not in text for text in shown)
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\x7f")
    with pytest.raises(chatport.ConfigurationError) as wrong:
        await ask({})
    assert KEY not in str(wrong.value)
