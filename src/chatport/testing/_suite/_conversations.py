"""Conversations as they are sent: whose words they are, all of them, in order, and with what belongs to them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chatport._errors import ConfigurationError, InvalidRequestError, UnsupportedError
from chatport._media import Document, Image
from chatport._messages import Json, Message, Part, Text, ToolCall, ToolResult
from chatport._request import Settings
from chatport.testing._service import ServiceAnswer, ServiceScript
from chatport.testing._suite._asking import SuiteTests, answer_of, listen, needs, question, question_for
from chatport.testing._suite._contents import TOOLS
from chatport.testing._suite._requests import PDF, PNG, holds

if TYPE_CHECKING:
    from chatport._request import ChatRequest
    from chatport.backend import Backend

_ANSWER = ServiceAnswer.of_words("Fine.")


class ConversationTests(SuiteTests):
    """What has been said before."""

    @pytest.mark.anyio
    async def test_a_conversation_is_sent_whole(self, opened: Backend, script: ServiceScript) -> None:
        """Every message reaches the service, in order, with all its parts; so does all of the system prompt."""
        needs(script, "requests")
        words = ("First alpha.", "Then beta.", "Then gamma.", "Then delta.", "Last epsilon.")
        messages = tuple(
            Message.user(text, f"{text} Indeed.") if number % 2 == 0 else Message.assistant(text)
            for number, text in enumerate(words)
        )
        system = () if "system-prompt" in script.lacks else (Text("Speak of zebras."), Text("Be brief."))
        await answer_of(opened, replace(question_for(script, _ANSWER), messages=messages, system=system))
        (body,) = script.requests
        places = [body.find(text.encode()) for text in words]
        assert -1 not in places
        assert places == sorted(places)
        assert body.count(b" Indeed.") == 3
        assert all(part.text.encode() in body for part in system)

    @pytest.mark.anyio
    async def test_calls_and_their_results_are_sent(self, opened: Backend, script: ServiceScript) -> None:
        """Two calls and their results, one an error, one of JSON: ids, names, arguments and contents."""
        needs(script, "requests", "tools")
        messages = (
            Message.user("How is it?"),
            Message.assistant(
                ToolCall("call_alpha", "get_weather", {"city": "Oslo"}), ToolCall("call_beta", "get_time", {})
            ),
            Message(
                "tool",
                (
                    ToolResult("call_alpha", [Json({"degrees": 4711})]),
                    ToolResult("call_beta", "The clock has stopped.", is_error=True),
                ),
            ),
        )
        before = copy.deepcopy(messages)
        start, _, _ = await answer_of(opened, replace(question_for(script, _ANSWER, tools=TOOLS), messages=messages))
        assert messages == before, "the caller's messages are not the backend's to change"
        assert [item for item in start.adjustments if item.kind == "dropped"] == []
        (body,) = script.requests
        for trace in (b"call_alpha", b"call_beta", b"get_time", b"Oslo", b"4711", b"The clock has stopped.", b"days"):
            assert trace in body

    @pytest.mark.anyio
    async def test_a_picture_in_a_result(self, opened: Backend, script: ServiceScript) -> None:
        """It reaches the service, or the caller is told that it does not."""
        needs(script, "requests", "tools")
        messages = (
            Message.user("How is it?"),
            Message.assistant(ToolCall("call_alpha", "get_weather", {"city": "Oslo"})),
            Message("tool", (ToolResult("call_alpha", ["A picture:", Image.from_bytes(PNG)]),)),
        )
        request = replace(question_for(script, _ANSWER, tools=TOOLS), messages=messages)
        try:
            start, _, _ = await answer_of(opened, request)
        except UnsupportedError:
            assert list(script.requests) == []
            return
        told = any(item.path.startswith("messages[2].parts[0]") for item in start.adjustments)
        assert told or holds(script.requests[0], PNG)

    @pytest.mark.anyio
    @pytest.mark.parametrize("role", ["assistant", "system"])
    async def test_whose_words_they_are(self, opened: Backend, script: ServiceScript, role: str) -> None:
        """The service is told whether words are the user's, or the caller is told that it is not."""
        needs(script, "requests")
        other = Message("system", (Text("A zebra."),)) if role == "system" else Message.assistant("A zebra.")
        told: list[bool] = []
        bodies: list[bytes] = []
        for message in (other, Message.user("A zebra.")):
            messages = (Message.user("What is it?"), message, Message.user("And now?"))
            told.append(await _told_of(opened, script, replace(question(script), messages=messages), "messages[1]"))
            bodies.append(script.requests[-1] if script.requests else b"")
        assert told[0] or b"A zebra." in bodies[0], "words are left out, and nobody is told"
        assert told[0] or bodies[0] != bodies[1], "words of others are sent as the user's, and nobody is told"

    @pytest.mark.anyio
    async def test_a_result_that_is_an_error(self, opened: Backend, script: ServiceScript) -> None:
        """The service is told that a tool has failed, or the caller is told that it is not."""
        needs(script, "requests", "tools")
        told = False
        for is_error in (True, False):
            messages = (*_CALL, Message("tool", (ToolResult("call_alpha", "The clock.", is_error=is_error),)))
            request = replace(question(script, tools=TOOLS), messages=messages)
            told = await _told_of(opened, script, request, "messages[2]") or told
        assert told or script.requests[0] != script.requests[1]

    @pytest.mark.anyio
    async def test_a_call_that_could_not_be_read(self, opened: Backend, script: ServiceScript) -> None:
        """Arguments that were no object are sent as they came, or the caller is told that they are not."""
        needs(script, "requests", "tools")
        call = ToolCall("call_alpha", "get_weather", {}, invalid_json='{"city": zebra')
        result = ToolResult("call_alpha", "That is no JSON.", is_error=True)
        messages = (_CALL[0], Message.assistant(call), Message("tool", (result,)))
        request = replace(question(script, tools=TOOLS), messages=messages)
        told = await _told_of(opened, script, request, "messages[1]")
        assert told or b"zebra" in script.requests[0]

    @pytest.mark.anyio
    @pytest.mark.parametrize("part", [Document.from_bytes(PDF, name="zebra"), Image.from_uri("s3://zebra/a.png")])
    async def test_what_belongs_to_a_medium(self, opened: Backend, script: ServiceScript, part: Part) -> None:
        """The name of a document and the address of an object reach the service, or the caller is told."""
        needs(script, "requests")
        request = replace(question(script), messages=(Message.user("Look:", part),))
        told = await _told_of(opened, script, request, "messages[0].parts[1]")
        assert told or b"zebra" in script.requests[0]

    @pytest.mark.anyio
    async def test_members_of_its_own(self, opened: Backend, script: ServiceScript) -> None:
        """`Settings.extra` under the backend's own name goes into the request, or is refused."""
        needs(script, "requests")
        settings = Settings(extra={opened.name: {"zebraMember": {"stripes": 4711}}})
        told = await _told_of(opened, script, question(script, settings=settings), "settings.extra")
        assert told or (b"zebraMember" in script.requests[0] and b"4711" in script.requests[0])


_CALL = (Message.user("How is it?"), Message.assistant(ToolCall("call_alpha", "get_weather", {"city": "Oslo"})))


async def _told_of(backend: Backend, script: ServiceScript, request: ChatRequest, place: str) -> bool:
    """Ask, and return whether the caller is told that something is not said as asked, by an adjustment or an error."""
    script.enqueue(_ANSWER)
    try:
        heard = await listen(backend, request)
    except (UnsupportedError, ConfigurationError):
        return True
    if isinstance(heard.error, InvalidRequestError):
        return True  # the service has refused it, which is no silence
    start, _, _ = heard.folded()
    return any(item.path.startswith(place) for item in start.adjustments)
