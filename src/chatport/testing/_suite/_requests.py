"""What a request says: it reaches the service, or the caller is told that it does not."""

from __future__ import annotations

import base64
import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from chatport._errors import InvalidRequestError, UnsupportedError
from chatport._events import ReasoningDelta, TextDelta
from chatport._media import Audio, Document, Image, Video
from chatport._messages import CachePoint, Message, Opaque, Part, Reasoning, Text
from chatport._request import ChatRequest, Settings, Tool
from chatport.testing._service import Feature, ServiceAnswer, ServiceEvent, ServiceScript
from chatport.testing._suite._asking import SuiteTests, answer_of, listen, needs, question, question_for
from chatport.testing._suite._contents import TOOLS, WEATHER, call_events

if TYPE_CHECKING:
    from chatport._adjustments import Adjustment
    from chatport.backend import Backend

_ANSWER = ServiceAnswer.of_words("Fine.")
# Words like any other, and an answer to a request with a schema.
_JSON = ServiceAnswer.of_words('{"zebra":', ' "striped"}')

PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
PDF: Final = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
_MP3 = b"ID3\x03\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x64" + bytes(64)
_MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(16)

_MEDIA: dict[Feature, tuple[Part, bytes]] = {
    "images": (Image.from_bytes(PNG), PNG),
    "documents": (Document.from_bytes(PDF, name="paper"), PDF),
    "audio": (Audio.from_bytes(_MP3), _MP3),
    "video": (Video.from_bytes(_MP4), _MP4),
}
_SCHEMA = {
    "type": "object",
    "properties": {"zebra": {"type": "string", "description": "Whether it is striped."}},
    "required": ["zebra"],
    "additionalProperties": False,
}
_MEMBERS: dict[Feature, tuple[dict[str, Any], bytes]] = {
    "system-prompt": ({"system": (Text("Speak of zebras."),)}, b"Speak of zebras."),
    "tools": ({"tools": (Tool("zebra", "Count the zebras."),)}, b"Count the zebras."),
    "output-schema": ({"output_schema": _SCHEMA, "output_name": "animals"}, b"zebra"),
}
_SETTINGS = {
    "max_tokens": Settings(max_tokens=77),
    "temperature": Settings(temperature=0),
    "top_p": Settings(top_p=0.5),
    "top_k": Settings(top_k=5),
    "stop_sequences": Settings(stop_sequences=("END",)),
    "reasoning": Settings(reasoning="high"),
    "reasoning-budget": Settings(reasoning=2048),
    "cache": Settings(cache="5m"),
}


class RequestTests(SuiteTests):
    """What a request says."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("feature", [*_MEDIA, *_MEMBERS])
    async def test_what_a_request_can_have(self, opened: Backend, script: ServiceScript, feature: Feature) -> None:
        """It reaches the service; or, where the service cannot have it, it is refused or reported, never dropped."""
        request, trace = _with(script, feature)
        if feature in script.lacks:
            await _assert_refused_or_reported(opened, script, request, trace)
            return
        script.enqueue(_JSON)
        start, message, _ = await answer_of(opened, request)
        assert [item for item in start.adjustments if item.kind == "dropped"] == []
        assert "scripted-answers" in script.lacks or message.text == _JSON.message.text
        if "requests" not in script.lacks:
            assert holds(script.requests[-1], trace)

    @pytest.mark.anyio
    @pytest.mark.parametrize("feature", [*_MEDIA, *_MEMBERS])
    async def test_strict_requests_lose_nothing(self, opened: Backend, script: ServiceScript, feature: Feature) -> None:
        """With `strict`, what the service can have is sent; what it cannot have is an error.

        Nothing is sent then, where the backend knows.
        """
        request, _ = _with(script, feature)
        script.enqueue(_JSON)
        strict = replace(request, strict=True)
        if feature not in script.lacks:
            start, _, _ = await answer_of(opened, strict)
            assert [item for item in start.adjustments if item.kind in {"changed", "dropped"}] == []
            return
        try:
            heard = await listen(opened, strict)
        except UnsupportedError:
            assert list(script.requests) == []
        else:
            assert isinstance(heard.error, InvalidRequestError)

    @pytest.mark.anyio
    @pytest.mark.parametrize("setting", _SETTINGS)
    async def test_settings_are_said_or_reported(self, opened: Backend, script: ServiceScript, setting: str) -> None:
        """Each setting changes what the service is sent, 0 too, or the caller is told that it does not."""
        plain = question_for(script, _ANSWER)
        await answer_of(opened, plain)
        try:
            start, _, _ = await answer_of(opened, question_for(script, _ANSWER, settings=_SETTINGS[setting]))
        except UnsupportedError:
            return
        name = f"settings.{setting.split('-', maxsplit=1)[0]}"
        if any(name in item.path for item in start.adjustments):
            return
        needs(script, "requests")  # whether it was said nobody can see
        assert script.requests[0] != script.requests[1], f"{name} changes nothing, and nobody is told"

    @pytest.mark.anyio
    @pytest.mark.parametrize("choice", ["any", "none", "get_weather"])
    async def test_the_choice_of_a_tool(self, opened: Backend, script: ServiceScript, choice: str) -> None:
        """It changes what the service is sent, or the caller is told that it does not."""
        needs(script, "tools")
        await answer_of(opened, question_for(script, _ANSWER, tools=TOOLS))
        try:
            start, _, _ = await answer_of(opened, question_for(script, _ANSWER, tools=TOOLS, tool_choice=choice))
        except UnsupportedError:
            assert "tool-choice" in script.lacks
            return
        told = any("tool" in item.path for item in start.adjustments)
        if "tool-choice" in script.lacks:
            assert told
            return
        needs(script, "requests")
        assert told or script.requests[0] != script.requests[1]

    @pytest.mark.anyio
    async def test_a_strict_tool(self, opened: Backend, script: ServiceScript) -> None:
        """That arguments have to fit changes what the service is sent, or the caller is told that it does not."""
        needs(script, "tools")
        plain = replace(WEATHER, schema={**WEATHER.schema, "required": ["city", "days"], "additionalProperties": False})
        await answer_of(opened, question_for(script, _ANSWER, tools=(plain,)))
        start, _, _ = await answer_of(opened, question_for(script, _ANSWER, tools=(replace(plain, strict=True),)))
        if any("tool" in item.path for item in start.adjustments):
            return
        needs(script, "requests")
        assert script.requests[0] != script.requests[1], "strict changes nothing, and nobody is told"

    @pytest.mark.anyio
    async def test_both_ways_say_the_same(self, opened: Backend, script: ServiceScript) -> None:
        """What is asked for as a whole is said, and reported, as what is streamed is."""
        asked = question(
            script,
            system=(Text("Speak of zebras."),),
            settings=Settings(max_tokens=77, temperature=0.25, top_k=5, stop_sequences=("zebra crossing",)),
            tools=() if "tools" in script.lacks else (Tool("zebra", "Count the zebras."),),
            output_schema=None if "output-schema" in script.lacks else _SCHEMA,
        )
        foreign = Reasoning("Thoughts", "signature", metadata={"another": {"family": "zebra"}})
        messages = (Message.user("Two and two?"), Message.assistant(foreign, "Four."), Message.user("And three?"))
        told: list[tuple[Adjustment, ...]] = []
        for streaming in (True, False):
            script.enqueue(ServiceAnswer.of_words('{"zebra": "striped"}'))
            start, _, _ = await answer_of(opened, replace(asked, messages=messages, streaming=streaming))
            told.append(start.adjustments)
        assert told[0] == told[1]
        if "requests" not in script.lacks:
            traces = (
                b"Speak of zebras.",
                b"77",
                b"0.25",
                b"zebra crossing",
                b"Count the zebras.",
                b"striped",
                b"zebra",
            )
            streamed, whole = ([trace in body for trace in traces] for body in script.requests)
            assert dict(zip(traces, streamed, strict=True)) == dict(zip(traces, whole, strict=True))


class ForeignTests(SuiteTests):
    """What comes from another backend, or belongs to one."""

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "part",
        [
            Reasoning("Zebra thoughts", "zebra-signature", metadata={"another": {"family": "zebra"}}),
            Reasoning("Zebra thoughts", metadata={"another": {"family": "zebra"}}),
            Reasoning(redacted=b"zebra-redacted", metadata={"another": {"family": "zebra"}}),
            Opaque("another", {"kind": "zebra"}),
        ],
        ids=["signed-reasoning", "reasoning", "redacted-reasoning", "opaque"],
    )
    async def test_what_only_another_understands(self, opened: Backend, script: ServiceScript, part: Part) -> None:
        """It is left out and reported, with its place; with `strict` it is refused, and nothing is sent."""
        needs(script, "requests")
        messages = (Message.user("Two and two?"), Message.assistant(part, "Four."), Message.user("And three?"))
        before = copy.deepcopy(messages)
        request = replace(question(script), messages=messages)
        with pytest.raises(UnsupportedError):
            await listen(opened, replace(request, strict=True))
        assert list(script.requests) == []
        script.enqueue(_ANSWER)
        start, _, _ = await answer_of(opened, request)
        places = [item.path for item in start.adjustments if item.kind in {"dropped", "changed"}]
        assert "messages[1].parts[0]" in places
        assert b"zebra" not in script.requests[0]
        assert b"Four." in script.requests[0]
        assert messages == before

    @pytest.mark.anyio
    async def test_what_is_meant_for_another(self, opened: Backend, script: ServiceScript) -> None:
        """Metadata and wire members under another backend's name are not sent, and are no loss."""
        needs(script, "requests")
        parts = (Text("Two and two?", metadata={"another": {"zebra": 1}}), CachePoint(metadata={"another": "zebra"}))
        message = Message("user", parts[:1], metadata={"another": {"zebra": 2}})
        settings = Settings(extra={"another": {"zebra": 3}})
        request = replace(question_for(script, _ANSWER), messages=(message,), settings=settings, strict=True)
        start, _, _ = await answer_of(opened, request)
        assert start.adjustments == ()
        assert b"zebra" not in script.requests[0]

    @pytest.mark.anyio
    @pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
    async def test_own_reasoning_goes_back(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """What the service has signed it gets again, to the letter, and nobody is told of a loss."""
        needs(script, "scripted-answers", "requests", "reasoning", "signatures")
        signature = script.sign("Hm, zebras.")
        thought = Reasoning("Hm, zebras.", signature)
        answer = ServiceAnswer.of(thought, "Four.")
        asked = question_for(script, answer, streaming=streaming)
        _, message, _ = await answer_of(opened, asked)
        script.enqueue(_ANSWER)
        messages = (*asked.messages, message, Message.user("And three?"))
        start, _, _ = await answer_of(opened, replace(asked, messages=messages, strict=True))
        assert start.adjustments == ()
        assert signature.encode() in script.requests[1].replace(rb"\/", b"/")
        assert b"Hm, zebras." in script.requests[1]

    @pytest.mark.anyio
    @pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
    async def test_metadata_has_an_owner(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """What the backend keeps of its own stands under its own name, everywhere."""
        assert isinstance(opened.name, str)
        assert opened.name
        events: list[ServiceEvent] = []
        if not {"scripted-answers", "reasoning"} & script.lacks.keys():
            events.append(ReasoningDelta(0, "Hm."))
        events.append(TextDelta(len(events), "Fine."))
        if not {"scripted-answers", "tools", "tool-calls"} & script.lacks.keys():
            events += call_events(len(events), "call_1", "get_weather", '{"city": "Oslo"}')
        request = question_for(script, ServiceAnswer(tuple(events)), streaming=streaming, tools=TOOLS)
        _, message, end = await answer_of(opened, request)
        owners = set(end.metadata).union(message.metadata, *(part.metadata for part in message.parts))
        assert owners <= {opened.name}

    @pytest.mark.anyio
    async def test_a_preview_is_what_would_be_sent(self, opened: Backend, script: ServiceScript) -> None:
        """Where there is one, it has the words, the tools and the settings, and what is reported; nothing is sent."""
        preview = getattr(opened, "preview", None)
        if preview is None:
            pytest.skip("the backend offers no preview")
        settings = Settings(max_tokens=77, top_k=5, stop_sequences=("zebra crossing",))
        tools = () if "tools" in script.lacks else (Tool("zebra", "Count the zebras."),)
        request = question(script, "Is a zebra there?", settings=settings, tools=tools)
        shown = await preview(request)
        assert "Is a zebra there?" in str(shown.request)
        assert list(script.requests) == []
        script.enqueue(_ANSWER)
        start, _, _ = await answer_of(opened, request)
        assert shown.adjustments == start.adjustments
        for sent in script.requests:
            traces = ("Is a zebra there?", "Count the zebras.", "77", "zebra crossing")
            missing = [trace for trace in traces if trace.encode() in sent and trace not in str(shown.request)]
            assert not missing, "it is sent, and not shown"


def _with(script: ServiceScript, feature: Feature) -> tuple[ChatRequest, bytes]:
    """Return a request that has something, and what the service should find of it."""
    if feature in _MEDIA:
        part, trace = _MEDIA[feature]
        return replace(question(script), messages=(Message.user("Look:", part),)), trace
    members, trace = _MEMBERS[feature]
    return question(script, **members), trace


def holds(body: bytes, trace: bytes) -> bool:
    """Return whether a body has something in it, as it is or as base64."""
    return trace in body or base64.b64encode(trace) in body.replace(rb"\/", b"/")


async def _assert_refused_or_reported(
    backend: Backend, script: ServiceScript, request: ChatRequest, trace: bytes
) -> None:
    script.enqueue(_ANSWER)
    try:
        heard = await listen(backend, request)
    except UnsupportedError:
        assert list(script.requests) == []
        return
    if isinstance(heard.error, InvalidRequestError):
        return  # a backend cannot know all models: the service has refused it, which is no silence
    start, _, _ = heard.folded()
    assert any(item.kind in {"dropped", "changed"} for item in start.adjustments)
    assert not any(holds(body, trace) for body in script.requests), "it says that it has dropped what it has sent"
