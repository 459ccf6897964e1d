"""Whole turns: a session over the backend, with tools that run and answers that break off."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import pytest

from chatport._errors import BackendError
from chatport._session import Session
from chatport.testing._service import FEATURES, Cut, Hold, ServiceAnswer, ServiceRefusal, ServiceScript
from chatport.testing._suite._asking import PATIENCE, SuiteTests, answer_of, needs, question_for
from chatport.testing._suite._contents import call_events

if TYPE_CHECKING:
    from chatport.backend import Backend

_ANSWER = ServiceAnswer.of_words("One, ", "two, ", "three.")
_LEFT_STREAMS: Final = 12


class TurnTests(SuiteTests):
    """What a session makes of the backend, and what the script says of itself."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
    async def test_a_tool_runs(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """The service calls a tool, gets its result under the call's id, and ends the turn."""
        needs(script, "scripted-answers", "tools", "tool-calls")
        ran: list[str] = []

        async def get_weather(city: str) -> str:
            """Tell the weather."""
            ran.append(city)
            await anyio.lowlevel.checkpoint()
            return "Zebra weather"

        call = ServiceAnswer(call_events(0, "call_alpha", "get_weather", '{"city": ', '"Oslo"}'))
        script.enqueue(call, ServiceAnswer.of_words("It is", " fine."))
        async with Session(opened, script.model, tools=[get_weather]) as session:
            with anyio.fail_after(PATIENCE):
                if streaming:
                    async with session.stream("How is it in Oslo?") as stream:
                        reply = await stream.finish()
                else:
                    reply = await session.ask("How is it in Oslo?")
        assert (reply.text, reply.stop_reason) == ("It is fine.", "stop")
        assert ran == ["Oslo"]
        if "requests" not in script.lacks:
            first, second = script.requests
            assert b"Zebra weather" not in first
            assert b"Zebra weather" in second
            assert b"call_alpha" in second

    @pytest.mark.anyio
    async def test_a_call_that_was_cut_is_not_run(self, opened: Backend, script: ServiceScript) -> None:
        """An answer that breaks off in the arguments is an error; what had come is in its `partial`."""
        needs(script, "scripted-answers", "tools", "tool-calls", "cuts")
        ran: list[str] = []

        def get_weather(city: str = "nowhere") -> str:
            """Tell the weather."""
            ran.append(city)
            return "fine"

        events = call_events(0, "call_alpha", "get_weather", '{"city": ', '"Oslo"}')
        script.enqueue(ServiceAnswer(events, fault=Cut(after=2)))
        async with Session(opened, script.model, tools=[get_weather], retry=None) as session:
            with pytest.raises(BackendError) as caught:
                async with session.stream("How is it in Oslo?") as stream:
                    await stream.finish()
            assert session.messages == ()
        assert ran == []
        assert caught.value.partial is not None
        (call,) = caught.value.partial.messages[-1].tool_calls
        assert (call.name, call.arguments, call.invalid_json) == ("get_weather", {}, '{"city": ')

    @pytest.mark.anyio
    async def test_the_session_repeats(self, opened: Backend, script: ServiceScript) -> None:
        """What the service refuses for now is sent again by the session, as often as that was told to."""
        needs(script, "scripted-answers", "overloaded")
        script.enqueue(ServiceRefusal("overloaded", retry_after=0.0), _ANSWER)
        async with Session(opened, script.model) as session:
            with anyio.fail_after(PATIENCE):
                reply = await session.ask("Count!")
        assert (reply.text, reply.attempts) == (_ANSWER.message.text, 2)

    @pytest.mark.anyio
    async def test_left_streams_use_nothing_up(self, opened: Backend, script: ServiceScript) -> None:
        """However many streams are left in the middle, the next one is answered."""
        needs(script, "scripted-answers", "holds", "connections")
        for _ in range(_LEFT_STREAMS):
            request = question_for(script, replace(_ANSWER, fault=Hold(after=1)))
            with anyio.fail_after(PATIENCE):
                async with aclosing(opened.stream(request)) as events:
                    await anext(events)
        with anyio.fail_after(PATIENCE):
            await script.until_left(_LEFT_STREAMS)
        _, message, _ = await answer_of(opened, question_for(script, _ANSWER))
        assert message.text == _ANSWER.message.text

    @pytest.mark.anyio
    async def test_what_is_lacking_is_missing(self, opened: Backend, script: ServiceScript) -> None:
        """A script that says of too much that it lacks it keeps tests from running: what is there is not lacking."""
        _, _, end = await answer_of(opened, question_for(script, _ANSWER))
        there = {"requests": bool(script.requests), "usage": end.usage.known_tokens is not None}
        wrong = [feature for feature, is_there in there.items() if is_there and feature in script.lacks]
        assert not wrong, f"the script says that it lacks {', '.join(wrong)}, which it has"

    def test_what_is_lacking_is_known(self, script: ServiceScript) -> None:
        """Each feature that the script lacks is one that there is, with a reason that people can read."""
        assert script.lacks.keys() <= FEATURES
        assert all(reason.strip() for reason in script.lacks.values())
        assert script.model
