"""The table of dialects: every row is found, makes a request, and stands on its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatport.backend import ChatRequest, ConfigurationError, Message, Settings, Tool
from chatport.backend.http import plain_json
from chatport_openai._dialect_table import DIALECTS, dialect_named, dialect_of
from chatport_openai._translate import translate

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "openai.md"


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect(name: str) -> None:
    """Its own address and its hosts lead to it, and a request can be made for it."""
    dialect = dialect_named(name)
    for host in dialect.hosts:
        assert dialect_of(f"https://{host}/v1") is dialect
        assert dialect_of(f"https://sub.{host}/v1") is dialect
        assert dialect_of(f"https://{host}.evil.example/v1") is not dialect
        assert dialect_of(f"https://not{host}/v1") is not dialect
    if dialect.base_url is not None and name != "vllm":  # its port is anybody's
        assert dialect_of(dialect.base_url) is dialect
    settings = Settings(max_tokens=5, temperature=0.5, reasoning="high")
    request = ChatRequest("a-model", (Message.user("Hi"),), tools=(Tool("add"),), tool_choice="any", settings=settings)
    body = plain_json(translate(request, dialect=dialect, streaming=True).body)
    assert body[dialect.limit_member] == 5
    assert body["stream"] is True


def test_unknown_addresses_and_names() -> None:
    """An address that says nothing is compatible; a name that is none is refused."""
    for url in ("http://127.0.0.1:8000/v1", "https://example.org/v1", "http://10.0.0.1:11434/v1", "http://localhost"):
        assert dialect_of(url).name == "compatible"
    with pytest.raises(ConfigurationError, match="no dialect 'x'"):
        dialect_named("x")


def test_the_page_has_every_dialect() -> None:
    """With its hosts and the variables of its key."""
    rows = {
        line.split("`")[1]: line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    }
    assert list(rows) == list(DIALECTS)
    for name, dialect in DIALECTS.items():
        assert all(f"`{word}`" in rows[name] for word in (*dialect.hosts, *dialect.key_variables))
