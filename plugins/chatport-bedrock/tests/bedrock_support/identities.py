"""Who asks with made-up keys, and what was signed for whom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import chatport

if TYPE_CHECKING:
    from bedrock_support.loopback import Received

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI"}
ARN = "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"


async def ask(model: str, **options: Any) -> None:
    """Ask a model once, through a backend with these options."""
    async with chatport.open_session(f"bedrock:{model}", backend_options=options, retry=None) as session:
        await session.ask("hi")


def scope_of(received: Received) -> tuple[str, str, str]:
    """Key, region and service that a request was signed for."""
    found = re.match(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, ", received.headers["authorization"]
    )
    assert found
    return found[1], found[2], found[3]
