"""Media that the service refuses: too large, too many, not what they seem, or nowhere.

Sizes are asked of the objects and of the headers of images; no content is copied or read through.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from chatport.backend import Image, Media, UnsupportedError, encoded_media_type
from chatport.backend.translation import is_array, is_object
from chatport_bedrock._image_header import read_image
from chatport_bedrock._limits import Limits
from chatport_bedrock._media_formats import member_of
from chatport_bedrock._scope import Scope
from chatport_bedrock._turn import Turn

__all__ = ["check_bytes", "check_counts", "check_names", "check_uri"]

_LEFT_TO_THE_SERVICE: Final = "the option check_limits=False leaves this to the service"
# `S3Uri` in the service model.
_S3_URI: Final = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](?:/.*)?", re.DOTALL)
_MAX_URI: Final = 1024
_ACCOUNT: Final = re.compile(r"[0-9]{12}")  # `AccountId` there


def check_uri(uri: str, owner: object, path: str) -> None:
    """Refuse an address that is none in S3, and an owner of the bucket that is no account.

    Raises:
        UnsupportedError: It breaks the pattern of the service, or is too long.
    """
    if len(uri) > _MAX_URI:
        raise UnsupportedError(f"{path}.uri: an address has {_MAX_URI} characters at most; this one has {len(uri)}")
    if not _S3_URI.fullmatch(uri):
        raise UnsupportedError(
            f"{path}.uri: {uri!r} is no address in S3: buckets have 3 to 63 lower-case letters, digits, '.' and '-'"
        )
    if owner is not None and not (isinstance(owner, str) and _ACCOUNT.fullmatch(owner)):
        raise UnsupportedError(f"{path}.metadata: the owner of a bucket is an account of 12 digits, not {owner!r}")


def check_bytes(part: Media, wire_format: str, path: str, scope: Scope) -> None:
    """Refuse content that the service refuses.

    Args:
        part: The medium; one that is only an address is left alone.
        wire_format: What the service calls its type.
        path: Where it stands.
        scope: The request's scope, which has the limits.

    Raises:
        UnsupportedError: It is base64 text in place of what the text stands for, or larger than the limits allow.
    """
    data = part.data
    if data is None:
        return
    encoded = None if part.media_type.startswith("text/") else encoded_media_type(data)
    if encoded is not None:
        raise UnsupportedError(
            f"{path}.data: this is base64 text of {encoded}: give the bytes that it stands for, as from "
            "base64.b64decode; they are encoded when they are sent"
        )
    limits = scope.limits
    if limits is None:
        return
    kind = member_of(type(part))
    limit = _size_limit(kind, wire_format, limits)
    if limit is not None and len(data) > limit:
        raise _refused(path, f"the {kind} has {len(data):,} bytes, and this model takes {limit:,} at most")
    if isinstance(part, Image):
        _check_pixels(data, limits.image_pixels, path, "this model takes {} at most")


def _size_limit(kind: str, wire_format: str, limits: Limits) -> int | None:
    if kind == "image":
        return limits.image_bytes
    if kind == "video":
        return limits.video_bytes
    return limits.document_bytes if kind == "document" and wire_format not in limits.large_documents else None


def _check_pixels(data: bytes, limit: int | None, path: str, why: str) -> None:
    if limit is None:
        return
    found = read_image(data)
    if found is None or found.width is None or found.height is None or max(found.width, found.height) <= limit:
        return
    raise _refused(path, f"the image has {found.width} x {found.height} pixels, and {why.format(limit)} on a side")


def check_counts(turns: Iterable[Turn], scope: Scope) -> None:
    """Refuse a request with more media than the limits allow.

    Raises:
        UnsupportedError: There are more; the message says where the first one stands that is too many.
    """
    limits = scope.limits
    if limits is None:
        return
    images: list[tuple[str, dict[str, Any]]] = []
    documents = 0
    for turn in turns:
        in_turn = 0
        for path, kind, medium, is_own in _media(turn):
            if kind == "image":
                images.append((path, medium))
                in_turn += is_own
                _check_count(in_turn, limits.images, "images in one message", path)
            else:
                documents += 1
                _check_count(documents, limits.documents, "documents in one request", path)
    if limits.many_images is not None and len(images) + documents > limits.many_images:
        why = f"this model takes {{}} at most in a request with more than {limits.many_images} images and documents"
        for path, medium in images:
            data = source.get("bytes") if is_object(source := medium.get("source")) else None
            if isinstance(data, bytes):
                _check_pixels(data, limits.many_images_pixels, path, why)


def check_names(turns: Iterable[Turn]) -> None:
    """Refuse two documents of one name: what is said in the service's own words keeps its names.

    Raises:
        UnsupportedError: There are two; the message says where the second one stands.
    """
    seen: set[str] = set()
    for turn in turns:
        for path, kind, medium, _ in _media(turn):
            name = medium.get("name")
            if kind != "document" or not isinstance(name, str):
                continue
            if name in seen:
                raise UnsupportedError(f"{path}: another document is called {name!r} too, and each name is taken once")
            seen.add(name)


def _media(turn: Turn) -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    """The images and documents of a turn, those inside results of tools too: place, kind, content, whether outside."""
    for path, block in turn.blocks:
        if len(block) == 1 and "text" in block:
            continue
        result = block.get("toolResult")
        inner = result.get("content") if is_object(result) else None
        for each, is_own in ((block, True), *((entry, False) for entry in (inner if is_array(inner) else ()))):
            for kind in ("image", "document"):
                medium = each.get(kind) if is_object(each) else None
                if is_object(medium):
                    yield path, kind, medium, is_own


def _check_count(count: int, limit: int | None, what: str, path: str) -> None:
    if limit is not None and count > limit:
        raise _refused(path, f"there are more than {limit} {what}, and this is number {count}")


def _refused(path: str, why: str) -> UnsupportedError:
    return UnsupportedError(f"{path}: {why}; {_LEFT_TO_THE_SERVICE}")
