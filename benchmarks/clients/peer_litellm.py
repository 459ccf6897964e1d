"""litellm: `acompletion`, streamed."""

import os

# Its import otherwise fetches a list of prices from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from benchmarks.clients import KEYS, MODEL, REGION, Seen
from benchmarks.clients.peer import Peer


class PeerClient(Peer):
    """Chunks in the shape of OpenAI's."""

    def __init__(self, url: str) -> None:
        """Say where, and as whom."""
        self._options = {"aws_bedrock_runtime_endpoint": url, "aws_region_name": REGION, "num_retries": 0, **KEYS}

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each chunk that has one."""
        messages = [{"role": "user", "content": prompt}]
        async for chunk in await litellm.acompletion(
            model=f"bedrock/converse/{MODEL}", messages=messages, stream=True, **self._options
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                seen(chunk.choices[0].delta.content)
