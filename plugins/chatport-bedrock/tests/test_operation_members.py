"""What Converse does not take and ConverseStream does."""

from typing import Any

import anyio
import pytest

from chatport.backend import ChatRequest, Message, Settings
from chatport_bedrock import BedrockOptions, Guardrail
from chatport_bedrock._operation_members import fit_operation
from chatport_bedrock._translate import translate
from chatport_bedrock.backend import BedrockBackend

NOVA = "us.amazon.nova-2-lite-v1:0"
OPTIONS = BedrockOptions(guardrail=Guardrail("a", "1", stream_mode="async"))
REQUEST = ChatRequest(NOVA, (Message.user("Hi"),), settings=Settings(extra={"bedrock": OPTIONS}))


def test_the_mode_of_a_stream_goes_to_streams_only() -> None:
    """Nothing is lost without it: a whole answer is checked before it is sent."""
    translation = translate(REQUEST)
    assert fit_operation(translation, streams=True) is translation
    whole = fit_operation(translation, streams=False)
    assert whole.body["guardrailConfig"] == {"guardrailIdentifier": "a", "guardrailVersion": "1"}
    assert [(item.kind, item.code) for item in whole.adjustments] == [("lossless", "stream-mode-omitted")]
    assert "streamProcessingMode" in translation.body["guardrailConfig"]
    assert OPTIONS["guardrailConfig"]["streamProcessingMode"] == "async"


@pytest.mark.parametrize("extra", [{}, {"guardrailConfig": {"guardrailIdentifier": "a"}}, {"guardrailConfig": "a"}])
def test_other_requests_stay_the_same(extra: Any) -> None:
    """There is nothing to take out."""
    translation = translate(ChatRequest(NOVA, (Message.user("Hi"),), settings=Settings(extra={"bedrock": extra})))
    assert fit_operation(translation, streams=False) is translation


@pytest.mark.parametrize("streaming", [True, False])
def test_a_preview_shows_what_its_operation_takes(streaming: bool) -> None:
    """As the backend would send it; the service model of Converse has no such member."""
    backend = BedrockBackend(region="us-east-1")

    async def look() -> None:
        request = ChatRequest(NOVA, REQUEST.messages, settings=REQUEST.settings, streaming=streaming)
        preview = await backend.preview(request)
        assert ("streamProcessingMode" in preview.request["guardrailConfig"]) is streaming
        assert preview.adjustments == ()

    anyio.run(look)
