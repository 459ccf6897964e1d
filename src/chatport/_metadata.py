"""What a backend has left in the metadata of a part or a message."""

from collections.abc import Mapping
from typing import Any

from chatport._json_values import is_object


def own_metadata(metadata: Mapping[str, Any], backend: str) -> dict[str, Any]:
    """Return what a backend has left in metadata; empty where it is not there, or no JSON object.

    Histories come from anywhere, and metadata in them are what somebody wrote there: nothing in them can be relied on.

    Args:
        metadata: The metadata of a part, a message or a citation.
        backend: The backend's name, which is the key.
    """
    own = metadata.get(backend)
    return own if is_object(own) else {}
