"""Content that only this service has, typed: each function makes an `Opaque` of one block, checked here. Pure.

Source: the vendor's own types of requests, and what was recorded of them.
"""

from collections.abc import Sequence
from typing import Any

from chatport.backend import Opaque
from chatport_anthropic._scope import BACKEND

__all__ = ["container_upload", "search_result", "text_document", "tool_addition"]


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
    texts = [{"type": "text", "text": text} for text in passages]
    return _block("search_result", {"source": source, "title": title, "content": texts, **_citations(citations)})


def text_document(
    content: Sequence[str], *, title: str | None = None, context: str | None = None, citations: bool = False
) -> Opaque:
    """Return a document of passages: a citation says which passage it means. For files and texts there is `Document`.

    Args:
        content: The passages.
        title: What the model may call it.
        context: What the model should know about it; it is not cited.
        citations: Whether the answer should cite it.

    Raises:
        ValueError: There are no words.
    """
    if isinstance(content, str):
        raise TypeError("content is a sequence of str; for one text there is Document")
    if not content or not all(text.strip() for text in content):
        raise ValueError("a document has words")
    texts = [{"type": "text", "text": text} for text in content]
    known = {name: value for name, value in (("title", title), ("context", context)) if value is not None}
    return _block("document", {"source": {"type": "content", "content": texts}, **known, **_citations(citations)})


def container_upload(file_id: str) -> Opaque:
    """Return a file of the Files API that is put into the container of the code execution tool.

    Say `settings.extra["anthropic"]["betas"]` as well: `files-api-2025-04-14`.

    Args:
        file_id: The id of the file.

    Raises:
        ValueError: There is no id.
    """
    if not file_id:
        raise ValueError("a file has an id")
    return _block("container_upload", {"file_id": file_id})


def tool_addition(name: str) -> Opaque:
    """Return the news that a tool, which was offered with `defer_loading`, can be called from here on.

    It stands in a message of the role `system`, behind one of the user.

    Args:
        name: The name of the tool.

    Raises:
        ValueError: There is no name.
    """
    if not name:
        raise ValueError("a tool has a name")
    return _block("tool_addition", {"tool": {"type": "tool_reference", "name": name}})


def _block(kind: str, members: dict[str, Any]) -> Opaque:
    return Opaque(BACKEND, {"type": kind, **members})


def _citations(enabled: bool) -> dict[str, Any]:  # noqa: FBT001 - the caller's own word
    return {"citations": {"enabled": True}} if enabled else {}
