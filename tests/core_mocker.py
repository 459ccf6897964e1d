"""respx, which people know from httpx, for services behind httpcore2.

respx 0.23 replaces httpcore's connections; httpcore2 is a copy of it, for which a mocker with other targets is enough.
Importing this registers it under its name, for `respx.mock(using=…)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import httpcore2
from respx.mocks import HTTPCoreMocker

if TYPE_CHECKING:
    import httpx


class CoreMocker(HTTPCoreMocker):
    """respx's mocker for httpcore, for the copy that the wire uses."""

    name: ClassVar[str] = "httpcore2"
    targets: ClassVar[list[str]] = [target.replace("httpcore.", "httpcore2.", 1) for target in HTTPCoreMocker.targets]

    @classmethod
    def from_sync_httpx_response(cls, httpx_response: httpx.Response, target: object, **_: object) -> Any:
        """Return an answer of httpcore2 in place of httpcore's."""
        del target
        return httpcore2.Response(
            status=httpx_response.status_code,
            headers=httpx_response.headers.raw,
            content=httpx_response.stream,
            extensions=httpx_response.extensions,
        )
