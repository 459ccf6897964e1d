"""The demo of this plugin, for the entry-point group `chatport.demos`: a model to talk to without an account.

The entry point names this module. What a command line needs of it is `demo()`, an async context manager that starts
what has to run and gives a `Demo`:

    async with module.demo() as demo:
        async with open_session(demo.model, backend_options=demo.backend_options) as session:
            ...
"""

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from chatport_bedrock.emulator._server import Emulator

_MODEL: Final = "bedrock:us.amazon.nova-lite-v1:0"


@dataclass(frozen=True, slots=True)
class Demo:
    """How to reach the demo.

    Attributes:
        model: The model string for `open_session`, backend and model id.
        backend_options: The options that go with it: region, address and a key that only this emulator accepts.
        description: One line for people: what answers, and where.
    """

    model: str
    backend_options: Mapping[str, Any] = field(repr=False)
    description: str


@asynccontextmanager
async def demo(*, pace: float = 0.0) -> AsyncGenerator[Demo]:
    """Start an emulator on loopback, and stop it in the end.

    Args:
        pace: How long the emulator waits before each event of a stream, in seconds: a little makes it readable.
    """
    # Its own key, so that no key that lies around in the environment is ever sent to it unnoticed.
    key = secrets.token_urlsafe(16)
    async with Emulator(api_key=key, pace=pace) as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": key}
        yield Demo(_MODEL, options, f"the built-in Bedrock emulator on {emulator.url}, which needs no account")
