"""Media that are given as URLs, fetched for a request: the history keeps the URL, the backend gets the content."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import anyio
import anyio.to_thread

from chatport._errors import UnsupportedError
from chatport._media import Media, with_content
from chatport._messages import Message, Part, ToolResult
from chatport._sniff import canonical_media_type, media_type_from_name
from chatport._urls import MAX_BYTES, STANDARD_PORTS, parse_url

if TYPE_CHECKING:
    from chatport._fetch import Fetcher
    from chatport._request import ChatRequest

_AT_ONCE = 4  # downloads, of one request
# What a server says that does not know, or does not care.
_VAGUE_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream", "text/plain"})

NativeUrls: TypeAlias = bool | Callable[[Media, str], bool]
"""A backend's `native_urls`: whether its service takes URLs, or a function that says it of a medium and a model."""


def native_urls(backend: object) -> NativeUrls:
    """Return what a backend says of URLs; one that says nothing takes none."""
    said: NativeUrls = getattr(backend, "native_urls", False)
    return said


_Key: TypeAlias = tuple[type[Media], str, str]
MediaT = TypeVar("MediaT", bound=Media)


class UrlMedia:
    """Puts the content into requests where they name URLs, and remembers it.

    A session has one. What it has fetched stays the same for as long as it is in the conversation: the model does not
    see another picture in the second turn than in the first, and nothing is downloaded twice.
    """

    def __init__(self, fetcher: Fetcher | None = None) -> None:
        """Prepare; nothing is fetched yet."""
        self._fetcher = fetcher
        self._known: Mapping[_Key, Media] = {}

    def copy(self) -> UrlMedia:
        """Return another one that remembers the same, for a conversation that parts from this one."""
        other = UrlMedia(self._fetcher)
        other._known = self._known  # replaced with every request, never changed
        return other

    async def filled(self, request: ChatRequest, native_urls: NativeUrls) -> ChatRequest:
        """Return a request whose media have their content, save those that the service fetches itself.

        Args:
            request: The request; it is not changed.
            native_urls: As the backend says it.

        Raises:
            UnsupportedError: A URL may not be fetched, or what is there does not fit; nothing was sent to the backend.
            TransportError: A URL could not be fetched now.
            ConfigurationError: The extra `url` is not installed.
        """
        if native_urls is True:
            return request
        wanted: dict[_Key, Media] = {}
        for medium in _url_media(request):
            if not (callable(native_urls) and native_urls(medium, request.model)):
                wanted.setdefault(_key(medium), medium)
        if not wanted:
            return request
        content = {key: self._known[key] for key in wanted if key in self._known}
        await self._fetch_all([medium for key, medium in wanted.items() if key not in content], content)
        self._known = content  # and what no message names any more is let go
        return replace(
            request,
            system=_filled_parts(request.system, content),
            messages=tuple(_filled_message(message, content) for message in request.messages),
        )

    async def _fetch_all(self, media: Sequence[Media], content: dict[_Key, Media]) -> None:
        """Fetch a few at a time; the first failure ends them all and is raised as it is."""
        failures: list[Exception] = []
        if self._fetcher is None:
            self._fetcher = await _new_fetcher()
        fetcher = self._fetcher
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def fetch(medium: Media) -> None:
            try:
                async with limiter:
                    content[_key(medium)] = await _with_fetched(medium, fetcher)
            except Exception as failure:  # noqa: BLE001 - whatever it is, it leaves the task group as itself
                failures.append(failure)
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for medium in media:
                group.start_soon(fetch, medium)
        if failures:
            raise failures[0]


async def fetch_media(medium: MediaT, *, ports: Collection[int] = STANDARD_PORTS, max_bytes: int = MAX_BYTES) -> MediaT:
    """Return a medium with the content of its URL in the URL's place; one that has no URL as it is.

    A session does this for what it sends and keeps the URL in its history. Do it yourself where the history has to
    outlive the link, as with signed URLs, or where the server listens on a port of its own.

    Args:
        medium: What to fetch, such as `Image.from_url(...)`.
        ports: The ports that may be asked. No port makes a private address reachable.
        max_bytes: The most bytes to read.

    Raises:
        UnsupportedError: The URL may not be fetched, or what is there is no such medium.
        TransportError: It could not be fetched now; `retryable` says whether another try may help.
        ConfigurationError: The extra `url` is not installed.
    """
    return await _with_fetched(medium, await _new_fetcher(max_bytes=max_bytes, ports=frozenset(ports)))


async def _new_fetcher(**limits: Any) -> Fetcher:
    """What fetches is loaded by the first who has something to fetch, off the event loop: it needs TLS and sockets."""

    def load() -> Fetcher:
        from chatport._fetch import Fetcher, FetchLimits  # noqa: PLC0415

        return Fetcher(FetchLimits(**limits))

    return await anyio.to_thread.run_sync(load)


async def _with_fetched(medium: MediaT, fetcher: Fetcher) -> MediaT:
    if medium.url is None:
        return medium
    address = parse_url(medium.url)
    fetched = await fetcher.fetch(address, max_bytes=medium.default_max_bytes)
    hint = _hint(fetched.content_type, fetched.address.file_name, address.file_name)
    try:
        return with_content(medium, fetched.data, media_type_hint=hint)
    except ValueError as error:
        raise UnsupportedError(f"what the URL names cannot be used: {address.origin}: {error}") from error


def _hint(content_type: str, *file_names: str) -> str | None:
    """Return what is known of a type besides the content: names decide where the server is vague."""
    if content_type not in _VAGUE_TYPES:
        return canonical_media_type(content_type)
    named = (media_type_from_name(name) for name in file_names)
    return next((found for found in named if found is not None), content_type or None)


def _key(medium: Media) -> _Key:
    return type(medium), medium.url or "", medium.media_type


def _url_media(request: ChatRequest) -> Iterator[Media]:
    yield from _url_parts(request.system)
    for message in request.messages:
        yield from _url_parts(message.parts)


def _url_parts(parts: Sequence[Part]) -> Iterator[Media]:
    for part in parts:
        if isinstance(part, Media):
            if part.url is not None:
                yield part
        elif isinstance(part, ToolResult):
            yield from _url_parts(part.content)


def _filled_message(message: Message, content: Mapping[_Key, Media]) -> Message:
    parts = _filled_parts(message.parts, content)
    return message if parts is message.parts else replace(message, parts=parts)


def _filled_parts(parts: tuple[Part, ...], content: Mapping[_Key, Media]) -> tuple[Part, ...]:
    """Return parts with the content in place; the same tuple where there is nothing to put."""
    filled = tuple(_filled_part(part, content) for part in parts)
    return parts if all(new is old for new, old in zip(filled, parts, strict=True)) else filled


def _filled_part(part: Part, content: Mapping[_Key, Media]) -> Part:
    if isinstance(part, ToolResult):
        inner = _filled_parts(part.content, content)
        return part if inner is part.content else replace(part, content=inner)
    if not isinstance(part, Media) or part.url is None or (found := content.get(_key(part))) is None:
        return part
    # The same file may stand in several places, each with a name and metadata of its own.
    return replace(part, media_type=found.media_type, data=found.data, url=None)
