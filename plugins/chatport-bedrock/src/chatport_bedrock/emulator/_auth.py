"""Who may ask: a bearer key, or a request signed with AWS Signature Version 4."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chatport_bedrock.emulator._refusal import HttpError, RefusedError

_SIGNED: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/\s]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)"
    r"/aws4_request, *SignedHeaders=(?P<headers>[a-z0-9;-]+), *Signature=(?P<signature>[0-9a-f]{64})"
)
_SERVICE: Final = "bedrock"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys that a signed request has to name.

    The signature itself is not computed again: what is checked is who claims to have signed.

    Attributes:
        access_key_id: The key's public half.
        session_token: The token that temporary keys bring along, or None for keys without one.
    """

    access_key_id: str
    session_token: str | None = field(default=None, repr=False)


def authenticate(headers: Mapping[str, str], *, api_key: str | None, credentials: Credentials | None) -> None:
    """Refuse a request that does not say who it comes from, or says it wrongly.

    Args:
        headers: The request's; looked up without regard to case.
        api_key: The bearer key to accept.
        credentials: The keys to accept. If neither is given, any key and any signature of the right form will do; if
            one is given, the other kind is refused.

    Raises:
        RefusedError: Status 403, with the code that the service uses for it.
    """
    authorization = headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        _check_bearer(token.strip(), api_key, any_key=credentials is None)
    elif (signed := _SIGNED.fullmatch(authorization)) is not None:
        _check_signed(signed, headers, credentials, any_key=api_key is None)
    elif scheme == "AWS4-HMAC-SHA256":
        raise _refused("IncompleteSignatureException", "The Authorization header is not a valid signature.")
    else:
        raise _refused("MissingAuthenticationTokenException", "Missing Authentication Token")


def _check_bearer(token: str, api_key: str | None, *, any_key: bool) -> None:
    accepted = any_key if api_key is None else hmac.compare_digest(token.encode(), api_key.encode())
    if not accepted:
        raise _refused("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.")


def _check_signed(
    signed: re.Match[str], headers: Mapping[str, str], credentials: Credentials | None, *, any_key: bool
) -> None:
    if signed["service"] != _SERVICE:
        message = f"Credential should be scoped to correct service: '{_SERVICE}'."
        raise _refused("InvalidSignatureException", message)
    if "x-amz-date" not in headers:
        raise _refused("IncompleteSignatureException", "The request has a signature but no X-Amz-Date header.")
    if credentials is None:
        accepted = any_key
    else:
        claimed = (signed["key"], headers.get("x-amz-security-token"))
        accepted = claimed == (credentials.access_key_id, credentials.session_token)
    if not accepted:
        raise _refused("UnrecognizedClientException", "The security token included in the request is invalid.")


def _refused(code: str, message: str) -> RefusedError:
    return RefusedError(HttpError(403, code, message))
