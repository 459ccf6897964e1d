"""Tools that know the state of their session, of which the model knows nothing."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from pydantic import Field
from tests.conversations import call, session

from chatport import ToolContext, ToolResult, tool

pytestmark = pytest.mark.anyio


@dataclass
class Desk:
    """What the tools of a test share."""

    notes: list[str] = field(default_factory=list)


@tool
def note(text: str, context: ToolContext[Desk]) -> int:
    """Write a note.

    Args:
        text: What to write.
        context: Where to.
    """
    context.state.notes.append(f"{context.call.id}: {text}")
    return len(context.state.notes)


def _offered(function: Any, **options: Any) -> dict[str, Any]:
    chat, _ = session(tools=[function], **options)
    (offered,) = chat.request("go").tools
    return offered.schema


def test_the_model_sees_nothing_of_it() -> None:
    """Neither in the schema nor among the names that it is told."""
    schema = _offered(note)
    assert list(schema["properties"]) == ["text"]
    assert schema["required"] == ["text"]
    assert "context" not in str(schema).lower()


async def test_the_state_of_the_session_is_handed_over() -> None:
    """The very object, with the call; a turn may have a state of its own."""
    desk, other = Desk(), Desk()
    chat, _ = session(
        [call("a", "note", text="hi")], "ok", [call("b", "note", text="ho")], "ok", tools=[note], state=desk
    )
    await chat.ask("go")
    assert chat.messages[2].parts == (ToolResult("a", 1),)
    await chat.ask("go", state=other)
    assert (desk.notes, other.notes) == (["a: hi"], ["b: ho"])


async def test_the_model_cannot_say_anything_for_it() -> None:
    """Not by its name, and not where the function takes any argument."""

    def greedy(context: ToolContext[Desk], **more: int) -> int:
        """Take all."""
        return len(more)

    desk = Desk()
    calls = [call("1", "note", text="hi", context={"state": {}}), call("2", "greedy", context=1)]
    chat, _ = session(calls, "ok", tools=[note, greedy], state=desk)
    await chat.ask("go")
    results = [part for part in chat.messages[2].parts if isinstance(part, ToolResult)]
    assert [result.error_kind for result in results] == ["invalid-arguments"] * 2
    assert desk.notes == []


@pytest.mark.parametrize(
    "annotation",
    [
        ToolContext[Desk],
        ToolContext[Desk] | None,
        Annotated[ToolContext[Desk], "where to write"],
        Annotated[ToolContext[Desk] | None, Field(description="where to write")],
        "ToolContext[Desk]",
    ],
    ids=["plain", "optional", "annotated", "annotated and optional", "text"],
)
async def test_ways_to_ask_for_it(annotation: Any) -> None:
    """A default is for those who call the function themselves; the session always fills it in."""

    async def look(context: Any = None) -> str:
        """Look."""
        return type(context.state).__name__

    look.__annotations__["context"] = annotation
    asked = call("1", "look")
    asked.arguments.clear()
    chat, _ = session([asked], "ok", tools=[look], state=Desk())
    assert chat.request("go").tools[0].schema["properties"] == {}
    await chat.ask("go")
    assert chat.messages[2].parts == (ToolResult("1", "Desk"),)


async def test_methods_and_objects_take_one_too() -> None:
    """As other functions do."""

    class Service:
        @tool
        async def look(self, context: ToolContext) -> str:
            """Look."""
            return f"{context.state} {context.call.id}"

    asked = call("1", "look")
    asked.arguments.clear()
    chat, _ = session([asked], "ok", tools=[Service().look])
    await chat.ask("go")
    assert chat.messages[2].parts == (ToolResult("1", "None 1"),)


@pytest.mark.parametrize("missing", [{}, {"state": Desk()}])
async def test_a_state_that_is_missed_is_told_before_anything_is_sent(missing: dict[str, Any]) -> None:
    """A tool that names a type needs one; None is a state that somebody may mean."""
    chat, backend = session("ok", "ok", tools=[note], **missing)
    if missing:
        assert (await chat.ask("go")).text == "ok"
        return
    with pytest.raises(TypeError, match=r"'note' takes a ToolContext\[Desk\]: give state="):
        await chat.ask("go")
    assert not backend.requests
    assert (await chat.ask("go", state=None)).text == "ok"


async def test_a_fork_has_the_state() -> None:
    """The same object, unless it is given another."""
    desk = Desk()
    chat, _ = session([call("1", "note", text="x")], "ok", tools=[note], state=desk)
    await chat.fork().ask("go")
    assert desk.notes == ["1: x"]


def test_contexts_where_they_cannot_be() -> None:
    """Inside other types, behind `**`, and by position only."""

    def inside(contexts: list[ToolContext[Desk]]) -> None:
        """Do nothing."""

    def behind(**contexts: ToolContext[Desk]) -> None:
        """Do nothing."""

    def by_position(context: ToolContext[Desk], /) -> None:
        """Do nothing."""

    for function, reason in (
        (inside, "JSON schema"),
        (behind, "by its name"),
        (by_position, "by its name"),
    ):
        with pytest.raises(TypeError, match=reason):
            tool(function)


def test_a_context_shows_no_state() -> None:
    """It may stand in a log."""
    assert repr(ToolContext("secret", call("1"))) == "<ToolContext of the call '1'>"
