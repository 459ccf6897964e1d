"""Histories at random, most of them broken, for property tests of what repairs and shortens them."""

from typing import Any

from hypothesis import strategies as st

from chatport import CachePoint, Image, Json, Message, Part, Reasoning, Text, ToolCall, ToolResult

IDS = st.sampled_from(["1", "2", "2-2", ""])
MARKS: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {}, {"echo": {"x": 1}}])

words = st.builds(Text, st.sampled_from(["", " ", "a", "b c"]), metadata=MARKS)
calls = st.builds(ToolCall, IDS, st.sampled_from(["f", "g"]), st.just({}), st.none() | st.just("{"), metadata=MARKS)
served = st.builds(ToolCall, st.sampled_from(["s", "1"]), st.just("search"), executed_by=st.just("server"))
thoughts = st.builds(Reasoning, st.just("hm"), st.none() | st.just("signed"))
others = st.sampled_from([Image("image/png", b"p"), Json(1), CachePoint()])
results = st.builds(ToolResult, IDS | st.just("s"), st.lists(words, max_size=1).map(tuple), st.booleans())
nested = st.builds(
    ToolResult, IDS, st.lists(words | calls | thoughts | results, min_size=1, max_size=2).map(tuple), metadata=MARKS
)
parts: st.SearchStrategy[Part] = st.one_of(words, calls, calls, results, results, served, thoughts, others, nested)


def messages(*roles: str) -> st.SearchStrategy[Message]:
    """Messages of these roles, with any parts."""
    return st.builds(Message, st.sampled_from(roles), st.lists(parts, max_size=4).map(tuple), MARKS)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """A whole turn as a session makes one: a question, steps with calls and results, an answer."""
    turn = [Message.user(draw(st.sampled_from(["a question", "another one"])))]
    for _ in range(draw(st.integers(0, 2))):
        ids = draw(st.lists(st.uuids().map(str), min_size=1, max_size=3, unique=True))
        asked = [ToolCall(id_, "f", {}, draw(st.none() | st.just("{"))) for id_ in ids]
        said = draw(st.lists(words | thoughts | served, max_size=2))
        turn.append(Message("assistant", (*said, *asked)))
        turn.append(Message("tool", tuple(ToolResult(id_, "done", draw(st.booleans())) for id_ in ids)))
    return [*turn, Message("assistant", tuple(draw(st.lists(words | thoughts, max_size=2))))]


valid_histories = st.lists(turns(), max_size=4).map(
    lambda all_turns: [message for turn in all_turns for message in turn]
)


@st.composite
def broken_histories(draw: st.DrawFn) -> list[Message]:
    """Histories made of anything; or valid ones of which messages and parts were lost, doubled or moved."""
    history = draw(valid_histories | st.lists(messages("user", "assistant", "tool", "tool", "system"), max_size=7))
    for _ in range(draw(st.integers(0, 4))):
        if not history:
            break
        index = draw(st.integers(0, len(history) - 1))
        match draw(st.sampled_from(["lose", "double", "swap", "lose part", "add part", "move part"])):
            case "lose":
                del history[index]
            case "double":
                history.insert(index, history[index])
            case "swap":
                other = draw(st.integers(0, len(history) - 1))
                history[index], history[other] = history[other], history[index]
            case "lose part":
                history[index] = Message(history[index].role, history[index].parts[1:])
            case "add part":
                history[index] = Message(history[index].role, (*history[index].parts, draw(parts)))
            case _:
                other = draw(st.integers(0, len(history) - 1))
                moved = history[index].parts[-1:]
                history[index] = Message(history[index].role, history[index].parts[:-1])
                history[other] = Message(history[other].role, (*history[other].parts, *moved))
    return history
