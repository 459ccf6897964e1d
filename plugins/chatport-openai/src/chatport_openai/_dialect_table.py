"""All servers that speak Chat Completions, as data, and which of them an address is.

A server without a row is asked as `compatible`, and the option `dialect` names another one. A server's own members go
through `Settings.extra["openai"]`, whatever the dialect.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from chatport.backend import ConfigurationError
from chatport_openai._dialects import LEVELS, Dialect, ReasoningKnob
from chatport_openai._hosted_dialects import HOSTED

__all__ = ["DIALECTS", "dialect_named", "dialect_of"]

_CONTENT: Final = frozenset({"reasoning_content"})
_REASONING: Final = frozenset({"reasoning"})
_EFFORT: Final = ReasoningKnob(kind="effort", levels=LEVELS, off="none")
_EFFORT_ONLY: Final = ReasoningKnob(kind="effort", levels=LEVELS)
# Servers of one's own: whatever the model behind them takes, and templates of chats that want turns to alternate.
_OWN: Final[dict[str, Any]] = {"local": True, "needs_key": False, "alternates": True, "top_k": True}

_OLLAMA: Final[dict[str, Any]] = {**_OWN, "top_k": False}

_OWN_SERVERS: Final = (
    # The server reads images from tools' results, and thinks where `think` or an effort says so.
    Dialect(
        name="ollama",
        hosts=("ollama.com",),
        base_url="http://127.0.0.1:11434/v1",
        key_variables=("OLLAMA_API_KEY",),
        any_choice=None,
        named_choice=False,
        result_media=True,
        result_lists=True,
        replayed=_REASONING | _CONTENT,
        forgets=False,
        reasoning=((r"gpt-oss", _EFFORT_ONLY), (r"", _EFFORT)),
        **_OLLAMA,
    ),
    Dialect(
        name="vllm",
        base_url="http://127.0.0.1:8000/v1",
        key_variables=("VLLM_API_KEY",),
        image_urls=True,
        video=True,
        audio=frozenset({"mp3", "wav"}),
        replayed=_CONTENT | _REASONING,
        forgets=False,
        reasoning=(
            (r"gpt-oss", _EFFORT_ONLY),
            (r"qwen3|glm|deepseek-v3", ReasoningKnob(kind="template", off="disabled")),
        ),
        **_OWN,
    ),
    Dialect(
        name="llamacpp",
        base_url="http://127.0.0.1:8080/v1",
        key_variables=("LLAMA_API_KEY",),
        image_urls=True,
        audio=frozenset({"mp3", "wav"}),
        result_media=True,
        result_lists=True,
        replayed=_CONTENT,
        forgets=False,
        reasoning=((r"gpt-oss", _EFFORT_ONLY), (r"", ReasoningKnob(kind="template", off="disabled"))),
        **_OWN,
    ),
    Dialect(
        name="lmstudio",
        base_url="http://127.0.0.1:1234/v1",
        key_variables=("LM_API_TOKEN",),
        named_choice=False,
        replayed=_CONTENT | _REASONING,
        reasoning=((r"gpt-oss", _EFFORT_ONLY),),
        **_OWN,
    ),
    # What nobody has a name for: nothing is held back that most servers take, and reasoning goes back as it came.
    Dialect(
        name="compatible",
        local=True,
        openai_models=True,  # what a gateway calls gpt-5 is that model
        needs_key=False,
        key_variables=("OPENAI_API_KEY",),
        top_k=True,
        image_urls=False,
        audio=frozenset({"mp3", "wav"}),
        video=True,
        documents="file",
        forgets=False,
        replayed=frozenset({"reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "content"}),
    ),
)

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({row.name: row for row in (*HOSTED, *_OWN_SERVERS)})
"""The dialects by their names."""

_PORTS: Final = {11434: "ollama", 8080: "llamacpp", 1234: "lmstudio"}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def dialect_named(name: str) -> Dialect:
    """Return the dialect of a name.

    Raises:
        ConfigurationError: There is none; the message says which there are.
    """
    found = DIALECTS.get(name)
    if found is None:
        raise ConfigurationError(f"there is no dialect {name!r}; there are {', '.join(DIALECTS)}")
    return found


def dialect_of(base_url: str) -> Dialect:
    """Return the dialect of a server, by its address; `compatible` where that says nothing.

    On this machine the port tells, as these servers choose theirs: 11434 is Ollama, 8080 llama.cpp, 1234 LM Studio.
    vLLM's, 8000, is anybody's.
    """
    parts = urlsplit(base_url)
    host, path = (parts.hostname or "").lower(), parts.path
    for row in DIALECTS.values():
        if any(host == name or host.endswith(f".{name}") for name in row.hosts):
            return row
    found = next((row for row in DIALECTS.values() if any(step in path for step in row.paths)), None)
    if found is None and host in _LOOPBACK:
        found = DIALECTS.get(_PORTS.get(parts.port or 0, ""))
    return found or DIALECTS["compatible"]
