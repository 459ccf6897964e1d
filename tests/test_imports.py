"""What `import chatport` does, seen in a fresh interpreter: it loads ourselves and our four dependencies."""

import json
import subprocess
import sys
import textwrap

import pytest

# Vendors, transports and terminals: whoever wants one of them asks for a backend or the command line.
_ABSENT = [
    *("aiobotocore", "aiohttp", "boto3", "botocore", "genai_prices", "httpx", "httpx2", "httpcore", "httpcore2"),
    *("pytest", "rich"),
    "trio",
]


def _fresh(program: str) -> object:
    """Run a program in a new interpreter, warnings as errors, and read the JSON that it prints."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    "door",
    [
        *("chatport", "chatport.backend", "chatport.backend.http", "chatport.backend.translation"),
        *("chatport.hooks", "chatport.testing"),
    ],
)
def test_a_door_loads_no_vendor_and_no_plugin(door: str) -> None:
    """After the import no vendor SDK, no transport and no plugin is among the loaded modules."""
    loaded = _fresh(f"""
        import json, sys
        import {door}
        print(json.dumps(sorted(sys.modules)))
    """)
    assert isinstance(loaded, list)
    top = {str(name).split(".")[0] for name in loaded}
    assert door in loaded
    assert not top.intersection(_ABSENT)
    assert not {name for name in top if name.startswith("chatport_")}


# What costs more to load than most of our own files, and what a conversation in words has no use for.
_UNUSED_BY_IMPORT = [
    *("asyncio", "concurrent.futures", "email", "http", "importlib.metadata", "pydantic", "pydantic_core", "socket"),
    *("sqlite3", "ssl", "subprocess", "tempfile", "urllib.request", "zipfile"),
]
_UNUSED_BY_WORDS = [
    *("chatport._docstrings", "chatport._download", "chatport._fetch", "chatport._json_schema", "chatport._output"),
    *("chatport._history_walk", "chatport._signatures", "chatport._sqlite_database", "chatport._stored_form"),
    *("chatport._tool_results", "chatport._tool_runs", "chatport.cli", "chatport.testing"),
]


def test_the_import_loads_what_it_needs() -> None:
    """Event loops, TLS, mail's format and pydantic wait until somebody asks, and so do tools and downloads."""
    loaded = _fresh("""
        import json, sys
        import anyio, anyio.lowlevel, anyio.to_thread, pluggy, typing_extensions  # older ones load more
        before = set(sys.modules)
        import chatport
        print(json.dumps(sorted(set(sys.modules) - before)))
    """)
    assert isinstance(loaded, list)
    assert "chatport._session" in loaded
    assert not set(loaded).intersection([*_UNUSED_BY_IMPORT, *_UNUSED_BY_WORDS])


def test_importing_touches_no_network_and_starts_nothing() -> None:
    """The import opens no socket, starts no thread or process, and reads no entry points."""
    seen = _fresh("""
        import importlib.metadata, json, sys, threading
        events = []

        def watch(event, arguments):
            if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn")):
                events.append(event)

        importlib.metadata.entry_points = lambda **_: events.append("entry_points")
        sys.addaudithook(watch)
        threads = threading.active_count()
        import chatport
        print(json.dumps({"events": events, "threads": threading.active_count() - threads}))
    """)
    assert seen == {"events": [], "threads": 0}


def test_listing_backends_imports_none_of_them() -> None:
    """`available_backends()` reads names; the plugins stay unloaded."""
    seen = _fresh("""
        import json, sys
        import chatport
        names = chatport.available_backends()
        print(json.dumps({"names": list(names), "loaded": [m for m in sys.modules if m.startswith("chatport_")]}))
    """)
    assert isinstance(seen, dict)
    assert {"bedrock", "echo"} <= set(seen["names"])
    assert seen["loaded"] == []


def test_the_bedrock_entry_point_loads_no_vendor() -> None:
    """Loading the plugin's module, as the registry does to look at it, does not yet import the SDK."""
    loaded = _fresh("""
        import json, sys
        from importlib.metadata import entry_points
        (found,) = set(entry_points(group="chatport.backends", name="bedrock"))
        found.load()
        print(json.dumps(sorted(sys.modules)))
    """)
    assert isinstance(loaded, list)
    assert "chatport_bedrock.plugin" in loaded
    assert not {str(name).split(".")[0] for name in loaded}.intersection(_ABSENT)


def test_pydantic_is_loaded_for_who_has_tools_or_asks_for_a_type() -> None:
    """It is a third of what the import would cost: a conversation in words does without."""
    seen = _fresh(f"""
        import json, sys
        import anyio
        import chatport
        before = "pydantic" in sys.modules
        anyio.run(chatport.ask, "echo:any", "Hi")
        spoken = "pydantic" in sys.modules
        assert not sys.modules.keys() & set({_UNUSED_BY_WORDS}), "loaded for words"
        from chatport.testing import ScriptedBackend
        chatport.Session(ScriptedBackend(), "m").request("Hi", output=int)
        print(json.dumps([before, spoken, "pydantic" in sys.modules]))
    """)
    assert seen == [False, False, True]


def test_what_other_wires_need_of_the_door_needs_no_http_library() -> None:
    """Where no HTTP library is installed, the door for HTTP is imported, and what is not the wire itself works."""
    seen = _fresh("""
        import json, sys
        for name in ("h11", "httpcore", "httpcore2", "httpx", "httpx2"):
            sys.modules[name] = None  # as if it was not installed: its import fails
        import anyio
        from chatport.backend import Timeouts
        from chatport.backend.http import ChunkReader, Exchange, Patience, Slots

        async def taken():
            slots = Slots(1)
            await slots.acquire(1)
            return slots.in_flight

        late = Patience(Timeouts(total=1.0)).total_error(Exchange("tested"))
        print(json.dumps([ChunkReader().feed(b"2\\r\\nhi").decode(), anyio.run(taken), late.timeout]))
    """)
    assert seen == ["hi", 1, "total"]
