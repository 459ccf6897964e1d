"""Signatures of reasoning: the emulator signs what it thinks, and knows its own signature again.

A real signature is bound to the conversation as well. This one is a keyed hash of the text alone, so that a history
outlives the emulator that made it; the key is no secret, as there is nothing to protect.
"""

import base64
import hmac
from typing import Final

_KEY: Final = b"chatport-bedrock emulator: reasoning"


def sign(text: str) -> str:
    """The signature of a reasoning text: printable, the same for the same text."""
    return base64.b64encode(hmac.digest(_KEY, text.encode(), "sha256")).decode("ascii")


def is_own_signature(text: str, signature: str) -> bool:
    """Whether the emulator has signed this very text."""
    return hmac.compare_digest(sign(text).encode(), signature.encode())
