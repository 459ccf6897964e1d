"""What every store has to do: append, list, search."""

import pytest
from tests.stores.support import history_of

from chatport import ConflictError, Document, Message, SessionStore, StoredTurn, ToolResult, Usage

pytestmark = pytest.mark.anyio


async def test_append_replaces_and_takes_back(store: SessionStore) -> None:
    """One call makes a version of turns that stay and new ones; tokens are never the same twice."""
    turns = [StoredTurn((Message.user(str(number)),)) for number in range(4)]
    tokens = [await store.append("a", turns[:3], version=None)]
    tokens.append(await store.append("a", [turns[3]], version=tokens[-1], keep=1))
    assert [message.text for message in await history_of(store)] == ["0", "3"]
    tokens.append(await store.append("a", [], version=tokens[-1], keep=0))
    assert await history_of(store) == ()
    tokens.append(await store.append("a", turns, version=tokens[-1], usage=Usage(1)))
    assert len(set(tokens)) == 4
    for wrong in (*tokens[:-1], None, "x"):
        with pytest.raises(ConflictError):
            await store.append("a", [], version=wrong)
    with pytest.raises(ConflictError):
        await store.append("b", [], version=tokens[-1])
    for keep in (5, -1):
        with pytest.raises(ValueError, match="keep"):
            await store.append("a", [], version=tokens[-1], keep=keep)
    found = await store.load("a")
    assert found is not None
    assert (found.version, found.usage) == (tokens[-1], Usage(1))
    assert isinstance(store, SessionStore)


async def test_lists_come_in_pages_the_last_changed_first(store: SessionStore) -> None:
    """Each session once, also where some were changed at the same moment."""
    for name in "abcde":
        await store.append(name, [StoredTurn((Message.user(f"I am {name}"),))], version=None)
    again = await store.load("b")
    assert again is not None
    await store.append("b", [], version=again.version)
    rows = await store.list_sessions(limit=2)
    names = [row.id for row in rows]
    while rows:
        rows = await store.list_sessions(limit=2, after=rows[-1])
        names += [row.id for row in rows]
    assert names == ["b", "e", "d", "c", "a"]
    assert [row.title for row in await store.list_sessions(limit=1)] == ["I am b"]


async def test_search_finds_words_in_what_is_said(store: SessionStore) -> None:
    """Every word, in any case and script, in text, results and names; only in turns that are still there."""
    report = Document("text/plain", b"hidden", name="Jahresbericht.txt")
    told = Message("tool", (ToolResult("1", "Es regnet in STRASSE"),))
    await store.append("a", [StoredTurn((Message.user("Wo ist die Straße?", report), told))], version=None)
    token = await store.append("b", [StoredTurn((Message.user("東京タワー is\x00 in 東京"),))], version=None)
    await store.append(
        "b", [StoredTurn((Message.user("Where is the straße \ud800 again" + " x" * 99),))], version=token
    )

    async def found(text: str, **options: int) -> list[tuple[str, int]]:
        return [(hit.session.id, hit.turn) for hit in await store.search(text, **options)]

    assert await found("strasse") == [("b", 1), ("a", 0)]
    assert await found("STRASSE", limit=1) == [("b", 1)]
    assert await found("wo strasse") == [("a", 0)]
    assert await found("jahresBERICHT regnet") == [("a", 0)]
    assert await found("タワー") == [("b", 0)]
    assert await found("hidden") == await found("%") == await found("  ") == []
    assert await found("strasse " * 2000 + "wo") == [("a", 0)]  # a word said twice is one word
    assert await found(" ".join(map(str, range(100)))) == []
    with pytest.raises(ValueError, match="at most 100 different words, not 101"):
        await found(" ".join(map(str, range(101))))
    for limit in (0, -1):
        with pytest.raises(ValueError, match="limit must be at least 1"):
            await store.search("wo", limit=limit)
        with pytest.raises(ValueError, match="limit must be at least 1"):
            await store.list_sessions(limit=limit)
    (hit, *_) = await store.search("AGAIN")
    assert hit.excerpt.startswith("Where is the straße ? again x")
    assert hit.excerpt.endswith("…")
    found_b = await store.load("b")
    assert found_b is not None
    await store.append("b", [], version=found_b.version, keep=1)
    assert await found("again") == []
