"""Who may ask: a bearer key, or a request signed with AWS Signature Version 4."""

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from chatport_bedrock.emulator._journal import RecordedRequest
from chatport_bedrock.emulator._refusal import HttpError, RefusedError
from chatport_bedrock.emulator._sigv4 import Claim, expected_signature, parse_claim, time_problem

_SERVICE: Final = "bedrock"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys with which requests have to be signed; their signatures are computed again and compared.

    Attributes:
        access_key_id: The key's public half.
        secret_access_key: The key itself.
        session_token: The token that temporary keys bring along, or None for keys without one.
        region: The region that requests have to be signed for, or None for any.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask.

    If neither key is given, any key and any signature of the right form will do; if one is given, the other kind is
    refused; if both are, both are accepted.

    Attributes:
        api_key: The bearer key to accept.
        credentials: The keys to accept of signed requests.
    """

    api_key: str | None = field(default=None, repr=False)
    credentials: Credentials | None = None


def authenticate(request: RecordedRequest, access: Access, *, now: datetime | None = None) -> None:
    """Refuse a request that does not say who it comes from, says it wrongly, or cannot prove it.

    Args:
        request: As it arrived.
        access: Who may ask.
        now: The time by which signatures are judged; that of the clock if None.

    Raises:
        RefusedError: Status 403, with the code that the service uses for it.
    """
    authorization = request.headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        _check_bearer(token.strip(), access)
    elif (claim := parse_claim(authorization)) is not None:
        _check_signed(claim, request, access, now or datetime.now(UTC))
    elif scheme == "AWS4-HMAC-SHA256":
        raise _refused("IncompleteSignatureException", "The Authorization header is not a valid signature.")
    else:
        raise _refused("MissingAuthenticationTokenException", "Missing Authentication Token")


def signed_region(request: RecordedRequest) -> str | None:
    """The region that a request was signed for; None if it is not signed."""
    claim = parse_claim(request.headers.get("authorization", ""))
    return claim.region if claim else None


def _check_bearer(token: str, access: Access) -> None:
    if access.api_key is None:
        accepted = access.credentials is None
    else:
        accepted = hmac.compare_digest(token.encode(), access.api_key.encode())
    if not accepted:
        raise _refused("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.")


def _check_signed(claim: Claim, request: RecordedRequest, access: Access, now: datetime) -> None:
    _check_scope(claim, access.credentials)
    if "x-amz-date" not in request.headers:
        raise _refused("IncompleteSignatureException", "The request has a signature but no X-Amz-Date header.")
    if access.credentials is None:
        if access.api_key is not None:
            raise _unknown_token()
        return
    _check_identity(claim, request, access.credentials)
    unsigned = _unsigned_headers(claim, request)
    if unsigned:
        raise _refused(
            "InvalidSignatureException", f"'{unsigned[0]}' must be a 'SignedHeader' in the AWS Authorization."
        )
    problem = time_problem(claim, request.headers["x-amz-date"], now)
    if problem is not None:
        raise _refused("InvalidSignatureException", problem)
    expected = expected_signature(
        claim,
        access.credentials.secret_access_key,
        method=request.method,
        target=request.path,
        headers=request.headers,
        body=request.raw_body,
    )
    if not hmac.compare_digest(expected, claim.signature):
        message = (
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
        raise _refused("InvalidSignatureException", message)


def _check_scope(claim: Claim, credentials: Credentials | None) -> None:
    if claim.service != _SERVICE:
        message = f"Credential should be scoped to correct service: '{_SERVICE}'."
        raise _refused("InvalidSignatureException", message)
    if credentials is not None and credentials.region not in {None, claim.region}:
        message = f"Credential should be scoped to a valid region, not '{claim.region}'."
        raise _refused("InvalidSignatureException", message)


def _check_identity(claim: Claim, request: RecordedRequest, credentials: Credentials) -> None:
    claimed = (claim.access_key_id, request.headers.get("x-amz-security-token"))
    if claimed != (credentials.access_key_id, credentials.session_token):
        raise _unknown_token()


def _unsigned_headers(claim: Claim, request: RecordedRequest) -> list[str]:
    """Headers that have to be signed but are not: the host, and all of AWS's own."""
    required = {"host", *(name for name in request.headers if name.startswith("x-amz-"))}
    return sorted(required.difference(claim.signed_headers))


def _unknown_token() -> RefusedError:
    return _refused("UnrecognizedClientException", "The security token included in the request is invalid.")


def _refused(code: str, message: str) -> RefusedError:
    return RefusedError(HttpError(403, code, message))
