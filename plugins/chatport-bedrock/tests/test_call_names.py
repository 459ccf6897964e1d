"""Names of tools and ids of calls that the service refuses: what they go as, and the way back."""

import json
import re
from typing import Any

import pytest
from bedrock_support.answers import USAGE, event
from bedrock_support.http_bytes import head
from bedrock_support.loopback import LoopbackServer
from bedrock_support.models import SAMPLES
from hypothesis import given
from hypothesis import strategies as st

import chatport
from chatport.backend import (
    ChatRequest,
    Message,
    MessageEnd,
    Opaque,
    PartEnd,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
)
from chatport_bedrock._call_names import call_ids, tool_names
from chatport_bedrock._models import capabilities
from chatport_bedrock._translate import Translation, translate
from chatport_bedrock.emulator import Answer, Emulator

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
HELLO = Message.user("Hello")
LONG = "call|" + "x" * 80
ISSUED = "tooluse_TdmpoyAAhACnMgSAh4lOVF"
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")


def translated(*messages: Message, model: str = CLAUDE, **members: Any) -> Translation:
    """Translate a conversation."""
    return translate(ChatRequest(model, messages, **members))


def answered(call: ToolCall, *, model: str = CLAUDE) -> tuple[str, str]:
    """The id of a call and that of its result, on the wire."""
    messages = (HELLO, Message.assistant(call), Message("tool", (ToolResult(call.id, "done"),)))
    _, answer, results = translated(*messages, model=model, tools=(Tool("t"),)).body["messages"]
    return answer["content"][0]["toolUse"]["toolUseId"], results["content"][0]["toolResult"]["toolUseId"]


def test_rule_31_a_refused_name_of_a_tool_is_replaced_wherever_it_stands() -> None:
    """On offer, in the history and in the choice it is the same name, and it is told once."""
    call = ToolCall("a", "files/read file")
    translation = translated(
        HELLO,
        Message.assistant(call),
        Message("tool", (ToolResult("a", "x"),)),
        tools=(Tool("ok"), Tool("files/read file")),
        tool_choice="files/read file",
    )
    config = translation.body["toolConfig"]
    sent = config["tools"][1]["toolSpec"]["name"]
    assert sent == "files_read_file_" + sent[-12:]
    assert NAME.fullmatch(sent)
    assert config["toolChoice"] == {"tool": {"name": sent}}
    assert translation.body["messages"][1]["content"][0]["toolUse"]["name"] == sent
    assert config["tools"][0]["toolSpec"]["name"] == "ok"
    assert dict(translation.tool_names) == {sent: "files/read file"}
    (renamed,) = translation.adjustments
    assert (renamed.kind, renamed.code, renamed.path) == ("renamed", "tool-renamed", "messages[1].parts[0]")


def test_rule_31_a_name_that_the_model_made_up_goes_back_too() -> None:
    """What nobody offered may stand in the history; the caller's own object is not changed."""
    call = ToolCall("a", "übersetzen!")
    translation = translated(HELLO, Message.assistant(call), Message("tool", (ToolResult("a", "x", is_error=True),)))
    sent = translation.body["messages"][1]["content"][0]["toolUse"]["name"]
    assert NAME.fullmatch(sent)
    assert translation.body["toolConfig"]["tools"][0]["toolSpec"]["name"] == sent
    assert call.name == "übersetzen!"


def test_rule_31_answers_have_the_callers_names() -> None:
    """Both ways in which a call comes are led back; all other events are the same objects."""
    translation = translated(HELLO, tools=(Tool("a.b"), Tool("c")))
    sent = translation.body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    restorer = translation.restorer()
    assert list(restorer.feed(ToolCallStart(0, "x", sent))) == [ToolCallStart(0, "x", "a.b")]
    whole = PartEnd(0, ToolCall("x", sent, {"n": 1}))
    assert list(restorer.feed(whole)) == [PartEnd(0, ToolCall("x", "a.b", {"n": 1}))]
    for other in (ToolCallStart(0, "x", "c"), ToolCallDelta(0, "{}"), TextDelta(1, "Hi"), MessageEnd("stop")):
        assert next(iter(restorer.feed(other))) is other


@pytest.mark.parametrize("call_id", [LONG, "call/1", "å", "x" * 65])
def test_rule_32_a_refused_id_is_replaced_in_call_and_result(call_id: str) -> None:
    """Ids of other services may be longer than the service takes, or have other characters."""
    call, result = answered(ToolCall(call_id, "t"))
    assert call == result != call_id
    assert ID.fullmatch(call)
    messages = (HELLO, Message.assistant(ToolCall(call_id, "t")), Message("tool", (ToolResult(call_id, "x"),)))
    found = [(item.kind, item.code, item.path) for item in translated(*messages, tools=(Tool("t"),)).adjustments]
    assert found == [("renamed", "call-id-renamed", "messages[1].parts[0]")]


@pytest.mark.parametrize("model", SAMPLES)
def test_rule_32_ids_that_the_service_issued_go_back_unchanged(model: str) -> None:
    """They are told by their look or by the mark on the call, whatever the model asked now wants of ids."""
    assert answered(ToolCall(ISSUED, "t"), model=model) == (ISSUED, ISSUED)
    marked = ToolCall(LONG, "t", metadata={"bedrock": {}})
    assert answered(marked, model=model) == (LONG, LONG)


def test_rule_32_a_call_in_the_services_words_keeps_its_result() -> None:
    """Its id is not changed, so that of its result is not either."""
    call = Opaque("bedrock", {"toolUse": {"toolUseId": LONG, "name": "t", "input": {}}})
    translation = translated(HELLO, Message.assistant(call), Message("tool", (ToolResult(LONG, "done"),)))
    assert translation.body["messages"][2]["content"][0]["toolResult"]["toolUseId"] == LONG


def test_rule_33_mistral_gets_nine_letters_and_digits() -> None:
    """Made from the whole id: ids that begin alike stay different."""
    sent = {answered(ToolCall(f"call_of_another_service_{number}", "t"), model=MISTRAL)[0] for number in range(500)}
    assert len(sent) == 500
    assert all(re.fullmatch(r"[a-zA-Z0-9]{9}", call_id) for call_id in sent)
    assert answered(ToolCall("abcDEF123", "t"), model=MISTRAL) == ("abcDEF123", "abcDEF123")


def test_rule_34_an_empty_id_gets_one() -> None:
    """The call and its result stay together."""
    call, result = answered(ToolCall("", "t"))
    assert call == result
    assert ID.fullmatch(call)


@given(
    st.lists(st.text(max_size=70) | st.sampled_from(["a", "a b", "a|b"]), unique=True, max_size=8),
    st.sampled_from([None, capabilities(MISTRAL).tool_id]),
)
def test_rules_32_to_34_ids_are_accepted_and_different(ids: list[str], pattern: str | None) -> None:
    """Any set of ids, alike in every request that has the same."""
    calls = call_ids(ids, pattern=pattern)
    sent = [calls.sent(call_id) for call_id in ids]
    assert all(re.fullmatch(pattern or ID.pattern, call_id) or call_id.startswith("tooluse_") for call_id in sent)
    assert len(set(sent)) == len(ids)
    again = call_ids(ids, pattern=pattern)
    assert [again.sent(call_id) for call_id in ids] == sent


@pytest.mark.anyio
@pytest.mark.parametrize("streaming", [False, True], ids=["ask", "stream"])
async def test_rule_31_a_session_sees_its_own_names(
    server: LoopbackServer, options: dict[str, Any], *, streaming: bool
) -> None:
    """A tool with a name that the service refuses is called by that name, in one piece or streamed."""
    sent = tool_names().sent("files.read")
    use = {"toolUseId": "tooluse_1", "name": sent}
    if streaming:
        frames = [
            event("messageStart", {"role": "assistant"}),
            event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": use}}),
            event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}}),
            event("contentBlockStop", {"contentBlockIndex": 0}),
            event("messageStop", {"stopReason": "tool_use"}),
            event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
        ]
        body = b"".join(frames)
        kind = "application/vnd.amazon.eventstream"
    else:
        message = {"role": "assistant", "content": [{"toolUse": {**use, "input": {}}}]}
        answer = {"output": {"message": message}, "stopReason": "tool_use", "usage": USAGE, "metrics": {"latencyMs": 1}}
        body, kind = json.dumps(answer).encode(), "application/json"
    server.answer(head("200 OK", {"content-type": kind, "content-length": str(len(body))}), body)
    async with chatport.open_session(
        f"bedrock:{CLAUDE}", backend_options=options, tools=[Tool("files.read")]
    ) as session:
        if streaming:
            async with session.stream("?", run_tools=False) as stream:
                reply = await stream.finish()
        else:
            reply = await session.ask("?", run_tools=False)
    assert [call.name for call in reply.tool_calls] == ["files.read"]
    assert [item.code for item in reply.adjustments] == ["tool-renamed"]


@pytest.mark.anyio
@pytest.mark.parametrize("streaming", [False, True], ids=["ask", "stream"])
@pytest.mark.parametrize(("model", "issued"), [(CLAUDE, "call|1/å"), (CLAUDE, "x" * 80), (MISTRAL, "call_12")])
async def test_rule_32_an_odd_id_goes_back_as_it_was_issued(model: str, issued: str, *, streaming: bool) -> None:
    """Through a session, a stored history and another session: the mark on the call says whose it is."""
    use = {"toolUse": {"toolUseId": issued, "name": "t", "input": {}}}
    body = {"output": {"message": {"role": "assistant", "content": [use]}}, "stopReason": "tool_use", "usage": USAGE}
    tools = [Tool("t")]
    with Emulator([Answer(body=body)], check_requests=False) as emulator:
        reached = {"endpoint_url": emulator.url, "region": "us-east-1", "api_key": "made-up", "streaming": "auto"}
        async with chatport.open_session(f"bedrock:{model}", backend_options=reached, tools=tools) as session:
            if streaming:
                async with session.stream("?", run_tools=False) as stream:
                    reply = await stream.finish()
            else:
                reply = await session.ask("?", run_tools=False)
        assert [call.id for call in reply.tool_calls] == [issued]
        history = chatport.load_messages(chatport.dump_messages(session.messages))
        async with chatport.open_session(
            f"bedrock:{model}", backend_options=reached, tools=tools, messages=history
        ) as session:
            preview = await session.preview(ToolResult(issued, "done"))
    _, called, answered_call = preview.request["messages"]
    assert called["content"][0]["toolUse"]["toolUseId"] == issued
    assert answered_call["content"][0]["toolResult"]["toolUseId"] == issued
    assert "call-id-renamed" not in [item.code for item in preview.adjustments]


def test_an_id_that_tells_who_issued_it_gets_no_mark() -> None:
    """Most do: then a call is the call and nothing else."""
    events = (ToolCallStart(0, ISSUED, "t"), ToolCallStart(1, "functions.t:0", "t"), ToolCallStart(2, "", "t"))
    restorer = translated(HELLO).restorer()
    assert tuple(event for given in events for event in restorer.feed(given)) == events
