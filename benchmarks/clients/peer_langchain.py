"""langchain-aws: `ChatBedrockConverse.astream`."""

from langchain_aws import ChatBedrockConverse

from benchmarks.clients import MODEL, REGION, Seen
from benchmarks.clients.peer import Peer, boto3_client


class PeerClient(Peer):
    """Chunks of a message."""

    def __init__(self, url: str) -> None:
        """Make the model."""
        client = boto3_client(url)
        self._model = ChatBedrockConverse(model=MODEL, client=client, bedrock_client=client, region_name=REGION)

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each chunk that has one."""
        async for chunk in self._model.astream(prompt):
            for part in chunk.content if isinstance(chunk.content, list) else [{"text": chunk.content}]:
                if isinstance(part, dict) and part.get("text"):
                    seen(part["text"])
