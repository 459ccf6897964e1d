"""What belongs to the system prompt: what is said as such, and the system messages that begin the conversation."""

from chatport.backend import ChatRequest, Message, Opaque, Part, Text
from chatport.backend.translation import SentCallIds, ToolNames, TranslationScope, system_prompt_parts

HELLO = Message.user("Hello")


def new_scope() -> TranslationScope:
    """The scope of a request."""
    return TranslationScope(tools=ToolNames(), ids=SentCallIds(is_plain=bool))


def system(*parts: Part) -> Message:
    """A message of the system."""
    return Message("system", parts)


def test_a_system_prompt_alone_is_itself() -> None:
    """Nothing moves, and the conversation begins at its first message."""
    scope = new_scope()
    request = ChatRequest("m", (HELLO,), system=(Text("a"), Text("b")))
    assert system_prompt_parts(request, scope) == ([("system[0]", Text("a")), ("system[1]", Text("b"))], 0)
    assert scope.adjustments == []


def test_system_messages_at_the_beginning_join_it() -> None:
    """In order, behind it, with their own places; later ones stay, and each that moves is told without loss."""
    scope = new_scope()
    messages = (system(Text("b")), system(Text("c"), Text("d")), HELLO, system(Text("e")))
    parts, start = system_prompt_parts(ChatRequest("m", messages, system=(Text("a"),)), scope)
    assert start == 2
    assert parts == [
        ("system[0]", Text("a")),
        ("messages[0].parts[0]", Text("b")),
        ("messages[1].parts[0]", Text("c")),
        ("messages[1].parts[1]", Text("d")),
    ]
    assert [(each.kind, each.code, each.path) for each in scope.adjustments] == [
        ("lossless", "system-message-moved", "messages[0]"),
        ("lossless", "system-message-moved", "messages[1]"),
    ]


def test_a_message_with_a_part_that_stays_ends_it() -> None:
    """That one and all behind it are the conversation, also where nothing else is."""
    tools = Opaque("tested", {"type": "tools"})
    messages = (system(Text("a")), system(Text("b"), tools), system(Text("c")))
    request = ChatRequest("m", messages)
    parts, start = system_prompt_parts(request, new_scope(), stays=lambda part: isinstance(part, Opaque))
    assert (parts, start) == ([("messages[0].parts[0]", Text("a"))], 1)
    assert system_prompt_parts(request, new_scope())[1] == 3


def test_a_request_without_any_has_none() -> None:
    """No part, and everything is the conversation."""
    assert system_prompt_parts(ChatRequest("m", (HELLO,)), new_scope()) == ([], 0)
