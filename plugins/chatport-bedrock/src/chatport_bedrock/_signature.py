"""Signatures of requests: AWS Signature Version 4. Pure: what to sign in, headers out.

botocore has a signer, and the tests hold this one against it. It is not used, because it writes the session token and
the signature into a log record at the level DEBUG; it also takes more than twice as long.

Source: "Create a signed AWS API request" in the user guide of AWS Identity and Access Management.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlsplit

__all__ = ["Keys", "sign"]

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SERVICE: Final = "bedrock"
_MAX_SCOPES: Final = 8


@dataclass(frozen=True, slots=True)
class Keys:
    """What requests are signed with.

    Attributes:
        access_key_id: Says whose signature it is; sent along.
        secret_access_key: Signs; never sent.
        session_token: Goes with temporary keys; sent along.
        derived: The keys of days and regions that were made of the secret; they stay here, to go when it goes.
    """

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    derived: dict[str, hmac.HMAC] = field(default_factory=dict[str, hmac.HMAC], init=False, repr=False, compare=False)


def sign(
    url: str,
    headers: Mapping[str, str],
    body: bytes | Sequence[bytes],
    *,
    keys: Keys,
    region: str,
    now: datetime,
    method: str = "POST",
) -> dict[str, str]:
    """Return the headers that a request needs besides its own to be accepted.

    Args:
        url: Where it goes: an encoded path, and perhaps a query whose names and values are encoded in the same way.
        headers: The headers to be signed, the host among them; no proxy on the way may change these.
        body: What is sent, in one piece or several.
        keys: Whose signature it is to be.
        region: The region that the endpoint belongs to.
        now: The time in UTC; the service refuses what is minutes off.
        method: The HTTP method.
    """
    time = now.isoformat(timespec="seconds")
    day = f"{time[:4]}{time[5:7]}{time[8:10]}"
    moment = f"{day}T{time[11:13]}{time[14:16]}{time[17:19]}Z"
    scope = f"{day}/{region}/{_SERVICE}/aws4_request"
    added = {"X-Amz-Date": moment}
    if keys.session_token:
        added["X-Amz-Security-Token"] = keys.session_token
    signed = sorted([(name.lower(), " ".join(value.split())) for name, value in (*headers.items(), *added.items())])
    names = ";".join([name for name, _ in signed])
    lines = "".join([f"{name}:{value}\n" for name, value in signed])
    canonical = f"{method}\n{_canonical_address(url)}\n{lines}\n{names}\n{_digest(body)}"
    to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signer = (keys.derived.get(scope) or _derived_key(keys, scope)).copy()
    signer.update(to_sign.encode())
    added["Authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signer.hexdigest()}"
    )
    return added


def _digest(body: bytes | Sequence[bytes]) -> str:
    found = sha256()
    for piece in (body,) if isinstance(body, bytes) else body:
        found.update(piece)
    return found.hexdigest()


def _derived_key(keys: Keys, scope: str) -> hmac.HMAC:
    """What signs with the key of a day and a region, which many requests share; to be copied."""
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    if len(keys.derived) >= _MAX_SCOPES:  # days pass
        keys.derived.clear()
    made = keys.derived[scope] = hmac.new(key, digestmod="sha256")
    return made


@lru_cache(maxsize=256)
def _canonical_address(url: str) -> str:
    """Path and query as they are signed. The path is encoded once more: services other than S3 sign it like that."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/~")
    # By name, then by value: `a-b=` comes after `a=`, which is the other way round where whole parameters are compared.
    parameters = parts.query.split("&") if parts.query else []
    pairs = sorted([parameter.partition("=")[::2] for parameter in parameters])
    return f"{path}\n{'&'.join([f'{name}={value}' for name, value in pairs])}"
