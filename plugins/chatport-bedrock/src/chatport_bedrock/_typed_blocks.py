"""Content that only Bedrock has, typed: each function makes an `Opaque` of one block, checked here. Pure.

Source: the shapes `GuardrailConverseContentBlock`, `SearchResultBlock`, `DocumentBlock`, `ToolAdditionBlock` and
`S3Location` of the service model of Bedrock Runtime.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

from chatport.backend import Image, Media, Opaque
from chatport_bedrock._document_names import clean_name
from chatport_bedrock._media_formats import TEXT_FORMAT
from chatport_bedrock._scope import BACKEND

__all__ = [
    "GuardQualifier",
    "guard_content",
    "search_result",
    "text_document",
    "tool_addition",
    "tool_removal",
    "with_bucket_owner",
]

GuardQualifier: TypeAlias = Literal["grounding_source", "query", "guard_content"]
"""What a text is to a guardrail: what answers must rest on, what was asked, or what is to be checked."""

GUARD_IMAGES: Final = {"image/png": "png", "image/jpeg": "jpeg"}
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_MAX_TYPE: Final = 64
_MAX_NAME: Final = 128

_MediaT = TypeVar("_MediaT", bound=Media)


def guard_content(content: str | Image, *, qualifiers: Sequence[GuardQualifier] = ()) -> Opaque:
    """Return content that a guardrail is to look at, for a message or the system prompt.

    Where any content is marked so, the guardrail looks at that and not at the rest of the message. The model reads it
    as it reads any text or image.

    Args:
        content: The words, or an image with its bytes, PNG or JPEG.
        qualifiers: What the words are, for checks of grounding; none means: to be checked.

    Raises:
        ValueError: Empty words, an unknown qualifier, an image of another type or without its bytes, or one with
            qualifiers.
    """
    if isinstance(content, Image):
        if qualifiers:
            raise ValueError("qualifiers are for words; an image has none")
        return _block("guardContent", {"image": _guard_image(content)})
    if not content.strip():
        raise ValueError("there is nothing to guard in a text without a visible character")
    if isinstance(qualifiers, str):
        raise TypeError("qualifiers is a sequence of str, not one str")
    if unknown := set(qualifiers) - set(get_args(GuardQualifier)):
        known = ", ".join(get_args(GuardQualifier))
        raise ValueError(f"a qualifier is one of {known}, not {', '.join(sorted(unknown))}")
    marks = {"qualifiers": list(qualifiers)} if qualifiers else {}
    return _block("guardContent", {"text": {"text": content, **marks}})


def _guard_image(image: Image) -> dict[str, Any]:
    wire_format = GUARD_IMAGES.get(image.media_type)
    if wire_format is None or not image.data:
        raise ValueError(f"a guardrail looks at the bytes of a PNG or a JPEG, not at {image!r}")
    return {"format": wire_format, "source": {"bytes": b64encode(image.data).decode("ascii")}}


def search_result(source: str, title: str, content: str | Sequence[str], *, citations: bool = False) -> Opaque:
    """Return something that was found, for a message or the result of a tool; the model can cite it.

    Args:
        source: Where it was found, such as a URL.
        title: What it is called.
        content: The words, or passages of them: a citation says which passage it means.
        citations: Whether the answer should cite it.

    Raises:
        ValueError: There is no source, no title or no content.
    """
    passages = [content] if isinstance(content, str) else list(content)
    if not source or not title or not passages or not all(text.strip() for text in passages):
        raise ValueError("a search result has a source, a title and words")
    texts = [{"text": text} for text in passages]
    return _block("searchResult", {"source": source, "title": title, "content": texts, **_citations(citations)})


def text_document(
    name: str, content: str | Sequence[str], *, context: str | None = None, citations: bool = False
) -> Opaque:
    """Return a document that is words, not a file. For files there is `Document`.

    Args:
        name: What the model may call it: letters and digits of ASCII, single spaces, `-`, `_`, `()` and `[]`, up to
            200; each name once in a conversation.
        content: The words; or passages of them, of which a citation says which it means.
        context: What the model should know about it.
        citations: Whether the answer should cite it.

    Raises:
        ValueError: The service would refuse the name, or there are no words.
    """
    if not name or clean_name(name) != name:
        raise ValueError(f"Bedrock takes no document called {name!r}; it would take {clean_name(name)!r}")
    passages = [content] if isinstance(content, str) else list(content)
    if not passages or not all(text.strip() for text in passages):
        raise ValueError("a document has words")
    # The format of words in one piece is said: no recorded request leaves it out.
    said: dict[str, Any] = {"name": name, "source": {"content": [{"text": text} for text in passages]}}
    if isinstance(content, str):
        said |= {"format": TEXT_FORMAT, "source": {"text": content}}
    known = {} if context is None else {"context": context}
    return _block("document", {**said, **known, **_citations(citations)})


def tool_addition(name: str, *, type: str | None = None, server_name: str | None = None) -> Opaque:  # noqa: A002 - the member's name
    """Return the wish that a tool be on offer from here on, for a system message inside a conversation.

    Args:
        name: The tool, up to 128 characters.
        type: Its type, in the service's words.
        server_name: The server that has it.

    Raises:
        ValueError: A value is empty or too long.
    """
    return _block("toolAddition", {"tool": _tool(name, type, server_name)})


def tool_removal(name: str, *, type: str | None = None, server_name: str | None = None) -> Opaque:  # noqa: A002 - the member's name
    """Return the wish that a tool be on offer no longer; as `tool_addition`."""
    return _block("toolRemoval", {"tool": _tool(name, type, server_name)})


def _tool(name: str, kind: str | None, server_name: str | None) -> dict[str, str]:
    members = {"type": kind, "name": name, "serverName": server_name}
    said = {member: value for member, value in members.items() if value is not None}
    for member, value in said.items():
        limit = _MAX_TYPE if member == "type" else _MAX_NAME
        if not 0 < len(value) <= limit:
            raise ValueError(f"{member} has 1 to {limit} characters: {value!r}")
    return said


def with_bucket_owner(medium: _MediaT, account: str) -> _MediaT:
    """Return a medium of S3 with the account that has to own its bucket, or it is not read.

    Args:
        medium: A medium from `from_uri("s3://…")`.
        account: The number of the account, 12 digits.

    Raises:
        ValueError: The medium is not in S3, or the account is none.
    """
    if medium.uri is None or not medium.uri.startswith("s3://"):
        raise ValueError(f"only what is in S3 has the owner of a bucket, not {medium!r}")
    if not _ACCOUNT.fullmatch(account):
        raise ValueError(f"an account has 12 digits: {account!r}")
    own = {**medium.metadata.get(BACKEND, {}), "bucketOwner": account}
    return replace(medium, metadata={**medium.metadata, BACKEND: own})


def _citations(enabled: bool) -> dict[str, Any]:  # noqa: FBT001 - said by name where it comes from
    return {"citations": {"enabled": True}} if enabled else {}


def _block(kind: str, value: dict[str, Any]) -> Opaque:
    return Opaque(BACKEND, {kind: value})
