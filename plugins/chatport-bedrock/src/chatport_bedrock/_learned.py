"""What the service itself teaches about a model: its refusals as differences of `Capabilities`, and a memory of them.

The table of models is made by people and is never complete. Where the service says that a model does not take a member,
that is worth more than the table: it is remembered, and the next request goes without. A wording is of use only where
`translate` can say the same in another way, so each row changes a field that `translate` or the choice of the operation
looks at.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias, cast

from chatport_bedrock._capabilities import Capabilities, MediaKind, Sampling
from chatport_bedrock._models import base_model, capabilities

__all__ = ["LESSONS", "Lesson", "ModelMemory", "learned"]

_MAX_MODELS: Final = 256

_Teach: TypeAlias = Callable[[Capabilities, "re.Match[str]"], Capabilities]


class Lesson(NamedTuple):
    """One wording and what it teaches.

    Attributes:
        pattern: What the message says, in lower case and with ASCII apostrophes; a regular expression, which is
            compiled when a service has refused something.
        teach: Gives the capabilities as they are with it.
    """

    pattern: str
    teach: _Teach


def _sets(**fields: bool | frozenset[str]) -> _Teach:
    return lambda can, _match: replace(can, **fields)  # type: ignore[arg-type]  # names and types stand in the rows


def _without_choice(can: Capabilities, match: "re.Match[str]") -> Capabilities:
    return replace(can, tool_choices=frozenset(kind for kind in can.tool_choices if kind != match["choice"]))


def _without_result_medium(can: Capabilities, match: "re.Match[str]") -> Capabilities:
    return replace(can, result_media=can.result_media - {cast("MediaKind", match["kind"])})


def _without_setting(can: Capabilities, match: "re.Match[str]") -> Capabilities:
    return replace(can, refused_settings=can.refused_settings | {cast("Sampling", match["setting"])})


def _without_cache(can: Capabilities, _match: "re.Match[str]") -> Capabilities:
    return replace(can, cache=replace(can.cache, supported=False))


def _without_cache_in_tools(can: Capabilities, _match: "re.Match[str]") -> Capabilities:
    return replace(can, cache=replace(can.cache, in_tools=False))


def _without_lives(can: Capabilities, _match: "re.Match[str]") -> Capabilities:
    return replace(can, cache=replace(can.cache, ttls=frozenset()))


def _never_after(can: Capabilities, match: "re.Match[str]") -> Capabilities:
    kind = "reasoningContent" if match["kind"] == "reasoning" else match["kind"]
    return replace(can, cache=replace(can.cache, never_after=can.cache.never_after | {kind}))


_NO = r"(?:doesn't|does not) support"

LESSONS: Final[tuple[Lesson, ...]] = (
    # Reported: rules 43, 40 and 30.
    Lesson(rf"{_NO} tool use in streaming mode", _sets(streaming_tools=False)),
    Lesson(rf"{_NO} the toolconfig\.toolchoice\.(?P<choice>auto|any|tool) field", _without_choice),
    Lesson(rf"{_NO} the status field", _sets(result_status=False)),
    # The first is reported: rule 45; the form of the others is, of other fields.
    Lesson(r"\.strict: extra inputs are not permitted", _sets(strict_tools=False)),
    Lesson(rf"{_NO} the (?:toolspec\.)?strict field", _sets(strict_tools=False)),
    Lesson(rf"{_NO} the outputconfig(?:\.textformat)? field", _sets(json_schema_output=False)),
    Lesson(r"output_config\.format: extra inputs are not permitted", _sets(json_schema_output=False)),
    # Reported of the operations that stream; of Converse's, no wording is known for certain.
    Lesson(rf"unsupported for streaming|{_NO} (?:response )?streaming\b", _sets(streaming=False)),
    # Reported: with a cache point the service calls a model without a cache a question of access.
    Lesson(r"did not allow prompt caching", _without_cache),
    # The form is recorded ("extraneous key [...] is not permitted"); that it is said of these keys is reported.
    Lesson(r"#/toolconfig/\S*: extraneous key \[cachepoint\] is not permitted", _without_cache_in_tools),
    Lesson(r"extraneous key \[cachepoint\] is not permitted", _without_cache),
    Lesson(r"extraneous key \[ttl\] is not permitted", _without_lives),
    # Reported: rules 50 and 51.
    Lesson(r"cache point cannot be inserted after (?P<kind>document|reasoning|video) block", _never_after),
    # Recorded for images and documents in messages, and it is said of those inside results alike.
    Lesson(rf"{_NO} the (?P<kind>document|image|video) content block", _without_result_medium),
    Lesson(rf"{_NO} system messages", _sets(system=False)),  # reported
    # Reported: rules 3, 4 and 5.
    Lesson(r"a conversation must start with a user message", _sets(leading_assistant=False)),
    Lesson(rf"{_NO} assistant message prefill", _sets(prefill=False)),
    Lesson(r"final assistant content cannot end with trailing whitespace", _sets(prefill_trailing_space=False)),
    # Reported: rule 7.
    Lesson(r"tool result blocks cannot be provided in the same turn", _sets(beside_results=frozenset())),
    Lesson(r"tool use blocks cannot be provided in the same turn", _sets(text_beside_calls=False)),
    # Reported of newer Claude.
    Lesson(r"`(?P<setting>temperature|top_k|top_p)` is deprecated for this model", _without_setting),
)
"""What the service says, and what that teaches."""


def learned(message: str, can: Capabilities) -> Capabilities:
    """Return what is known of a model after the service has refused a request to it; the same where that says nothing.

    Args:
        message: The service's words.
        can: What was known before.
    """
    wording = message.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    for lesson in LESSONS:
        match = re.search(lesson.pattern, wording)
        if match is not None:
            return lesson.teach(can, match)
    return can


class ModelMemory:
    """What a backend has learned of models, each by its base id: one lesson serves all geographies and profiles.

    Threads may share it: the mapping is replaced, never changed. Of two lessons at once one may be lost, which costs
    the next request one refusal.
    """

    def __init__(self) -> None:
        """Begin with nothing learned."""
        self._known: Mapping[str, Capabilities] = {}

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can be asked, by the table and by what was learned."""
        known = self._known
        return known[base] if known and (base := base_model(model)) in known else capabilities(model)

    def remember(self, model: str, can: Capabilities) -> None:
        """Remember what was learned; of very many models the oldest is forgotten."""
        base = base_model(model)
        others = [item for item in self._known.items() if item[0] != base]
        self._known = dict([*others[-_MAX_MODELS + 1 :], (base, can)])
