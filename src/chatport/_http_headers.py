"""What headers of an answer say, as values."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_RETRY_SECONDS: Final = 86_400.0
_REQUEST_IDS: Final = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "x-ms-request-id", "cf-ray")


def joined_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by name in lower case; of one that is there twice, all values, so that none is overlooked."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how long a service asks to wait, in seconds: never less than 0, and never more than a day.

    Source: `Retry-After` of RFC 9110, a number of seconds or a date, and `retry-after-ms`, which is finer. Where one
    says nothing that can be used, or 0 milliseconds, the other counts.

    Args:
        headers: The headers of an answer, names in lower case.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds:
        return _bounded(milliseconds / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is None and text is not None:
        seconds = _seconds_until(text)
    if seconds is None:
        seconds = milliseconds
    return None if seconds is None else _bounded(seconds)


def request_id_of(headers: Mapping[str, str], *, first: tuple[str, ...] = ()) -> str | None:
    """Return the service's id of a request, under whichever name it gives it; `first` names are looked at first."""
    return next((headers[name] for name in (*first, *_REQUEST_IDS) if headers.get(name)), None)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if isfinite(number) else None


def _seconds_until(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError, OSError):  # no date, or none that clocks can say
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _MAX_RETRY_SECONDS)
