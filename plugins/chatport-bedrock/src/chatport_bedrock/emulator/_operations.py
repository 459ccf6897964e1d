"""The operations that the emulator has, and the addresses at which they are asked for."""

import re
from typing import Final, Literal
from urllib.parse import unquote

ChatOperation = Literal["Converse", "ConverseStream"]
CatalogOperation = Literal["ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles", "GetInferenceProfile"]
Operation = ChatOperation | Literal["CountTokens"] | CatalogOperation

CATALOG_OPERATIONS: Final[frozenset[CatalogOperation]] = frozenset(
    {"ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles", "GetInferenceProfile"}
)
"""Those of the control plane, which the service has at another host, and the emulator at the same."""
LOOK_UPS: Final[frozenset[str]] = frozenset({"CountTokens", *CATALOG_OPERATIONS})
"""Those that ask no model for an answer."""

# Method, pattern of the path, operation. The id is whatever a client left of it: encoded or not, with `/` and `:`.
_ROUTES: Final[tuple[tuple[str, re.Pattern[str], Operation], ...]] = (
    ("POST", re.compile(r"/model/(?P<id>.+)/converse", re.DOTALL), "Converse"),
    ("POST", re.compile(r"/model/(?P<id>.+)/converse-stream", re.DOTALL), "ConverseStream"),
    ("POST", re.compile(r"/model/(?P<id>.+)/count-tokens", re.DOTALL), "CountTokens"),
    ("GET", re.compile(r"/foundation-models(?P<id>)"), "ListFoundationModels"),
    ("GET", re.compile(r"/foundation-models/(?P<id>.+)", re.DOTALL), "GetFoundationModel"),
    ("GET", re.compile(r"/inference-profiles(?P<id>)"), "ListInferenceProfiles"),
    ("GET", re.compile(r"/inference-profiles/(?P<id>.+)", re.DOTALL), "GetInferenceProfile"),
)


def parse_address(method: str, target: str) -> tuple[Operation | None, str]:
    """Read operation and id from a request line; the id may be percent-encoded or not, with `/` and `:` inside.

    Returns:
        The operation, None if the address is no operation that the emulator has; and the id in the address, decoded:
        of a model or a profile, empty if there is none.
    """
    path = target.partition("?")[0]
    for expected, pattern, operation in _ROUTES:
        found = pattern.fullmatch(path)
        if found is not None and method == expected:
            return operation, unquote(found["id"])
    return None, ""
