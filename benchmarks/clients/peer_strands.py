"""strands-agents: the stream of its Bedrock model, without an agent around it."""

import boto3
from botocore.config import Config
from strands.models import BedrockModel

from benchmarks.clients import KEYS, MODEL, REGION, Seen
from benchmarks.clients.peer import Peer


class PeerClient(Peer):
    """Events as the service names them."""

    def __init__(self, url: str) -> None:
        """Make the model."""
        config = Config(max_pool_connections=1000, read_timeout=600, retries={"total_max_attempts": 1})
        session = boto3.Session(region_name=REGION, **KEYS)
        self._model = BedrockModel(model_id=MODEL, boto_session=session, boto_client_config=config, endpoint_url=url)

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each delta."""
        async for event in self._model.stream([{"role": "user", "content": [{"text": prompt}]}]):
            if "contentBlockDelta" in event:
                seen(event["contentBlockDelta"]["delta"]["text"])
