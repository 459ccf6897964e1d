"""Calls of the service as values: method, address below the endpoint, body. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal, TypeAlias
from urllib.parse import quote

from chatport_bedrock._cut_body import CutBody

__all__ = [
    "Call",
    "ChatOperation",
    "HttpRequest",
    "Service",
    "catalog_call",
    "chat_call",
    "count_call",
    "profile_call",
]

Service: TypeAlias = Literal["bedrock-runtime", "bedrock"]
"""What models are asked through, and the control plane, which knows what there is; each has hosts of its own."""

ChatOperation: TypeAlias = Literal["converse", "converse-stream"]

_JSON: Final = "application/json"
_STREAM: Final = "application/vnd.amazon.eventstream"
# Ids are ARNs too: every character but the unreserved ones is encoded, as botocore does for a path label.
_UNRESERVED: Final = "-._~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, without what signs it and where it goes.

    Attributes:
        service: Whose hosts it goes to.
        method: The HTTP method.
        path: The encoded path, and the query where there is one.
        body: What is sent; a GET sends nothing. Not in the `repr`: it is the whole conversation.
        accept: The type of answer that is wanted.
        model: The model that the caller means: its ARN may say the region, and errors name it. None: no model.
    """

    service: Service = "bedrock-runtime"
    method: Literal["GET", "POST"] = "POST"
    path: str
    body: bytes | CutBody = field(default=b"", repr=False)
    accept: str = _JSON
    model: str | None = None


class HttpRequest:
    """A call with all that is sent: what the HTTP sessions of aiobotocore read of botocore's own, which costs more.

    Attributes:
        method: The HTTP method.
        url: The whole address, encoded.
        headers: All that are sent.
        body: What is sent: bytes, or pieces of them where they are many.
        stream_output: Whether the caller reads the body of the answer.
        context: Nothing: aiobotocore looks for a timeout here.
    """

    __slots__ = ("body", "headers", "method", "url")

    stream_output: ClassVar[bool] = True
    context: ClassVar[None] = None

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | tuple[bytes, ...]) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body: Any = body


def chat_call(operation: ChatOperation, model: str, body: bytes | CutBody) -> Call:
    """Return the call that asks a model."""
    accept = _STREAM if operation == "converse-stream" else _JSON
    return Call(path=f"/model/{_encoded(model)}/{operation}", body=body, accept=accept, model=model)


def count_call(counted: str, body: bytes | CutBody, *, model: str) -> Call:
    """Return the call that counts tokens.

    Args:
        counted: The id that the service counts for.
        body: What is counted.
        model: The id that the caller gave.
    """
    return Call(path=f"/model/{_encoded(counted)}/count-tokens", body=body, model=model)


def catalog_call(path: str, parameters: Mapping[str, str] | None = None) -> Call:
    """Return a call that reads from the control plane.

    Args:
        path: Such as `/foundation-models`.
        parameters: The query.
    """
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in (parameters or {}).items())
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return Call(service="bedrock", method="GET", path=f"{path}?{query}" if query else path)


def profile_call(profile: str) -> Call:
    """Return the call that asks the control plane for one inference profile, by its ARN, in the region that it says."""
    return Call(service="bedrock", method="GET", path=f"/inference-profiles/{_encoded(profile)}", model=profile)


@lru_cache(maxsize=256)
def _encoded(text: str) -> str:
    return quote(text, safe=_UNRESERVED)
