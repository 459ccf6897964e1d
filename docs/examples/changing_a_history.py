"""A history is checked and repaired, edited, forked, rewound, and answered again."""

import anyio

import chatport
from chatport import Message, Session, Text, ToolCall
from chatport.testing import ScriptedBackend


async def main() -> None:
    backend = ScriptedBackend("In Paris.", "In Rome.", "In Oslo.", "It was Oslo.")

    # --8<-- [start:repair]
    found_in_a_crashed_program = [
        Message.user("Is it warm in Paris?"),
        Message.assistant("I will look.", ToolCall("call-1", "get_weather", {"location": "Paris"})),
        Message.user("Are you there?"),
    ]
    for problem in chatport.validate_messages(found_in_a_crashed_program):
        print(problem.kind, problem.path, problem.message)

    revision = chatport.repair_messages(found_in_a_crashed_program)
    for note in revision.adjustments:
        print(note.kind, note.path, note.message)
    session = Session(backend, "a-model", messages=revision.messages)
    # --8<-- [end:repair]
    await session.ask("Where is it warm?")

    # --8<-- [start:fork]
    other = session.fork(system="Answer as a geographer.")
    await other.ask("Where else?")
    print(len(session.messages), len(other.messages))
    # --8<-- [end:fork]

    # --8<-- [start:rewind]
    taken = other.rewind()  # the question, and the answer to it
    print([message.text for message in taken])
    # --8<-- [end:rewind]

    # --8<-- [start:regenerate]
    reply = await session.regenerate(settings=chatport.Settings(temperature=1))
    print(reply.text)
    async with session.regenerate_stream() as stream:
        async for text in stream.text:
            print(text, end="")
    print()
    # --8<-- [end:regenerate]

    # --8<-- [start:edit]
    corrected = [
        Message(message.role, (Text(message.text.replace("Oslo", "Bergen")),)) if "Oslo" in message.text else message
        for message in session.messages
    ]
    before = session.edit(corrected)
    # --8<-- [end:edit]
    print(before[-1].text, "->", session.messages[-1].text)


anyio.run(main)
