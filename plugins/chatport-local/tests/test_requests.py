"""What the engine is asked: histories in words, settings, forms, and what is refused before anything runs."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from local_support.fake_engine import FakeSetUp, failing, figures, words

from chatport.backend import (
    Audio,
    BackendEvent,
    CachePoint,
    ChatRequest,
    Citation,
    ContextWindowError,
    Document,
    Fold,
    Image,
    InvalidRequestError,
    Json,
    Message,
    MessageStart,
    ModelNotFoundError,
    ProtocolError,
    Reasoning,
    Settings,
    StreamTimeoutError,
    Text,
    Timeouts,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    UnsupportedError,
)

WEATHER = Tool(
    "get_weather",
    "Tell the weather.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}, "days": {"type": "integer"}},
        "required": ["city"],
    },
)
MULTIPLY = Tool(
    "multiply",
    "Multiply.",
    {"type": "object", "properties": {"first": {"type": "integer"}, "second": {"type": "integer"}}},
)
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
def fake(tmp_path: Path) -> FakeSetUp:
    """A backend over a fake engine."""
    return FakeSetUp(tmp_path)


def asking(fake: FakeSetUp, *messages: Message, **members: Any) -> ChatRequest:
    """Return a request to the fake model."""
    return ChatRequest(fake.model, messages or (Message.user("Well?"),), **members)


async def heard(fake: FakeSetUp, request: ChatRequest) -> list[BackendEvent]:
    """Return the events of an answer."""
    async with aclosing(fake.backend.stream(request)) as events:
        return [event async for event in events]


async def folded(fake: FakeSetUp, request: ChatRequest) -> tuple[MessageStart, Message, Any]:
    """Return start, message and end of an answer."""
    fold = Fold()
    for event in await heard(fake, request):
        fold.feed(event)
    return fold.complete()


# --- histories -------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_history_is_told_in_words(fake: FakeSetUp) -> None:
    """Calls and results are sentences, neighbours of one role one message; what cannot be told is reported."""
    history = (
        Message.user("How is it?", Json({"at": 1}), Document("text/plain", b"A note.", name="notes")),
        Message.assistant(
            Reasoning("Hm.", metadata={"local": {}}),
            Text("I look.", (Citation("a book"),)),
            ToolCall("1", "get_weather", {"city": "Oslo"}),
            ToolCall("2", "broken", {}, "{'no'"),
        ),
        Message("tool", (ToolResult("1", "Rain."), ToolResult("9", "?", is_error=True))),
        Message.user(
            "So?", CachePoint(), CachePoint("5m"), Audio("audio/wav", b"RIFF"), Document("application/pdf", b"%PDF")
        ),
    )
    start, _, _ = await folded(fake, asking(fake, *history, system=(Text("Be brief."),)))
    (body,) = fake.bodies()
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": 'How is it?\n{"at":1}\nDocument notes:\nA note.'},
        {
            "role": "assistant",
            "content": 'I look.\nI call get_weather with {"city":"Oslo"}.\nI call broken with {\'no\'.',
        },
        {"role": "user", "content": "Result of get_weather:\nRain.\nError of a tool:\n?\nSo?"},
    ]
    assert [(item.kind, item.code, item.path) for item in start.adjustments] == [
        ("lossless", "own-reasoning", "messages[1].parts[0]"),
        ("dropped", "citations-dropped", "messages[1].parts[1].citations[0]"),
        ("lossless", "cache-point", "messages[3].parts[1]"),
        ("dropped", "cache-ttl-dropped", "messages[3].parts[2]"),
        ("dropped", "audio-dropped", "messages[3].parts[3]"),
        ("dropped", "document-dropped", "messages[3].parts[4]"),
    ]


@pytest.mark.anyio
async def test_what_cannot_be_said_at_all(fake: FakeSetUp) -> None:
    """A message of which nothing is left, an image for a model without eyes, schemas that are none: nothing runs."""
    png = Image("image/png", b"\x89PNG")
    refused: list[tuple[ChatRequest, str]] = [
        (asking(fake, Message.user(Document("text/plain", b"\xff\xfe"))), "nothing of it can be said"),
        (asking(fake, Message.user("Look:", png)), r"messages\[0\].parts\[1\]: the model has no projector"),
        (asking(fake, output_schema={"type": "strung"}), "output_schema is no JSON schema"),
        (asking(fake, tools=(Tool("t", schema={"type": 3}),)), r"tools\[0\].schema is no JSON schema"),
    ]
    for request, message in refused:
        with pytest.raises(UnsupportedError, match=message):
            await heard(fake, request)
    for request in (
        asking(fake, tools=(WEATHER,), tool_choice="unheard"),
        asking(fake, settings=Settings(max_tokens=0)),
        asking(fake, settings=Settings(extra={"local": {"n": 2}})),
        asking(fake, settings=Settings(extra={"local": {"n_cmpl": 2}})),
        asking(fake, settings=Settings(extra={"local": {"grammar": 'root ::= "a"'}}), output_schema={"type": "string"}),
    ):
        with pytest.raises(InvalidRequestError):
            await heard(fake, request)
    assert fake.loaded == []


@pytest.mark.anyio
async def test_a_model_that_sees(tmp_path: Path) -> None:
    """With a projector beside it, an image goes along, if its type can be read; a system prompt takes none."""
    fake = FakeSetUp(tmp_path, projector=True)
    await heard(fake, asking(fake, Message.user("Look:", Image("image/png", b"\x89PNG"))))
    (body,) = fake.bodies()
    url = {"url": "data:image/png;base64,iVBORw=="}
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": url},
    ]
    for image in (Image("image/webp", b"RIFF"), Image("image/png", uri="s3://bucket/key.png")):
        with pytest.raises(UnsupportedError):
            await heard(fake, asking(fake, Message.user("Look:", image)))
    with pytest.raises(UnsupportedError, match="system"):
        await heard(fake, asking(fake, system=(Image("image/png", b"\x89PNG"),)))
    blind = fake.make(mmproj=False)
    with pytest.raises(UnsupportedError):
        await blind.preview(asking(fake, Message.user("Look:", Image("image/png", b"\x89PNG"))))


@pytest.mark.anyio
async def test_settings_reach_the_engine(fake: FakeSetUp) -> None:
    """In its words, `extra` over them; what it has no word for is reported."""
    settings = Settings(
        max_tokens=5,
        temperature=0,
        top_p=0.5,
        top_k=3,
        stop_sequences=("END",),
        reasoning="high",
        cache="1h",
        extra={"local": {"seed": 7, "top_k": 4}},
    )
    start, _, _ = await folded(fake, asking(fake, settings=settings))
    (body,) = fake.bodies()
    del body["messages"]
    assert body == {"max_tokens": 5, "temperature": 0, "top_p": 0.5, "top_k": 4, "stop": ["END"], "seed": 7}
    assert [item.code for item in start.adjustments] == ["reasoning-dropped", "cache-ttl-dropped"]


# --- calls -----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_forced_call_comes_as_it_is_written(fake: FakeSetUp) -> None:
    """Its arguments are passed on in pieces, without the brace that closes the call."""
    fake.say(words('{"na', 'me":"get_weather"', ',"arguments":{"ci', 'ty":"Os}lo', '"}', "}"))
    events = await heard(fake, asking(fake, tools=(WEATHER,), tool_choice="get_weather"))
    assert [event.json for event in events if isinstance(event, ToolCallDelta)] == ['{"ci', 'ty":"Os}lo', '"', "}"]
    _, message, end = _fold(events)
    assert [(call.name, call.arguments) for call in message.tool_calls] == [("get_weather", {"city": "Os}lo"})]
    assert (end.stop_reason, end.raw_stop_reason) == ("tool_calls", "stop")
    (body,) = fake.bodies()
    assert "Call get_weather." in body["messages"][0]["content"]
    assert '"maxLength": 160' in body["grammar"]


def _fold(events: list[BackendEvent]) -> tuple[MessageStart, Message, Any]:
    fold = Fold()
    for event in events:
        fold.feed(event)
    return fold.complete()


@pytest.mark.anyio
async def test_a_call_that_is_cut_is_never_run(fake: FakeSetUp) -> None:
    """It keeps what was written, brace and all, and the stop reason says why."""
    fake.say(words('{"name":"get_weather","arguments":{"city":{}', finish="length"))
    _, message, end = await folded(fake, asking(fake, tools=(WEATHER,), tool_choice="any"))
    (call,) = message.tool_calls
    assert (call.invalid_json, end.stop_reason) == ('{"city":{}', "length")


@pytest.mark.anyio
async def test_an_answer_that_is_not_what_was_asked_for(fake: FakeSetUp) -> None:
    """A grammar that was not kept is found out in the end: no call, no such tool, arguments or JSON that do not fit."""
    calls = (
        "I would rather not.",
        '{"name":"other","arguments":{}}',
        '{"name":"get_weather","arguments":{"city":1}}',
        "[1]",
    )
    for text in calls:
        fake.say(words(text))
        with pytest.raises(ProtocolError, match="not what was asked for"):
            await heard(fake, asking(fake, tools=(WEATHER,), tool_choice="any"))
    for text in ('{"city":1}', "{"):
        fake.say(words(text))
        with pytest.raises(ProtocolError, match="output_schema"):
            await heard(fake, asking(fake, output_schema=PLACE))
    fake.say(words("{}"))
    with pytest.raises(ProtocolError, match="the schema cannot be read"):
        await heard(fake, asking(fake, output_schema={"$ref": "https://elsewhere.example/schema"}))


@pytest.mark.anyio
async def test_what_the_strict_grammar_cannot_hold(fake: FakeSetUp) -> None:
    """A looser one does, and that is reported; under strict, or where neither can, it is refused."""
    fake.engine.uncompilable = ("get_weather", "city")
    fake.say(words('{ "name": "get_weather", ', '"arguments": {"city": "Oslo"} }\n'))
    start, message, _ = await folded(fake, asking(fake, tools=(WEATHER,), tool_choice="any"))
    assert [item.code for item in start.adjustments] == ["schema-bounded", "schema-loosely-held"]
    assert message.tool_calls[0].arguments == {"city": "Oslo"}
    assert fake.bodies()[0]["response_format"]["json_schema"]["schema"]["properties"]["name"] == {
        "const": "get_weather"
    }
    fake.say(words('{ "name": "get_weather", ', finish="length"))
    _, message, _ = await folded(fake, asking(fake, tools=(WEATHER,), tool_choice="any"))
    assert message.parts == ()
    with pytest.raises(UnsupportedError, match="strict=True"):
        await heard(fake, asking(fake, output_schema=PLACE, strict=True))
    fake.engine.unknown = ("city",)
    with pytest.raises(UnsupportedError, match="cannot hold an answer"):
        await heard(fake, asking(fake, output_schema=PLACE))
    assert fake.engine.slots.load().in_flight == 0


@pytest.mark.anyio
async def test_a_call_of_its_own_accord_counts_where_it_was_said(fake: FakeSetUp) -> None:
    """The speculative call is the answer, whole, where its arguments occur; else words are, and both are paid."""
    said = words('{"name":"get_weather","arguments":{"city":"Oslo","unit":"c"}}', usage=figures(20, 9))
    fake.engine.speculative.append(said)
    start, message, end = await folded(fake, asking(fake, Message.user("How is it in Oslo?"), tools=(WEATHER,)))
    assert [(item.kind, item.code) for item in start.adjustments] == [("changed", "tool-choice-approximate")]
    assert message.tool_calls[0].arguments == {"city": "Oslo", "unit": "c"}
    assert (end.stop_reason, end.usage.input_tokens) == ("tool_calls", 20)
    assert fake.engine.requests == []

    fake.engine.speculative.append(said)
    fake.say(words("Fine."))
    _, message, end = await folded(fake, asking(fake, Message.user("How are you?"), tools=(WEATHER,)))
    assert (message.text, end.usage.input_tokens, end.usage.output_tokens) == ("Fine.", 31, 16)


@pytest.mark.anyio
async def test_a_stop_sequence_in_an_answer_that_has_a_form(fake: FakeSetUp) -> None:
    """The engine says "stop" for both ends, so that the error says what may have happened."""
    fake.say(words('{"city":"Os'), words('{"city":"Os'))
    with pytest.raises(ProtocolError, match="one of the stop_sequences may have cut it"):
        await heard(fake, asking(fake, output_schema=PLACE, settings=Settings(stop_sequences=("lo",))))
    with pytest.raises(ProtocolError) as raised:
        await heard(fake, asking(fake, output_schema=PLACE))
    assert "stop_sequences" not in str(raised.value)


@pytest.mark.anyio
async def test_a_call_of_its_own_accord_fits_the_schema(fake: FakeSetUp) -> None:
    """A looser grammar may let others through: they count as none."""
    fake.engine.uncompilable = ("get_weather",)
    fake.engine.speculative.append(words('{"name":"get_weather","arguments":{"city":"Oslo","days":"two"}}'))
    fake.say(words("Rain."))
    _, message, _ = await folded(fake, asking(fake, Message.user("Oslo, in two days?"), tools=(WEATHER,)))
    assert (message.text, message.tool_calls) == ("Rain.", ())


@pytest.mark.anyio
async def test_limits_that_contradict_each_other(fake: FakeSetUp) -> None:
    """Where the strict grammar has none for them, the looser one is not asked: it would take all of the memory."""
    fake.engine.uncompilable = ("minLength",)
    schema = {"type": "string", "minLength": 5, "maxLength": 2}
    with pytest.raises(UnsupportedError, match="cannot hold an answer"):
        await heard(fake, asking(fake, output_schema=schema))
    assert fake.engine.requests == []


@pytest.mark.anyio
async def test_numbers_that_were_said_get_a_second_attempt(fake: FakeSetUp) -> None:
    """Where the tool was named and numbers are made up, the next attempt chooses among those that were said."""
    made_up = words('{"name":"multiply","arguments":{"first":1,"second":389}}')
    right = words('{"name":"multiply","arguments":{"first":2741,"second":389}}')
    fake.engine.speculative.extend([made_up, right])
    request = asking(fake, Message.user("Multiply 2741 by 389."), tools=(WEATHER, MULTIPLY))
    _, message, _ = await folded(fake, request)
    assert message.tool_calls[0].arguments == {"first": 2741, "second": 389}
    grammar = fake.engine.speculations[1]["grammar"]
    assert '{"enum": [2741, 389]}' in grammar
    assert "get_weather" not in grammar


@pytest.mark.anyio
async def test_results_are_answered_in_words(fake: FakeSetUp) -> None:
    """Behind results nothing is called unless it has to be, and that is reported; strict refuses the guess."""
    history = (
        Message.user("Oslo?"),
        Message.assistant(ToolCall("1", "get_weather", {"city": "Oslo"})),
        Message("tool", (ToolResult("1", "Rain."),)),
    )
    start, message, _ = await folded(fake, asking(fake, *history, tools=(WEATHER,)))
    assert message.text
    assert [item.code for item in start.adjustments] == ["tool-choice-approximate"]
    assert fake.engine.speculations == []
    with pytest.raises(UnsupportedError):
        await heard(fake, asking(fake, tools=(WEATHER,), strict=True))
    await heard(fake, asking(fake, tools=(WEATHER,), tool_choice="none", strict=True))


# --- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_full_context_is_an_end_of_its_own(fake: FakeSetUp) -> None:
    """The engine says "length" for both: the figures tell them apart."""
    fake.say(words("a", finish="length", usage=figures(4000, 96)), words("a", finish="length", usage=figures(11, 7, 3)))
    _, _, full = await folded(fake, asking(fake))
    _, _, cut = await folded(fake, asking(fake))
    assert (full.stop_reason, cut.stop_reason) == ("context_window", "length")
    assert cut.usage.cache_read_tokens == 3


@pytest.mark.anyio
async def test_errors_of_the_engine(fake: FakeSetUp) -> None:
    """A conversation that is too long says both figures, if the engine does; tokens are counted all the same."""
    fake.say(
        failing("too long", "exceed_context_size_error", n_prompt_tokens=5000, n_ctx=4096),
        failing("too long", "exceed_context_size_error"),
    )
    with pytest.raises(ContextWindowError, match="has 5000 tokens, and 4096 fit"):
        await heard(fake, asking(fake))
    with pytest.raises(ContextWindowError, match="too long"):
        await heard(fake, asking(fake))
    fake.say(
        failing("too long", "exceed_context_size_error", n_prompt_tokens=5000),
        words("a"),
        failing("no", "RuntimeError"),
    )
    assert await fake.backend.count_tokens(asking(fake)) == 5000
    assert await fake.backend.count_tokens(asking(fake)) == 11
    with pytest.raises(InvalidRequestError):
        await fake.backend.count_tokens(asking(fake))
    fake.say(lambda _: iter(()))
    with pytest.raises(ProtocolError, match="how long the prompt is"):
        await fake.backend.count_tokens(asking(fake))


@pytest.mark.anyio
async def test_who_waits_too_long_for_a_slot(tmp_path: Path) -> None:
    """`acquire` is the limit; the one who waits next gets the slot, and the load says who waits."""
    fake = FakeSetUp(tmp_path, slots=1)
    await fake.engine.slots.acquire()
    load = fake.backend.load()
    assert (load.in_flight, load.waiting, load.max_connections) == (1, 0, 1)
    with pytest.raises(StreamTimeoutError) as raised:
        await heard(fake, asking(fake, timeouts=Timeouts(acquire=0.05)))
    assert (raised.value.timeout, raised.value.phase, raised.value.retryable) == ("acquire", "connect", True)
    fake.engine.slots.release()
    _, message, _ = await folded(fake, asking(fake))
    assert message.text
    assert fake.backend.load().in_flight == 0


@pytest.mark.anyio
async def test_a_preview_loads_nothing(fake: FakeSetUp) -> None:
    """It shows body and grammar, and looks for the file alone."""
    shown = await fake.backend.preview(asking(fake, output_schema=PLACE))
    assert json.loads(shown.request["grammar"].partition("%json ")[2])["properties"]["city"]["maxLength"] == 160
    assert [item.code for item in shown.adjustments] == ["schema-bounded"]
    assert fake.loaded == []
    with pytest.raises(ModelNotFoundError):
        await fake.backend.preview(ChatRequest("/nowhere/model.gguf", (Message.user("Hi"),)))
