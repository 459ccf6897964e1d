"""Errors of HTTP answers, by what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chatport_bedrock._errors import error_from_response

if TYPE_CHECKING:
    from chatport.backend import BackendError

BASE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
VALIDATION = "ValidationException"


def refused(
    code: str | None, message: str, *, status: int = 400, model: str = BASE, region: str | None = None, remedy: str = ""
) -> BackendError:
    """The error of an HTTP answer."""
    headers = {} if code is None else {"x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/"}
    body = json.dumps({"message": message}).encode()
    return error_from_response(status, headers, body, model=model, region=region, remedy=remedy)


INVALID = "The provided model identifier is invalid."
