"""Answers as they should come: in order, in pieces, whole, and to the letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chatport._events import MessageEnd, MessageStart, TextDelta
from chatport.testing._service import ServiceAnswer, ServiceScript
from chatport.testing._suite._asking import SuiteTests, answer_of, counted, listen, neutral, question_for

if TYPE_CHECKING:
    from chatport.backend import Backend

WORDS = ServiceAnswer.of_words("Good", " evening,", " Zoë. ", "\n", "It", " is 二十 ", "o'clock 🕗.")


class AnswerTests(SuiteTests):
    """The words of an answer, its usage and its end."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
    async def test_events_come_in_order(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """`MessageStart` once and first, `MessageEnd` once and last, nothing that the fold refuses in between."""
        heard = await listen(opened, question_for(script, WORDS, streaming=streaming))
        assert heard.error is None
        kinds = [type(event) for event in heard.events]
        assert kinds[0] is MessageStart
        assert kinds[-1] is MessageEnd
        assert (kinds.count(MessageStart), kinds.count(MessageEnd)) == (1, 1)
        start, message, end = heard.folded()
        assert start.model
        assert message.text == WORDS.message.text
        assert end.stop_reason == "stop"

    @pytest.mark.anyio
    async def test_text_comes_in_pieces(self, opened: Backend, script: ServiceScript) -> None:
        """What the service sends in several pieces is not collected: each is an event, in order."""
        heard = await listen(opened, question_for(script, WORDS))
        pieces = [event.text for event in heard.events if isinstance(event, TextDelta)]
        if "scripted-answers" in script.lacks:
            assert len(pieces) > 1
        else:
            sent = [event.text for event in WORDS.events if isinstance(event, TextDelta)]
            assert [piece for piece in pieces if piece] == sent

    @pytest.mark.anyio
    @pytest.mark.parametrize("text", ["", " ", "\n", "\r\n", "a\u0000b", "\u2028", "e\u0301", "👩‍👩‍👧", "x" * 20_000])
    async def test_text_comes_to_the_letter(self, opened: Backend, script: ServiceScript, text: str) -> None:
        """Nothing is trimmed, normalised or lost, streamed or not."""
        for streaming in (True, False):
            answer = ServiceAnswer.of_words("[", text, "]")
            _, message, _ = await answer_of(opened, question_for(script, answer, streaming=streaming))
            assert message.text == f"[{text}]"

    @pytest.mark.anyio
    async def test_a_streamed_answer_is_the_same_as_a_whole_one(self, opened: Backend, script: ServiceScript) -> None:
        """One answer, asked for in both ways, folds to the same message, end and usage."""
        streamed, whole = [
            await answer_of(opened, question_for(script, WORDS, streaming=streaming)) for streaming in (True, False)
        ]
        assert streamed[0].model == whole[0].model
        assert neutral(streamed[1]) == neutral(whole[1])
        assert (streamed[2].stop_reason, streamed[2].raw_stop_reason) == (
            whole[2].stop_reason,
            whole[2].raw_stop_reason,
        )
        assert counted(streamed[2].usage) == counted(whole[2].usage)
