"""AWS Signature Version 4, from the side of who checks: what a request was signed as, and what its signature must be.

Written from the published rules ("Create a signed AWS API request" in the user guide of AWS Identity and Access
Management), and without the code with which this package signs: one of the two finds the mistakes of the other.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote_to_bytes

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_AUTHORIZATION: Final = re.compile(
    rf"{_ALGORITHM} Credential=(?P<key>[^/\s]+)/(?P<date>\d{{8}})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)"
    r"/aws4_request, *SignedHeaders=(?P<headers>[a-z0-9;_.-]+), *Signature=(?P<signature>[0-9a-f]{64})"
)
_TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_TIME: Final = re.compile(r"\d{8}T\d{6}Z")
TOLERANCE: Final = timedelta(minutes=5)
"""How far the time of a signature may be from the service's own."""
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class Claim:
    """What an `Authorization` header of this scheme says.

    Attributes:
        access_key_id: Whose signature it is meant to be.
        date: The day of the scope, such as `"20260101"`.
        region: The region of the scope.
        service: The service of the scope.
        signed_headers: The names of the headers that are signed, in lower case, in the order of the header.
        signature: 64 hexadecimal digits.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """What the key was derived for."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def parse_claim(authorization: str) -> Claim | None:
    """Read an `Authorization` header; None if it is not one of this scheme, or not a whole one."""
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        return None
    names = tuple(found["headers"].split(";"))
    return Claim(found["key"], found["date"], found["region"], found["service"], names, found["signature"])


def expected_signature(
    claim: Claim, secret: str, *, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> str:
    """The signature that the request would have if it was signed with this secret.

    Args:
        claim: What the request says of its signature.
        secret: The secret access key.
        method: The HTTP method.
        target: Path and query as they stood in the request line.
        headers: By lower-case name.
        body: The bytes that were received.
    """
    path, _, query = target.partition("?")
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in claim.signed_headers]
    canonical = "\n".join(
        [
            method,
            _canonical_path(path),
            _canonical_query(query),
            "".join(lines),
            ";".join(claim.signed_headers),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    hashed = hashlib.sha256(canonical.encode(errors="surrogateescape")).hexdigest()
    to_sign = f"{_ALGORITHM}\n{headers.get('x-amz-date', '')}\n{claim.scope}\n{hashed}"
    key = f"AWS4{secret}".encode()
    for step in (claim.date, claim.region, claim.service, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def time_problem(claim: Claim, moment: str, now: datetime) -> str | None:
    """What is wrong with the time of a signature, in the service's words; None if nothing is.

    Args:
        claim: What the request says of its signature.
        moment: Its header `x-amz-date`.
        now: The service's own time.
    """
    signed_at = _parse_time(moment)
    if signed_at is None:
        return f"Date must be in ISO-8601 'basic format'. Got '{moment}'."
    if claim.date != moment[:8]:
        return (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{moment[:8]}', from '{moment}'."
        )
    earliest, latest = now - TOLERANCE, now + TOLERANCE
    stamp = now.strftime(_TIME_FORMAT)
    if signed_at < earliest:
        limit = earliest.strftime(_TIME_FORMAT)
        return f"Signature expired: {moment} is now earlier than {limit} ({stamp} - 5 min.)"
    if signed_at > latest:
        limit = latest.strftime(_TIME_FORMAT)
        return f"Signature not yet current: {moment} is still later than {limit} ({stamp} + 5 min.)"
    return None


def _parse_time(text: str) -> datetime | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:  # the digits are no date
        return None


def _canonical_path(path: str) -> str:
    """The path without dots and double slashes, encoded once more: all services but S3 have it encoded twice."""
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            del steps[-1:]
        elif step not in {"", "."}:
            steps.append(step)
    trailing = "/" if steps and path.endswith("/") else ""
    return f"/{'/'.join(_encode(step.encode()) for step in steps)}{trailing}"


def _canonical_query(query: str) -> str:
    """The parameters by name and value, each encoded once, however the request line has them encoded."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    encoded = ((_encode(unquote_to_bytes(name)), _encode(unquote_to_bytes(value))) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _encode(data: bytes) -> str:
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in data)
