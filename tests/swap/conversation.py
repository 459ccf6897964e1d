"""Twelve turns with everything in them, had at a station: what its backend made of its own service's answers.

Nothing of the model's is written by hand: the service says it in its own words, and the backend decodes it. Words are
all different, so that each can be found again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.swap.samples import jpeg, mp4, pdf, png, wav
from tests.swap.speech import Answer, Call, Cited, Said, Sealed, ServerRun, Thought, Unknown, Words
from tests.swap.station import Station, Visit
from tests.swap.travel import ask_with

import chatport
from chatport import CachePoint, Document, Json, Message, Text, Tool, ToolResult

_CITY: Final = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}
_QUERY: Final = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}


def tools_of(station: Station) -> tuple[Tool, ...]:
    """Return the tools that a conversation has which began at a station."""
    return (
        Tool("get_weather", "Get the current weather in a place.", _CITY),
        Tool("get_time", "Tell the time in a place.", _CITY),
        Tool(station.tool_name("look_up"), "Look something up.", _QUERY),
    )


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        content: What is asked, or what tools gave back.
        answer: What the model says.
    """

    content: tuple[Any, ...]
    answer: Answer


def _call(station: Station, number: int, name: str, arguments: str) -> Call:
    return Call(station.ids[number], station.tool_name(name), arguments)


def _says(*said: Said, streaming: bool = False) -> Answer:
    calls = any(isinstance(item, Call) for item in said)
    return Answer(said, "tool_calls" if calls else "stop", streaming)


def turns_at(station: Station) -> list[list[Exchange]]:
    """Return the twelve turns as they are to be had at a station."""
    parts = (_words_and_pictures, _calls, _sources, _secrets, _ends)
    return [turn for part in parts for turn in part(station)]


def _words_and_pictures(station: Station) -> list[list[Exchange]]:
    """A greeting in many scripts, and a picture."""
    del station
    return [
        [
            Exchange(
                ("Good morning, \u4f60\u597d! \U0001f469\u200d\U0001f469\u200d\U0001f467 e\u0301 and\u2028line one",),
                _says(Words('Good morning \u2014 \u201ctwo\u201d, \ud55c\uad6d\uc5b4 \U0001f600 "\\\\ tab\tend')),
            )
        ],
        [
            Exchange(
                ("What is in this picture, three?", png(0x31)),
                _says(Thought("It is grey, four."), Words("A grey picture, five."), streaming=True),
            )
        ],
    ]


def _calls(station: Station) -> list[list[Exchange]]:
    """One call; three together, of which one fails; one whose result holds media."""
    ids = station.ids
    return [
        [
            Exchange(
                ("How warm is it in Paris, six?",),
                _says(
                    Thought("I need the weather, seven."),
                    Words("Let me see, eight."),
                    _call(station, 0, "get_weather", '{"location": "Paris \\u2013 nine"}'),
                ),
            ),
            Exchange(
                (ToolResult(ids[0], {"location": "Paris ten", "celsius": 21.5}),), _says(Words("It is warm, eleven."))
            ),
        ],
        [
            Exchange(
                ("And in Oslo and in Atlantis, twelve?",),
                _says(
                    _call(station, 1, "get_weather", '{"location": "Oslo thirteen"}'),
                    _call(station, 2, "get_time", '{"location": "Atlantis fourteen"}'),
                    _call(station, 3, "get_time", "{}"),
                    streaming=True,
                ),
            ),
            Exchange(
                (
                    ToolResult(ids[1], "Rain, fifteen."),
                    ToolResult(ids[2], "No such place, sixteen.", is_error=True),
                    ToolResult(ids[3], (Json([1, 2, "seventeen"]), Text("about noon, eighteen"))),
                ),
                _says(Thought("Odd, nineteen."), Words("Rain there, twenty.")),
            ),
        ],
        [
            Exchange(
                ("Look at the camera, twenty-one.",),
                _says(_call(station, 4, "look_up", '{"query": "camera \\"twenty-two\\""}')),
            ),
            Exchange(
                (
                    ToolResult(
                        ids[4],
                        (
                            Text("A photo, twenty-three:"),
                            jpeg(b"twenty-four"),
                            Document("text/plain", b"Notes of the camera, twenty-five.", name="notes.txt"),
                            pdf("twenty-six", "manual.pdf"),
                            Json({"zoom": [1, None, True]}),
                        ),
                    ),
                ),
                _says(Words("I see a photo, twenty-seven.")),
            ),
        ],
    ]


def _sources(station: Station) -> list[list[Exchange]]:
    """Documents and what is said of them, and a search by the service itself."""
    del station
    return [
        [
            Exchange(
                (
                    pdf(
                        "twenty-eight",
                        "Gr\u00f6\u00dfe report.pdf",
                        context="From the archive, twenty-nine.",
                        citations=True,
                    ),
                    Document("text/csv", b"city,celsius\nthirty,21\n", name="table.csv"),
                    "Summarise these, thirty-one.",
                    CachePoint("1h"),
                ),
                _says(
                    Words("Here it is, thirty-two: "),
                    Cited("it was warm, thirty-three.", "Report thirty-four", "It was quite warm, thirty-five."),
                ),
            )
        ],
        [
            Exchange(
                ("Search for news, thirty-six.",),
                _says(
                    ServerRun("srvtoolu_01ABC", "news thirty-seven", "nothing new, thirty-eight"),
                    Words("Nothing, thirty-nine."),
                ),
            )
        ],
    ]


def _secrets(station: Station) -> list[list[Exchange]]:
    """Thoughts that only the service can read, something that nobody knows, and next to nothing."""
    del station
    return [
        [
            Exchange(
                ("Think hard, forty.",),
                _says(
                    Sealed(b"sealed \x00\xff forty-one"),
                    Thought("Hard to say, forty-two."),
                    Words("Done, forty-three."),
                ),
            )
        ],
        [
            Exchange(
                ("Say something new, forty-four.", png(0x32)),
                _says(Unknown("something new, forty-five"), Words("That was new, forty-six.")),
            ),
        ],
        [
            Exchange((Text("  "), Text("Blank, forty-seven"), Text("")), _says(Words(""))),
        ],
    ]


def _ends(station: Station) -> list[list[Exchange]]:
    """Sound and film; then a call that is cut, and one that nobody answers."""
    ids = station.ids
    return [
        [
            Exchange(
                ("Listen and watch, forty-eight.", wav(b"forty-nine"), mp4(b"fifty"), CachePoint()),
                _says(Words("\n\n"), Words("I did, fifty-one.")),
            )
        ],
        [
            Exchange(
                ("And the time, fifty-two?",),
                Answer(
                    (Words("One moment, fifty-three."), _call(station, 5, "get_time", '{"location": "Pa')),
                    "length",
                    streaming=True,
                ),
            ),
            Exchange(
                (ToolResult(ids[5], "Not run, fifty-four: the call was cut.", is_error=True),),
                _says(_call(station, 6, "get_time", '{"location": "Rome fifty-five"}')),
            ),
        ],
    ]


SYSTEM: Final = Message.system("From here on be brief, fifty-six.")
"""What is said between the tenth and the eleventh turn."""
_SYSTEM_BEFORE: Final = 10


async def converse(
    station: Station, visit: Visit, turns: slice = slice(0, 12), history: Sequence[Message] = ()
) -> tuple[Message, ...]:
    """Have turns of the conversation at a station, and return what its history is then.

    The last turn is broken off: its call is left without a result, as by a crash, and then put right as an application
    would. Media that the station's own model refuses are left out: nobody can have shown them to it.
    """
    messages = tuple(history)
    tools = tools_of(station)
    for number, turn in list(enumerate(turns_at(station)))[turns]:
        if number == _SYSTEM_BEFORE:
            messages = (*messages, SYSTEM)
        for exchange in turn:
            content = addressed(exchange.content, messages)
            if not content:
                continue  # the model could not call
            answer = station.answer(exchange.answer)
            trip = await ask_with(station, visit, messages, content, tools=tools, answer=answer)
            messages = (*trip.messages, trip.reply.message)
    return chatport.repair_messages(messages).messages


def addressed(content: Sequence[Any], messages: Sequence[Message]) -> tuple[Any, ...]:
    """Return content with its results addressed to the calls that wait: services choose the ids, and some call less."""
    waiting = messages[-1].tool_calls if messages and messages[-1].role == "assistant" else ()
    results = [part for part in content if isinstance(part, ToolResult)]
    given = zip(waiting, results, strict=False)
    fitting = (ToolResult(call.id, result.content, result.is_error) for call, result in given)
    return (*fitting, *(part for part in content if not isinstance(part, ToolResult)))
