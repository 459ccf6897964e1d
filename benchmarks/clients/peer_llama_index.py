"""llama-index: `BedrockConverse.astream_chat`."""

from llama_index.core.llms import ChatMessage
from llama_index.llms.bedrock_converse import BedrockConverse

from benchmarks.clients import KEYS, MODEL, REGION, Seen
from benchmarks.clients.peer import Peer, boto3_client


class PeerClient(Peer):
    """Chunks of a chat."""

    def __init__(self, url: str) -> None:
        """Make the model."""
        self._model = BedrockConverse(model=MODEL, client=boto3_client(url), region_name=REGION, **KEYS)

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each chunk that has one."""
        async for chunk in await self._model.astream_chat([ChatMessage(role="user", content=prompt)]):
            if chunk.delta:
                seen(chunk.delta)
