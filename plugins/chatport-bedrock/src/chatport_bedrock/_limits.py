"""How many media a request may have and how large they may be, as data.

Sources: [Message] is the reference of that type, which the service model repeats; [Restrictions] is the page "API
restrictions" of the service's user guide; "reported" are messages of the service, and measurements, in public reports.
What the reference says is not always enforced, and may be raised on any day: the backend's option `check_limits`
leaves all of this to the service. Of a model that nobody has described only what the service itself enforces is said.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from chatport_bedrock._models import base_model, capabilities

__all__ = ["Limits", "limits_of"]

_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may have. None is no limit that is known. Sizes are those of the content, in bytes.

    Attributes:
        documents: How many documents, in the whole request. [Restrictions]; reported.
        document_bytes: The size of a document. Reported: the 4.5 MB of the documentation are counted in millions.
        large_documents: Formats of documents that may be larger.
        images: How many images, in one message. [Message]
        image_bytes: The size of an image.
        image_pixels: The longest side of an image.
        many_images: How many images and documents a request may have before `many_images_pixels` holds.
        many_images_pixels: The longest side of every image in a request with that many.
        video_bytes: The size of a video. [Message]
    """

    documents: int | None = 5
    document_bytes: int | None = 4_500_000
    large_documents: frozenset[str] = frozenset({"docx", "pdf"})
    images: int | None = None
    image_bytes: int | None = None
    image_pixels: int | None = None
    many_images: int | None = None
    many_images_pixels: int | None = None
    video_bytes: int | None = 25 * _MEGABYTE


_NONE_LARGE: Final = frozenset[str]()
# [Message], for every model that the table of models describes.
_DOCUMENTED: Final = Limits(
    large_documents=_NONE_LARGE,
    images=20,
    image_bytes=3_932_160,  # 3.75 MiB
    image_pixels=8000,
)
# Beginnings of base ids, and what differs; later rows over earlier ones.
_ROWS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    # Reported: "image exceeds 5 MB maximum", counted in base64, which is what [Message] says of the content;
    # "max allowed size for many-image requests: 2000 pixels", with documents counted too.
    (r"anthropic\.", {"many_images": 20, "many_images_pixels": 2000}),
    # [Restrictions]: since Claude 4 the size of a PDF is the model's business; reported of 22 MB.
    (r"anthropic\.claude-[a-z]+-(?:[4-9]|[1-9]\d)(?!\d)", {"large_documents": frozenset({"pdf"})}),
    # [Restrictions]; reported: Nova takes far larger images.
    (r"amazon\.nova", {"large_documents": frozenset({"docx", "pdf"}), "image_bytes": None}),
)


@lru_cache(maxsize=256)
def limits_of(model_id: str) -> Limits:
    """Return what a request to a model may have."""
    if not capabilities(model_id).known:
        return Limits()
    found = _DOCUMENTED
    model = base_model(model_id).lower()
    for beginning, differences in _ROWS:
        if re.match(beginning, model):
            found = replace(found, **differences)
    return found
