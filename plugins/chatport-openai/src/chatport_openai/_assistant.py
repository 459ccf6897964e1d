"""Messages of the model, on their way back to it. The other direction is `_parts`, and the two agree."""

from typing import Any, Final

from chatport.backend import (
    Audio,
    CachePoint,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    UnsupportedError,
    Video,
)
from chatport.backend.translation import is_array, is_object, own_metadata
from chatport_openai._blocks import joined_or_list, json_text, mark_last, part_blocks
from chatport_openai._scope import BACKEND, Block, Scope
from chatport_openai._turn import Turn

__all__ = ["assistant_turn"]

_REPLAYABLE: Final = ("reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "content")


class _Draft:
    """A message of the model as it is put together."""

    def __init__(self) -> None:
        self.content: list[Block] = []
        self.calls: list[Block] = []
        self.call_paths: list[str] = []
        self.members: dict[str, Any] = {}

    def message(self) -> Block | None:
        """Return the message; None where nothing is left of it."""
        if not (self.content or self.calls or self.members):
            return None
        content: object = joined_or_list(self.content) if self.content else None
        if content is None and not self.calls and "audio" not in self.members:
            content = ""
        calls = {"tool_calls": self.calls} if self.calls else {}
        return {"role": "assistant", "content": content, **self.members, **calls}


def assistant_turn(message: Message, path: str, scope: Scope) -> Turn | None:
    """Return a message of the model as the server takes it back; None where nothing is left of it.

    Raises:
        UnsupportedError: It holds something that cannot be said.
    """
    draft = _Draft()
    for index, part in enumerate(message.parts):
        _add(part, f"{path}.parts[{index}]", draft, scope)
    found = draft.message()
    return None if found is None else Turn("assistant", path, found, call_paths=draft.call_paths)


def _add(part: Part, path: str, draft: _Draft, scope: Scope) -> None:
    match part:
        case Text() | Json():
            draft.content += part_blocks(part, "assistant", path, scope)
        case Reasoning():
            _add_reasoning(part, path, draft, scope)
        case ToolCall(executed_by="client"):
            draft.calls.append(_call(part, path, scope))
            draft.call_paths.append(path)
        case ToolCall() | ToolResult():
            why = "it is left out: Chat Completions take no calls and results of the service's own inside an answer"
            scope.note("dropped", "foreign-server-tool", path, why)
        case Audio():
            _add_audio(part, path, draft, scope)
        case Image() | Document() | Video():
            kind = type(part).__name__.lower()
            why = f"the {kind} is left out: the model takes none in a message of its own; show it in one of the user"
            scope.note("dropped", "assistant-media", path, why)
        case CachePoint():
            mark_last(draft.content, part_blocks(part, "assistant", path, scope), path, scope)
        case Opaque():
            _add_opaque(part, path, draft, scope)
        case _:  # a kind of part that the core has learnt since
            raise UnsupportedError(f"{path}: Chat Completions take no {type(part).__name__} in a message of the model")


# --- reasoning -------------------------------------------------------------------------------------------------------


def _add_reasoning(part: Reasoning, path: str, draft: _Draft, scope: Scope) -> None:
    mark, replayed = own_metadata(part.metadata, BACKEND), scope.dialect.replayed
    refusal = _refusal(part, mark, scope)
    if refusal is not None:
        code, why = refusal
        scope.note("dropped", code, path, f"the reasoning is left out: {why}")
        return
    details = mark.get("details")
    member = "reasoning_details" if is_array(details) and "reasoning_details" in replayed else mark.get("member")
    if member not in replayed:
        # What a server has no member for is not read by it either: a request without it says the same.
        scope.note(
            "lossless", "reasoning-omitted", path, f"{scope.server} does not read the reasoning of earlier answers"
        )
        return
    if member == "reasoning_details" and is_array(details):
        draft.members["reasoning_details"] = [*draft.members.get("reasoning_details", ()), *details]
    elif member == "content":
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}
        draft.content.append(thought)
    elif member in _REPLAYABLE and part.text:
        draft.members[member] = draft.members.get(member, "") + part.text


def _refusal(part: Reasoning, mark: dict[str, Any], scope: Scope) -> tuple[str, str] | None:
    """Return code and reason where reasoning must not be sent: signatures are checked, foreign thoughts leak."""
    if BACKEND not in part.metadata and part.metadata:
        return "foreign-reasoning", f"it was written on {', '.join(sorted(part.metadata))}"
    if not mark:
        signed = part.signature is not None or part.redacted is not None
        return "foreign-reasoning" if signed else "unsigned-reasoning", "nothing says which model wrote it"
    if mark.get("server") != scope.server:
        return "foreign-reasoning", f"it was written on {mark.get('server')}, not on {scope.server}"
    if mark.get("family") != scope.family:
        return "foreign-reasoning", f"a model of {mark.get('family')} wrote it"
    return None


# --- calls, audio and the unknown ------------------------------------------------------------------------------------


def _call(part: ToolCall, path: str, scope: Scope) -> Block:
    arguments = json_text(part.arguments, f"{path}.arguments")
    if part.invalid_json is not None:
        arguments = part.invalid_json
        if not scope.dialect.free_arguments:
            arguments = json_text({"invalid_json": part.invalid_json}, path)
            why = "arguments must be a JSON object; what the model wrote goes in one"
            scope.note("changed", "invalid-arguments", path, why)
    own = own_metadata(part.metadata, BACKEND)
    extra = own.get("call") if own.get("server") == scope.server else None
    function = {"name": scope.tool_name(part.name, path), "arguments": arguments}
    # The id goes on when calls and results have been paired.
    return {"id": part.id, "type": "function", "function": function, **(extra if is_object(extra) else {})}


def _add_audio(part: Audio, path: str, draft: _Draft, scope: Scope) -> None:
    own = own_metadata(part.metadata, BACKEND)
    facts = own.get("audio")
    if not is_object(facts):
        why = "the audio is left out: the model takes none in a message of its own; let the user say it"
        scope.note("dropped", "assistant-media", path, why)
    elif own.get("server") == scope.server and isinstance(facts.get("id"), str):
        draft.members["audio"] = {"id": facts["id"]}
    elif isinstance(facts.get("transcript"), str):
        scope.note("changed", "audio-as-transcript", path, "what the model said goes as its transcript")
        draft.content.append({"type": "text", "text": facts["transcript"]})
    else:
        scope.note("dropped", "assistant-media", path, f"the audio is left out: {scope.server} did not make it")


def _add_opaque(part: Opaque, path: str, draft: _Draft, scope: Scope) -> None:
    if part.backend != BACKEND:
        scope.note("dropped", "foreign-opaque", path, f"it is left out: only {part.backend} understands it")
        return
    data: Any = part.data
    if not is_object(data):
        raise UnsupportedError(f"{path}: what is Opaque here is an object: a content part, or members of the message")
    if isinstance(data.get("type"), str):
        draft.content.append(data)
        return
    for name, value in data.items():
        if name == "tool_calls" and is_array(value):
            draft.calls += value
            draft.call_paths += [path] * len(value)
        elif name == "content" and is_array(value):
            draft.content += value
        else:
            draft.members[name] = value
