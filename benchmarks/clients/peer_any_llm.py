"""any-llm: `acompletion`, streamed."""

import os

from any_llm import acompletion

from benchmarks.clients import KEYS, MODEL, REGION, Seen
from benchmarks.clients.peer import Peer


class PeerClient(Peer):
    """Chunks in the shape of OpenAI's."""

    def __init__(self, url: str) -> None:
        """Say where, and as whom: it takes both from the environment."""
        self._url = url
        os.environ.update({name.upper(): value for name, value in KEYS.items()}, AWS_REGION=REGION)
        os.environ["AWS_DEFAULT_REGION"] = REGION

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each chunk that has one."""
        messages = [{"role": "user", "content": prompt}]
        chunks = await acompletion(MODEL, messages, provider="bedrock", api_base=self._url, stream=True)
        async for chunk in chunks:
            if chunk.choices and chunk.choices[0].delta.content:
                seen(chunk.choices[0].delta.content)
