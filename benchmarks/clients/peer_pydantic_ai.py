"""pydantic-ai: a request to the model, without an agent around it."""

from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.providers.bedrock import BedrockProvider

from benchmarks.clients import MODEL, Seen
from benchmarks.clients.peer import Peer, boto3_client


class PeerClient(Peer):
    """Events of `model_request_stream`."""

    def __init__(self, url: str) -> None:
        """Make the model."""
        self._model = BedrockConverseModel(MODEL, provider=BedrockProvider(bedrock_client=boto3_client(url)))

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each event."""
        async with model_request_stream(self._model, [ModelRequest.user_text_prompt(prompt)]) as stream:
            async for event in stream:
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    seen(event.part.content)
                elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    seen(event.delta.content_delta)
