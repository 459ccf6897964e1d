"""Exceptions of aiobotocore, botocore, aiohttp and httpx2 become ours; none of theirs escapes."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
from botocore import exceptions as botocore_errors

from chatport.backend import (
    AuthenticationError,
    BackendError,
    ConfigurationError,
    StreamInterruptedError,
    StreamTimeoutError,
    TransportError,
)

if TYPE_CHECKING:
    from chatport.backend import ChatError, Phase

_CREDENTIAL_ERRORS = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.NoAuthTokenError,
    botocore_errors.TokenRetrievalError,
    botocore_errors.SSOError,
    botocore_errors.LoginError,
    botocore_errors.RefreshWithMFAUnsupportedError,
    botocore_errors.MetadataRetrievalError,
)


@contextmanager
def mapped(*, model: str, phase: Phase, request_id: str | None = None, profile: str | None = None) -> Iterator[None]:
    """Raise our error for whatever the transport below raises; ours and cancellation pass as they are.

    Args:
        model: The model that was asked.
        phase: How far the exchange had come.
        request_id: The service's id of the request, once known.
        profile: The AWS profile in use, for hints.
    """
    try:
        yield
    except Exception as error:
        ours = _translate(error, phase=phase, profile=profile)
        if ours is None:
            raise
        if isinstance(ours, BackendError):
            ours.backend, ours.model, ours.request_id = "bedrock", model, request_id
            ours.phase = ours.phase or phase
        raise ours from error


def _translate(error: Exception, *, phase: Phase, profile: str | None) -> ChatError | None:
    if isinstance(error, _CREDENTIAL_ERRORS):
        return _credential_error(error, profile)
    if isinstance(error, botocore_errors.HTTPClientError):
        return _http_error(error, phase)
    if isinstance(error, botocore_errors.BotoCoreError):
        return ConfigurationError(f"the AWS configuration cannot be used: {error}")
    if isinstance(error, (aiohttp.ClientError, OSError)) or _is_httpx(error):
        return _broken_off(error, phase)
    return None


def _credential_error(error: Exception, profile: str | None) -> AuthenticationError:
    command = f"aws sso login --profile {profile}" if profile else "aws sso login"
    where = f"profile {profile!r}" if profile else "the default profile"
    message = f"no usable AWS credentials ({where}): {error}; renew them, for example with `{command}`"
    return AuthenticationError(message, phase="connect")


def _http_error(error: botocore_errors.HTTPClientError, phase: Phase) -> TransportError:
    match error:
        case botocore_errors.SSLError():
            # A certificate that is not trusted will not be trusted the next time.
            return TransportError(str(error), phase="connect", retryable=False)
        case botocore_errors.ConnectTimeoutError() | botocore_errors.EndpointConnectionError():
            return TransportError(str(error), phase="connect")
        case botocore_errors.ProxyConnectionError():
            return TransportError(str(error), phase="connect")
        case botocore_errors.ReadTimeoutError():
            return StreamTimeoutError(f"no answer came in time: {error}", phase=phase)
        case _:
            return TransportError(f"the connection broke before an answer came: {error}", phase=phase)


def _broken_off(error: Exception, phase: Phase) -> BackendError:
    reason = str(error) or type(error).__name__
    if _is_timeout(error):
        return StreamTimeoutError(f"the service fell silent: {reason}", phase=phase)
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return TransportError(f"TLS failed: {reason}", phase=phase)
    if phase == "stream":
        return StreamInterruptedError(f"the connection broke in the middle of the stream: {reason}", phase=phase)
    return TransportError(f"the connection broke before the answer was complete: {reason}", phase=phase)


def _is_timeout(error: Exception) -> bool:
    module = sys.modules.get("httpx2")
    return isinstance(error, TimeoutError) or (module is not None and isinstance(error, module.TimeoutException))


def _is_httpx(error: Exception) -> bool:
    """Whether the error is httpx2's; where httpx2 is not loaded, it cannot be."""
    module = sys.modules.get("httpx2")
    return module is not None and isinstance(error, (module.HTTPError, module.StreamError))
