"""All stations, in the order of the page."""

from typing import Final

from tests.swap.anthropic_station import AnthropicStation
from tests.swap.bedrock_station import BedrockStation
from tests.swap.echo_station import EchoStation
from tests.swap.scripted_station import ScriptedStation
from tests.swap.speech import Cited, Sealed, ServerRun, Thought, Unknown
from tests.swap.station import Station

# Ids as services were recorded to issue them.
_TOOLUSE: Final = tuple(f"tooluse_{mark}-8Kq_7RtVw" for mark in ("aA0", "bB1", "cC2", "dD3", "eE4", "fF5", "gG6"))
_TOOLU: Final = tuple(f"toolu_01{mark}q90qw90lq917835lq" for mark in "ABCDEFG")
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
    ScriptedStation("Another backend", "any", "scripted", _MIXED),
    EchoStation("Echo", "any", "echo", _MIXED),
)
"""Where conversations begin."""

DESTINATIONS: Final = tuple(station for station in STATIONS if not isinstance(station, ScriptedStation))
"""Where they go. The scripted backend takes everything as it is, so that there is nothing to be found out."""
