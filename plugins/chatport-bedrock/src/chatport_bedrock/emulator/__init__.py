"""A Bedrock Runtime on loopback: it speaks the real wire, checks requests as the service does, and needs no account.

    from chatport_bedrock.emulator import Emulator

    with Emulator() as emulator:
        client = boto3.client(
            "bedrock-runtime",
            endpoint_url=emulator.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )

A client for `bedrock`, the control plane, finds models and inference profiles at the same address.
`python -m chatport_bedrock.emulator` serves until it is interrupted. What goes wrong in real life can be scripted:

    emulator.enqueue(HttpError(429, "ThrottlingException", "Too many requests", {"retry-after": "2"}))
    emulator.enqueue(Answer(fault=Cut(how="abort", after_events=3)))

"""

from chatport_bedrock.emulator._answer import Event
from chatport_bedrock.emulator._auth import Credentials
from chatport_bedrock.emulator._journal import Disconnect, RecordedRequest
from chatport_bedrock.emulator._refusal import HttpError
from chatport_bedrock.emulator._script import (
    Answer,
    BadChecksum,
    Cut,
    Fault,
    Hold,
    Scripted,
    StreamException,
)
from chatport_bedrock.emulator._server import Emulator

__all__ = [
    "Answer",
    "BadChecksum",
    "Credentials",
    "Cut",
    "Disconnect",
    "Emulator",
    "Event",
    "Fault",
    "Hold",
    "HttpError",
    "RecordedRequest",
    "Scripted",
    "StreamException",
]
