"""One request as the rules and the brain look at it: its messages in turns, its blocks with their places."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from chatport_bedrock.emulator._catalog import profile_model
from chatport_bedrock.emulator._families import Traits, traits_of
from chatport_bedrock.emulator._json import as_object
from chatport_bedrock.emulator._operations import ChatOperation

Block: TypeAlias = Mapping[str, Any]
"""A content block of the wire: one member, named by its kind."""

_GEOGRAPHIES: Final = frozenset({"us", "eu", "apac", "jp", "au", "ca", "sa", "amer", "global", "us-gov"})


@dataclass(frozen=True, slots=True)
class Placed:
    """A content block and where it stands: `messages.<message>.content.<index>`."""

    message: int
    index: int
    block: Block

    @property
    def kind(self) -> str:
        """The name of the block's member, such as `"toolUse"`."""
        return kind_of(self.block)

    @property
    def place(self) -> str:
        """The place as the service names it, counted from 0."""
        return f"messages.{self.message}.content.{self.index}"


@dataclass(frozen=True, slots=True)
class Turn:
    """Neighbouring messages of one role: the service merges them before it looks at tool calls."""

    role: str
    first_message: int
    blocks: tuple[Placed, ...]

    def of_kind(self, kind: str) -> list[Placed]:
        """The blocks with this member, in order."""
        return [placed for placed in self.blocks if placed.kind == kind]


@dataclass(frozen=True)  # without slots: what is asked for often is worked out once
class Conversation:
    """A request whose structure was found right.

    Attributes:
        model: The model id of the address, decoded.
        body: The parsed request.
        operation: What is asked: `"CountTokens"` has the body inside its own.
    """

    model: str
    body: Mapping[str, Any]
    operation: ChatOperation | Literal["CountTokens"] = "Converse"

    @cached_property
    def family(self) -> str:
        """Who made the model, as the id says: `anthropic`, `amazon`, `meta` …; an ARN that hides it gives its kind."""
        return model_family(self.base)

    @cached_property
    def base(self) -> str:
        """The id of the model without geography and ARN, where the id says it; that behind a profile of an account."""
        named = _without_geography(self.model.rpartition("/")[2])
        return profile_model(named) or named

    @cached_property
    def traits(self) -> Traits:
        """What the model can and cannot do."""
        return traits_of(self.base)

    @cached_property
    def answer_schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer has to fit; None if there is none, or what is there is no JSON object."""
        text_format: Mapping[str, Any] = (self.body.get("outputConfig") or {}).get("textFormat") or {}
        if not text_format:
            return None
        try:
            return as_object(json.loads(text_format["structure"]["jsonSchema"]["schema"]))
        except ValueError:
            return None

    @cached_property
    def messages(self) -> list[Mapping[str, Any]]:
        """The messages; an absent list is an empty one."""
        return list(self.body.get("messages") or ())

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The messages, neighbours of one role merged."""
        turns: list[Turn] = []
        for number, message in enumerate(self.messages):
            blocks = tuple(Placed(number, index, block) for index, block in enumerate(message["content"]))
            if turns and turns[-1].role == message["role"]:
                last = turns[-1]
                turns[-1] = Turn(last.role, last.first_message, last.blocks + blocks)
            else:
                turns.append(Turn(message["role"], number, blocks))
        return tuple(turns)

    @cached_property
    def blocks(self) -> tuple[Placed, ...]:
        """Every content block of every message."""
        return tuple(placed for turn in self.turns for placed in turn.blocks)

    @cached_property
    def system_text(self) -> str:
        """The system prompt's text blocks, joined."""
        return "\n".join(block["text"] for block in self.body.get("system") or () if "text" in block)

    @cached_property
    def tools(self) -> dict[str, Mapping[str, Any]]:
        """The tools on offer that the caller runs, by name."""
        config: Mapping[str, Any] = self.body.get("toolConfig") or {}
        specs = (tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool)
        return {spec["name"]: spec for spec in specs}

    def of_kind(self, kind: str) -> Iterator[Placed]:
        """Every block with this member, those inside tool results not included."""
        return (placed for placed in self.blocks if placed.kind == kind)

    def media(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every image, document, audio or video with its place, those inside tool results included."""
        for placed in self.blocks:
            if placed.kind == kind:
                yield f"{placed.place}.{kind}", placed.block[kind]
            if placed.kind == "toolResult":
                for index, entry in enumerate(placed.block["toolResult"]["content"]):
                    if kind in entry:
                        yield f"{placed.place}.toolResult.content.{index}.{kind}", entry[kind]


def kind_of(block: Block) -> str:
    """The name of a block's only member that is set."""
    return next(key for key, value in block.items() if value is not None)


def decode_base64(text: str) -> bytes:
    """The bytes of a blob member, which was found to be base64."""
    return base64.b64decode(text)


def model_family(model: str) -> str:
    """Who made a model: `us.anthropic.claude-…` gives `anthropic`; an ARN is read after its last slash."""
    return _without_geography(model.rpartition("/")[2]).partition(".")[0].partition(":")[0]


def _without_geography(identifier: str) -> str:
    first, _, rest = identifier.partition(".")
    return rest if rest and first in _GEOGRAPHIES else identifier


def is_prompt(model: str) -> bool:
    """Whether the id names a stored prompt, which brings its own messages."""
    return re.match(r"arn:[^:]*:bedrock:[^:]*:\d*:prompt/", model) is not None
