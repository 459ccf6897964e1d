"""Requests of words alone go the short way: it leads where the long one does, for any request and any model."""

from typing import Any
from unittest.mock import patch

import pytest
from bedrock_support.any_request import requests
from bedrock_support.models import SAMPLES
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend import ChatRequest, Citation, Message, Role, Settings, Text, Tool
from chatport_bedrock._body import encode_body
from chatport_bedrock._capabilities import Capabilities
from chatport_bedrock._models import capabilities
from chatport_bedrock._plain_words import plain_body_of
from chatport_bedrock._translate import translate

NOVA = "amazon.nova-lite-v1:0"
PROMPT = "arn:aws:bedrock:us-east-1:123456789012:prompt/PROMPT12345:1"

_texts = st.text(max_size=6) | st.sampled_from(["", " ", "\t\n", "\N{NO-BREAK SPACE}", "Hello", "größe", "\udc00"])
_words = st.builds(
    Text,
    _texts | st.just("Hello"),
    st.sampled_from([(), (), (), (Citation("a source"),)]),
    metadata=st.sampled_from([{}, {}, {}, {"bedrock": {"x": 1}}]),
)
_parts = st.lists(_words, min_size=1, max_size=2).map(tuple)
_settings = st.builds(
    Settings,
    max_tokens=st.sampled_from([None, None, 10, 0, 2**40]),
    temperature=st.sampled_from([None, None, 0, 0.5, 1, 2, float("nan")]),
    top_p=st.sampled_from([None, None, 0.9, -1]),
    top_k=st.sampled_from([None, None, None, 5]),
    stop_sequences=st.sampled_from([None, None, (), ("END",), ("",)]),
    reasoning=st.sampled_from([None, None, None, "high", "off", 2000]),
    cache=st.sampled_from([None, None, None, "auto"]),
    extra=st.sampled_from([{}, {}, {}, {"bedrock": {"performanceConfig": {"latency": "optimized"}}}]),
)
_odd_roles: list[Role] = ["user", "assistant", "system", "tool"]


@st.composite
def _talks(draw: st.DrawFn) -> ChatRequest:
    """Conversations of words, most of them in turns."""
    count = draw(st.sampled_from([1, 1, 2, 3, 3, 5]))
    roles: list[Role] = ["assistant" if index % 2 else "user" for index in range(count)]
    if draw(st.integers(0, 5)) == 0:
        roles[draw(st.integers(0, count - 1))] = draw(st.sampled_from(_odd_roles))
    messages = tuple(Message(role, draw(_parts)) for role in roles)
    system = draw(st.just(()) | _parts)
    models = st.sampled_from([*SAMPLES, PROMPT, "", "no\nid"])
    return ChatRequest(draw(models), messages, system, settings=draw(_settings), strict=draw(st.booleans()))


def _outcome(request: ChatRequest, can: Capabilities | None) -> Any:
    try:
        made = translate(request, can=can)
    except Exception as error:  # noqa: BLE001 - whatever it is, both ways raise it
        return type(error), str(error)
    return encode_body(made.body), made, made.ids.is_plain("call|1"), made.ids.is_plain("a")


@given(_talks() | requests())
def test_both_ways_lead_to_the_same(request: ChatRequest) -> None:
    """The same bytes, the same adjustments, the same ids of calls; or the same complaint."""
    short = _outcome(request, None)
    with patch("chatport_bedrock._translate.plain_body_of", return_value=None):
        assert _outcome(request, None) == short


@given(_talks(), st.sampled_from(SAMPLES))
def test_what_was_learned_counts(request: ChatRequest, other: str) -> None:
    """A model may be known to take something else than its id says."""
    can = capabilities(other)
    short = _outcome(request, can)
    with patch("chatport_bedrock._translate.plain_body_of", return_value=None):
        assert _outcome(request, can) == short


_ASKED = (Message.user("Hello"), Message.assistant("Hi."), Message.user("And", "now?"))


@pytest.mark.parametrize("settings", [Settings(), Settings(max_tokens=100, temperature=0.5, stop_sequences=["END"])])
@pytest.mark.parametrize("system", [(), (Text("Be brief."),)])
def test_most_requests_go_the_short_way(settings: Settings, system: tuple[Text, ...]) -> None:
    """With a system prompt and everyday settings too: else there would be no use in it."""
    request = ChatRequest(NOVA, _ASKED, system, settings=settings)
    body = plain_body_of(request, capabilities(NOVA))
    assert body is not None
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert ("system" in body) == bool(system)
    assert ("inferenceConfig" in body) == (settings != Settings())


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest(NOVA, _ASKED, tools=(Tool("weather"),)),
        ChatRequest(NOVA, _ASKED, tool_choice="none"),
        ChatRequest(NOVA, _ASKED, output_schema={"type": "object"}),
        ChatRequest(NOVA, ()),
        ChatRequest(NOVA, _ASKED[:2]),
        ChatRequest(NOVA, _ASKED[1:]),
        ChatRequest(NOVA, (Message.system("You"), *_ASKED)),
        ChatRequest(NOVA, (Message("user", (Text("a", metadata={"x": 1}),)),)),
        ChatRequest(NOVA, (Message.user("half \ud800"),)),
        ChatRequest(PROMPT, _ASKED),
        ChatRequest("amazon.titan-text-express-v1", _ASKED, (Text("Be brief."),)),
        ChatRequest(NOVA, _ASKED, settings=Settings(top_k=5)),
        ChatRequest(NOVA, _ASKED, settings=Settings(cache="auto")),
        ChatRequest(NOVA, _ASKED, settings=Settings(reasoning="low")),
    ],
)
def test_what_needs_the_long_way_takes_it(request_: ChatRequest) -> None:
    """Whatever may have to be adjusted, refused or looked at twice."""
    assert plain_body_of(request_, capabilities(request_.model)) is None
