"""Requests of the service as values: address, headers, and what of a body each of them takes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from chatport.backend.http import HttpRequest

__all__ = ["COUNTED", "count_body", "models_request", "post_request"]

_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream"
_PAGE: Final = 1000

COUNTED: Final = frozenset(
    {
        *{"cache_control", "context_management", "mcp_servers", "messages", "model", "output_config", "speed"},
        *{"system", "thinking", "tool_choice", "tools"},
    }
)
"""The members of a body that the count of its tokens takes. Source: the vendor's own types of requests."""


def post_request(
    url: str, headers: Iterable[tuple[str, str]], body: bytes, *, betas: Iterable[str] = (), streams: bool = False
) -> HttpRequest:
    """Return a request with a JSON body.

    Args:
        url: The whole address.
        headers: Who asks, and in which version.
        body: The body as JSON.
        betas: What to say in `anthropic-beta`.
        streams: Whether the answer is a stream.
    """
    said = (*headers, *_beta_header(betas), ("content-type", _JSON), ("accept", _STREAM if streams else _JSON))
    return HttpRequest("POST", url, said, body, unary=not streams)


def models_request(
    url: str, headers: Iterable[tuple[str, str]], *, betas: Iterable[str] = (), after: str | None = None
) -> HttpRequest:
    """Return the request for a page of the list of models.

    Args:
        url: The address of the list.
        headers: Who asks, and in which version.
        betas: What to say in `anthropic-beta`.
        after: The last id of the page before; None for the first page.
    """
    query = f"limit={_PAGE}" if after is None else f"limit={_PAGE}&after_id={quote(after, safe='')}"
    said = (*headers, *_beta_header(betas), ("accept", _JSON))
    return HttpRequest("GET", f"{url}?{query}", said, unary=True)


def count_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a body the count of its tokens takes."""
    return {name: value for name, value in body.items() if name in COUNTED}


def _beta_header(betas: Iterable[str]) -> tuple[tuple[str, str], ...]:
    names = ",".join(dict.fromkeys(betas))
    return (("anthropic-beta", names),) if names else ()
