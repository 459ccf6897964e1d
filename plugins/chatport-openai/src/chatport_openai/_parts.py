"""The content of a message, whole or in deltas, as events. The other direction is `_assistant`, and the two agree.

A message of this API has one text, at most one reasoning and any number of calls, whatever order their pieces come in:
so each of these is one part, opened by its first piece.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatport.backend import (
    Audio,
    BackendEvent,
    Citation,
    CitationDelta,
    Image,
    Opaque,
    PartEnd,
    ReasoningDelta,
    TextDelta,
)
from chatport.backend.translation import is_array, is_object
from chatport_openai._answer import Facts
from chatport_openai._call_pieces import Calls

__all__ = ["REASONING_MEMBERS", "Parts"]

_BACKEND: Final = "openai"
REASONING_MEMBERS: Final = ("reasoning_content", "reasoning", "reasoning_text")
"""Where servers write reasoning; those that fill two of them write the same twice."""

_KNOWN: Final = frozenset(
    {
        *{"annotations", "audio", "content", "function_call", "images", "reasoning_details", "refusal", "role"},
        *{"tool_calls", "padding", "token_ids"},
        *REASONING_MEMBERS,
    }
)
_GROWING: Final = ("text", "summary", "data", "signature")


class Parts:
    """The parts of one message.

    Attributes:
        refused: Whether the model refused to answer.
        text: The index of the text, once it has begun.
    """

    __slots__ = ("_audio", "_calls", "_details", "_facts", "_indices", "_mark", "_reasoning", "refused", "text")

    def __init__(self, indices: Iterator[int], calls: Calls, facts: Facts, *, server: str, family: str) -> None:
        """Start a message.

        Args:
            indices: The indices of the parts.
            calls: The calls of the message.
            facts: What is no part goes there.
            server: Who answers: reasoning goes back there only.
            family: Whose model was asked, likewise.
        """
        self._facts = facts
        self._indices = indices
        self._calls = calls
        self._mark = {"server": server, "family": family}
        self._reasoning: int | None = None
        self._details: list[dict[str, Any]] = []
        self._audio: dict[str, Any] = {}
        self.refused = False
        self.text: int | None = None

    @property
    def has_calls(self) -> bool:
        """Whether there are calls for the caller to run."""
        return self._calls.has_calls

    def feed(self, delta: Mapping[str, Any], events: list[BackendEvent], *, is_whole: bool = False) -> None:
        """Take a delta, or a whole message.

        Args:
            delta: The delta or message.
            events: What is appended to.
            is_whole: Whether it is a whole message.
        """
        self._feed_reasoning(delta, events)
        self._feed_content(delta.get("content"), events)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self.refused = True
            self._feed_text(refusal, events)
        for entry in _objects(delta.get("tool_calls")):
            self._calls.feed(entry, events, is_whole=is_whole)
        function = delta.get("function_call")
        if is_object(function):
            self._calls.feed_function(function, events, is_whole=is_whole)
        for annotation in _objects(delta.get("annotations")):
            self._feed_annotation(annotation, events)
        audio = delta.get("audio")
        if is_object(audio):
            self._feed_audio(audio)
        for image in _objects(delta.get("images")):
            self._feed_item(image, events)
        for name, value in delta.items():
            if name not in _KNOWN and value not in (None, "", [], {}):
                self._facts.take_message(name, value)

    def finish(self, events: list[BackendEvent]) -> None:
        """Bring out what is known to be complete at the end only."""
        if self._details:
            self._finish_details(events)
        self._calls.finish(events, self._facts.seed)
        if self._audio:
            self._finish_audio(events)

    # --- words -------------------------------------------------------------------------------------------------------

    def _feed_text(self, text: str, events: list[BackendEvent]) -> None:
        if self.text is None:
            self.text = next(self._indices)
        events.append(TextDelta(self.text, text))

    def _feed_content(self, content: object, events: list[BackendEvent]) -> None:
        if isinstance(content, str):
            if content:
                self._feed_text(content, events)
        elif is_array(content):
            for item in content:
                if isinstance(item, str):
                    self._feed_content(item, events)
                elif is_object(item):
                    self._feed_item(item, events)
        elif is_object(content):  # Cloudflare: an answer in JSON comes as the value itself
            self._feed_text(json.dumps(content, ensure_ascii=False), events)

    def _feed_item(self, item: dict[str, Any], events: list[BackendEvent]) -> None:
        """Take an entry of a content that is a list."""
        kind = item.get("type")
        text = item.get("text")
        if kind == "text" and isinstance(text, str):
            self._feed_content(text, events)
        elif kind == "thinking":
            thoughts = item.get("thinking")
            words = thoughts if isinstance(thoughts, str) else _joined(_objects(thoughts), "text")
            if words:
                self._feed_thought(words, "content", events)
        elif kind == "refusal" and isinstance(item.get("refusal"), str):
            self.refused = True
            self._feed_text(item["refusal"], events)
        elif kind == "image_url" and (image := _image(item)) is not None:
            events.append(PartEnd(next(self._indices), image))
        else:
            events.append(PartEnd(next(self._indices), Opaque(_BACKEND, item)))

    def _feed_annotation(self, annotation: dict[str, Any], events: list[BackendEvent]) -> None:
        cited = annotation.get("url_citation")
        if not is_object(cited):
            # A file that was read, for example: it is no citation of the text.
            self._facts.unknown.add({"annotation": annotation})
            return
        title, url = cited.get("title"), cited.get("url")
        citation = Citation(
            title if isinstance(title, str) else None,
            url if isinstance(url, str) else None,
            metadata={_BACKEND: annotation},
        )
        if self.text is None:
            self.text = next(self._indices)
        events.append(CitationDelta(self.text, citation))

    # --- reasoning ---------------------------------------------------------------------------------------------------

    def _feed_reasoning(self, delta: Mapping[str, Any], events: list[BackendEvent]) -> None:
        details = _objects(delta.get("reasoning_details"))
        for entry in details:
            self._add_detail(entry)
        for member in REASONING_MEMBERS:
            text = delta.get(member)
            if isinstance(text, str) and text:
                self._feed_thought(text, member, events)
                return
        text = "".join(_text(entry, "text") or _text(entry, "summary") for entry in details)
        if text:
            self._feed_thought(text, "reasoning_details", events)

    def _feed_thought(self, text: str, member: str, events: list[BackendEvent]) -> None:
        if self._reasoning is None:
            self._reasoning = next(self._indices)
            events.append(ReasoningDelta(self._reasoning, text, {_BACKEND: {**self._mark, "member": member}}))
        else:
            events.append(ReasoningDelta(self._reasoning, text))

    def _add_detail(self, entry: dict[str, Any]) -> None:
        """Put the pieces of an entry together: those of one kind with one index, one after the other."""
        last = self._details[-1] if self._details else None
        if last is None or not _goes_on(last, entry):
            self._details.append(dict(entry))
            return
        for name, value in entry.items():
            before = last.get(name)
            if name in _GROWING and isinstance(before, str) and isinstance(value, str):
                last[name] = before + value
            elif value is not None:
                last[name] = value

    def _finish_details(self, events: list[BackendEvent]) -> None:
        mark: dict[str, Any] = {"details": self._details}
        signatures = [entry["signature"] for entry in self._details if isinstance(entry.get("signature"), str)]
        if self._reasoning is None:
            self._reasoning = next(self._indices)
            mark |= {**self._mark, "member": "reasoning_details"}
        # Several signatures are no one signature; all of them stand in the details.
        signature = signatures[0] if len(signatures) == 1 and signatures[0] else None
        events.append(ReasoningDelta(self._reasoning, "", {_BACKEND: mark}, signature))

    # --- audio -------------------------------------------------------------------------------------------------------

    def _feed_audio(self, audio: dict[str, Any]) -> None:
        for name, value in audio.items():
            before = self._audio.get(name)
            if name in {"data", "transcript"} and isinstance(before, str) and isinstance(value, str):
                self._audio[name] = before + value
            elif value not in (None, "", 0):
                self._audio[name] = value

    def _finish_audio(self, events: list[BackendEvent]) -> None:
        encoded = self._audio.get("data")
        data = _decoded(encoded) if isinstance(encoded, str) else None
        part: Audio | Opaque
        if not data:
            part = Opaque(_BACKEND, {"audio": self._audio})
        else:
            facts = {name: value for name, value in self._audio.items() if name != "data"}
            part = Audio(_audio_type(data), data, metadata={_BACKEND: {**self._mark, "audio": facts}})
        events.append(PartEnd(next(self._indices), part))


def _goes_on(last: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether an entry is the next piece of the one before it."""
    same_id = last.get("id") is None or entry.get("id") is None or last["id"] == entry["id"]
    return same_id and all(last.get(name) == entry.get(name) for name in ("type", "index"))


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if is_object(item)] if is_array(value) else []


def _joined(items: list[dict[str, Any]], name: str) -> str:
    return "".join(_text(item, name) for item in items)


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _image(item: dict[str, Any]) -> Image | None:
    """An image in the answer itself; None for what is elsewhere, or none."""
    place = item.get("image_url")
    url = place.get("url") if is_object(place) else place
    if not isinstance(url, str) or not url.startswith("data:"):
        return None
    head, _, encoded = url.removeprefix("data:").partition(",")
    data = _decoded(encoded) if head.endswith(";base64") else None
    if not data:
        return None
    try:
        return Image.from_bytes(data)
    except ValueError:
        return None


def _decoded(encoded: str) -> bytes | None:
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def _audio_type(data: bytes) -> str:
    try:
        return Audio.from_bytes(data).media_type
    except ValueError:
        return "audio/pcm"  # samples without a header: the one format of the API that has none
