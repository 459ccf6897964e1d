"""Tools in the service's own words, beside those of the request."""

from typing import Any

import pytest

from chatport.backend import CachePoint, ChatRequest, Message, Settings, Tool
from chatport_bedrock import BedrockOptions
from chatport_bedrock._translate import Translation, translate

CLAUDE = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
NEWCOMER = "newcomer.model-v1:0"
HELLO = Message.user("Hello")
CLOCK = Tool("clock")
GROUNDING = {"systemTool": {"name": "nova_grounding"}}
POINT = {"cachePoint": {"type": "default"}}


def offered(*tools: Tool, extra: Any, model: str = NEWCOMER, **members: Any) -> Translation:
    """A request with these tools and these own members."""
    return translate(ChatRequest(model, (HELLO,), tools=tools, settings=Settings(extra={"bedrock": extra}), **members))


def test_own_tools_come_behind_those_of_the_request() -> None:
    """A tool of the service's own takes none away, and a cache point is behind all."""
    extra = BedrockOptions(system_tools=["nova_grounding"], tools_cache_point=CachePoint())
    translation = offered(CLOCK, extra=extra)
    tools = translation.body["toolConfig"]["tools"]
    assert [next(iter(tool)) for tool in tools] == ["toolSpec", "systemTool", "cachePoint"]
    assert translation.adjustments == ()
    # … and the other members of the caller's `toolConfig` are laid over ours.
    chosen = offered(CLOCK, extra={"toolConfig": {"toolChoice": {"auto": {}}, "tools": [GROUNDING]}})
    assert chosen.body["toolConfig"]["toolChoice"] == {"auto": {}}
    assert len(chosen.body["toolConfig"]["tools"]) == 2


def test_an_own_choice_takes_the_place_of_ours() -> None:
    """A choice is one of several members: two merged would be refused."""
    extra: dict[str, Any] = {"toolConfig": {"toolChoice": {"auto": {}}}}
    assert offered(CLOCK, extra=extra, tool_choice="any").body["toolConfig"]["toolChoice"] == {"auto": {}}
    answer = offered(CLOCK, extra=extra, model=CLAUDE, output_schema={"type": "object", "properties": {}})
    assert answer.body["toolConfig"]["toolChoice"] == {"auto": {}}


def test_an_own_tool_takes_the_place_of_its_namesake() -> None:
    """The last word is the caller's; two tools of one name would be refused."""
    spec = {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}, "strict": True}}
    other = Tool("other")
    tools = offered(CLOCK, other, extra={"toolConfig": {"tools": [spec]}}).body["toolConfig"]["tools"]
    assert [tool["toolSpec"]["name"] for tool in tools] == ["other", "clock"]
    assert tools[1] is spec


def test_a_cache_point_without_tools_is_left_out() -> None:
    """There is nothing to cache: no toolConfig goes out, also where the tools are withheld."""
    extra = BedrockOptions(tools_cache_point=CachePoint())
    alone = offered(extra=extra)
    withheld = offered(CLOCK, extra=extra, tool_choice="none")
    for translation in (alone, withheld):
        assert "toolConfig" not in translation.body
    assert [item.code for item in alone.adjustments] == ["cache-point-omitted"]
    assert [item.code for item in withheld.adjustments] == ["tools-withheld", "cache-point-omitted"]


def test_a_cache_point_that_the_model_does_not_take_is_left_out_and_told() -> None:
    """Nova takes none among tools; the tools stay. Alone, it takes the `toolConfig` with it."""
    extra = BedrockOptions(system_tools=["nova_grounding"], tools_cache_point=CachePoint())
    translation = offered(CLOCK, extra=extra, model=NOVA)
    assert [next(iter(tool)) for tool in translation.body["toolConfig"]["tools"]] == ["toolSpec", "systemTool"]
    alone = offered(extra=BedrockOptions(tools_cache_point=CachePoint()), model=NOVA)
    assert "toolConfig" not in alone.body
    for found in (translation, alone):
        assert [(item.kind, item.code) for item in found.adjustments] == [("dropped", "cache-point-refused")]


def test_a_life_that_the_model_does_not_know_is_not_said() -> None:
    """It is cached for as long as the model does by itself; a life that it knows, and none, stay as they are."""
    changed = [("changed", "cache-life-omitted")]
    for ttl, life, told in (("1h", {}, changed), ("5m", {"ttl": "5m"}, []), (None, {}, [])):
        found = offered(CLOCK, extra=BedrockOptions(tools_cache_point=CachePoint(ttl)), model=CLAUDE)
        assert found.body["toolConfig"]["tools"][1]["cachePoint"] == {"type": "default", **life}
        assert [(item.kind, item.code) for item in found.adjustments] == told


def test_a_cache_point_is_no_tool_that_could_be_called() -> None:
    """A choice that cannot be met is still refused."""
    with pytest.raises(ValueError, match="there are no tools"):
        offered(extra={"toolConfig": {"tools": [POINT]}}, tool_choice="any")


@pytest.mark.parametrize("tools", [{"systemTool": {"name": "a"}}, [], ["a"], [{"toolSpec": 1}]])
def test_what_is_no_list_of_tools_goes_out_as_it_is(tools: Any) -> None:
    """The service says what is wrong with it; nothing of it is lost here."""
    sent = offered(extra={"toolConfig": {"tools": tools}}).body["toolConfig"]["tools"]
    assert sent == tools
