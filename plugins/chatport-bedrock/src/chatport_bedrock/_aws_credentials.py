"""Keys as a program hands them over."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

__all__ = ["PRINTABLE", "AwsCredentials", "CredentialsCallable"]

PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")
"""What a header can carry, which is where keys and tokens go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCredentials:
    """Keys of AWS: what the option `credentials` of the Bedrock backend returns.

    Its `repr` shows none of them.

    Attributes:
        access_key_id: Says whose signature it is.
        secret_access_key: Signs; it is never sent.
        session_token: Goes with temporary keys.
        expires_at: When the keys end, with its time zone. They are asked for anew before that; None: only after the
            service has refused them.

    Raises:
        TypeError: A value has another type.
        ValueError: A key is blank or holds what no header can carry, or `expires_at` has no time zone.
    """

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Look at every value; no message shows one."""
        for name in ("access_key_id", "secret_access_key", "session_token"):
            value: object = getattr(self, name)
            if value is None and name == "session_token":
                continue
            if not isinstance(value, str):
                raise TypeError(f"{name} is a {type(value).__name__}, not a str")
            if not PRINTABLE.fullmatch(value):
                raise ValueError(f"{name} is blank or holds characters that none has")
        expires_at: object = self.expires_at
        if expires_at is None:
            return
        if not isinstance(expires_at, datetime):
            raise TypeError(f"expires_at is a {type(expires_at).__name__}, not a datetime")
        if expires_at.utcoffset() is None:
            raise ValueError("expires_at has no time zone: nobody knows which moment it means")


CredentialsCallable: TypeAlias = Callable[[], Awaitable[AwsCredentials]]
"""What the option `credentials` takes: called without arguments and awaited."""
