"""All stations, in the order of the page."""

from typing import Final

from tests.swap.anthropic_station import AnthropicStation
from tests.swap.bedrock_station import BedrockStation
from tests.swap.echo_station import EchoStation
from tests.swap.local_station import NO_WEIGHTS, LocalStation
from tests.swap.openai_station import OpenAIStation
from tests.swap.scripted_station import ScriptedStation
from tests.swap.speech import Cited, Sealed, ServerRun, Thought, Unknown
from tests.swap.station import Station

# Ids as services were recorded to issue them.
_TOOLUSE: Final = tuple(f"tooluse_{mark}-8Kq_7RtVw" for mark in ("aA0", "bB1", "cC2", "dD3", "eE4", "fF5", "gG6"))
_TOOLU: Final = tuple(f"toolu_01{mark}q90qw90lq917835lq" for mark in "ABCDEFG")
_CALLS: Final = tuple(f"call_{mark}62SFT92TJ9Zs1v4" for mark in "ABCDEFG")
_ROUTED: Final = (
    *("toolu_bdrk_01ABCqw90lq917835", "functions.get_weather:0", "fc_5b2ed3a4-1f0c-4d0e-9b0a-000000000001"),
    *("tool_0_get_time_AbCdEf", "aB3dE6gH9", "0", "chatcmpl-tool-0123456789abcdef0123456789abcdef"),
)
_MIXED: Final = (
    *("call_Yq8LfJ3vN0", "toolu_01A09q90qw90lq917835lq9", "aB3dE6gH9", "fc_5b2ed3a4-1f0c-4d0e-9b0a-000000000001"),
    *("functions.look_up:4", "tool_0_get_time_" + "x" * 70, "0|é"),
)

STATIONS: Final[tuple[Station, ...]] = (
    BedrockStation(
        "Claude on Bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock anthropic",
        _TOOLUSE,
        says=frozenset({Thought, Sealed, Cited, Unknown}),
        signs=True,
    ),
    BedrockStation(
        "Nova on Bedrock",
        "us.amazon.nova-2-lite-v1:0",
        "bedrock amazon",
        _TOOLUSE,
        says=frozenset({Thought, Cited, ServerRun}),
    ),
    BedrockStation(
        "Mistral on Bedrock",
        "us.mistral.pixtral-large-2502-v1:0",
        "bedrock mistral",
        _TOOLUSE,
        streams_calls=False,
    ),
    AnthropicStation("Anthropic", "claude-sonnet-4-5-20250929", "anthropic anthropic", _TOOLU),
    OpenAIStation("OpenAI", "gpt-4o-audio-preview", "openai", _CALLS, dialect="openai", cites=True),
    OpenAIStation(
        "DeepSeek",
        "deepseek-reasoner",
        "deepseek",
        _CALLS,
        dialect="deepseek",
        thinks="reasoning_content",
        beyond=frozenset({"reasoning_content"}),
        id_pattern=r"(?s).+",
        result_lists=False,
    ),
    OpenAIStation(
        "OpenRouter",
        "anthropic/claude-sonnet-4.5",
        "openrouter anthropic",
        _ROUTED,
        dialect="openrouter",
        thinks="reasoning_details",
        cites=True,
        beyond=frozenset({"reasoning", "reasoning_details", "cache_control"}),
        id_pattern=r"(?s).+",
        result_media=True,
    ),
    LocalStation("Local", NO_WEIGHTS, "local", _CALLS),
    ScriptedStation("Another backend", "any", "scripted", _MIXED),
    EchoStation("Echo", "any", "echo", _MIXED),
)
"""Where conversations begin."""

DESTINATIONS: Final = tuple(station for station in STATIONS if not isinstance(station, ScriptedStation))
"""Where they go. The scripted backend takes everything as it is, so that there is nothing to be found out."""
