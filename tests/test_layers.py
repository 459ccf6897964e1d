"""Imports point down. The tables here are the architecture; a module that is in none of them is a failure too."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import pytest
from tests.module_imports import Source, module_name

_ROOT = Path(__file__).resolve().parents[1]


# --- the tables -------------------------------------------------------------------------------------------------------

# A row may import the rows above it: never its own row, never one below. A folder (testing, cli) is one entry.
CORE_ROWS: tuple[tuple[str, ...], ...] = (
    (
        *("_addresses", "_annotations", "_answer_json", "_answer_words", "_call_names", "_closing", "_cost"),
        *("_docstrings", "_error_text", "_errors", "_json", "_json_schema", "_json_values", "_load", "_retry"),
        *("_sniff", "_timeouts", "_tool_choice", "_tool_context", "_unknown_content", "_urls", "_worker"),
        *("_http_chunks", "_http_headers", "_http_request", "_http_slots", "_server_sent_events"),
    ),
    (
        *("_adjustments", "_download", "_library_prices", "_media", "_metadata", "_output", "_pace", "_signatures"),
        *("_http_failures", "_http_options", "_http_patience", "_http_pool", "_json_body"),
    ),
    ("_fetch", "_http_answer", "_http_network", "_http_wire", "_messages", "_translation_scope"),
    (
        *("_approval", "_call_ids", "_call_pairs", "_events", "_hook_specs", "_http_connections", "_message_facts"),
        *("_model_info", "_places", "_reasoning_levels", "_request", "_revision", "_tool_errors", "_tool_results"),
    ),
    (
        *("_estimate", "_event_stream", "_fold", "_observers", "_reply", "_restorer", "_store", "_system_prompt"),
        *("_tool_policy", "_tools", "_unfold", "_url_media", "_usage_limits", "_usage_observer", "_window"),
    ),
    # `backend` is a door, as is `hooks` below: it re-exports what authors need from above
    (
        *("_attempts", "_content", "_conversation", "_logging_observer", "_oldest_steps", "_options", "_output_reader"),
        *("_stream", "_tool_runs", "_turn_watch", "backend"),
    ),
    (
        *("_chat_session", "_claims", "_fallback", "_fitting", "_history_walk", "_registry", "_replay", "_serialize"),
        *("_session_history", "_session_setup", "_step_calls", "_turn_plan", "hooks"),
    ),
    ("_repair", "_session_store", "_stored_form", "_stored_history", "_turn"),
    ("_markdown", "_session", "_sqlite_rows", "_sqlite_schema"),
    ("_export", "_opening", "_sqlite_database"),
    ("_import", "_sqlite_store"),
    ("__init__", "testing"),
    ("cli",),
)

# Import name → distribution, where they differ.
PROVIDED_BY = {"pydantic_core": "pydantic", "typing_extensions": "typing-extensions"}
# The loops behind anyio are anyio's business.
FORBIDDEN_IN_CORE = frozenset({"asyncio", "trio"})

# Who runs the suite for backends has pytest; nothing else may need it, and nobody installs it for the library.
TEST_TOOLS: dict[str, frozenset[str]] = {"testing": frozenset({"pytest"})}

# What the library modules of any plugin may import of ours, besides their own siblings.
PLUGIN_DOORS = frozenset({"chatport.backend", "chatport.backend.http", "chatport.backend.translation"})
# What an application inside a plugin may import.
PUBLIC_DOORS = frozenset({"chatport", *PLUGIN_DOORS, "chatport.hooks", "chatport.testing"})
APPLICATIONS = frozenset({"emulator"})

# Inside a vendor's plugin files have their place in a room, and a room knows only the rooms that are named for it:
# translating, the wire and decoding do not know each other. Rooms are what the picture in the documentation shows.
ROOMS: dict[str, dict[str, frozenset[str]]] = {}
KNOWS: dict[str, dict[str, frozenset[str]]] = {}


for _path in sorted((_ROOT / "tests" / "rooms").glob("*.toml")):
    _table = tomllib.loads(_path.read_text(encoding="utf-8"))
    ROOMS[_path.stem] = {room: frozenset(entry["files"]) for room, entry in _table.items()}
    KNOWS[_path.stem] = {room: frozenset(entry["knows"]) for room, entry in _table.items()}


# Only these do I/O or see a vendor's package; the rest of a plugin takes values and returns values.
IO_ROOMS = frozenset({"wire", "emulator"})
# The glue may hold locks and cancel scopes; what is pure needs no event loop at all.
LOOP_ROOMS = IO_ROOMS | {"glue"}
IO_PACKAGES = frozenset(
    {
        *{"aiobotocore", "aiohttp", "boto3", "botocore", "h11", "httpcore", "httpcore2", "httpx", "httpx2", "requests"},
        *{"asyncio", "http.client", "http.server", "selectors", "socket", "socketserver", "ssl", "subprocess", "trio"},
        *{"urllib.request", "urllib3"},
    }
)

VENDOR_WORDS = frozenset(
    {
        *{"aiobotocore", "amazon", "anthropic", "aws", "azure", "bedrock", "boto", "boto3", "botocore", "claude"},
        *{"cohere", "deepseek", "gemini", "google", "gpt", "groq", "llama", "mistral", "nova", "ollama"},
        *{"openai", "openrouter", "vertex"},
    }
)


# --- reading the code -------------------------------------------------------------------------------------------------


def _sources(package: str, root: Path) -> list[Source]:
    return [Source(package, path, root) for path in sorted(root.rglob("*.py"))]


CORE = _sources("chatport", _ROOT / "src" / "chatport")
PLUGINS = [
    source
    for root in sorted(_ROOT.glob("plugins/*/src/*"))
    if root.is_dir() and not root.name.endswith(".egg-info")
    for source in _sources(root.name, root)
]


def _by_package(sources: Iterable[Source]) -> list[list[Source]]:
    packages = groupby(sources, key=lambda source: source.package)
    return [list(group) for _, group in packages]


ROOMED = [source for source in PLUGINS if source.package in ROOMS]

each_core_file = pytest.mark.parametrize("source", CORE, ids=lambda source: source.where)
each_plugin_file = pytest.mark.parametrize("source", PLUGINS, ids=lambda source: source.where)
each_roomed_file = pytest.mark.parametrize("source", ROOMED, ids=lambda source: source.where)


def _is_or_below(module: str, packages: frozenset[str]) -> bool:
    parts = module.split(".")
    return any(".".join(parts[: length + 1]) in packages for length in range(len(parts)))


# --- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sources", [CORE, *_by_package(PLUGINS)], ids=lambda sources: sources[0].package)
def test_no_import_cycles(sources: list[Source]) -> None:
    """Modules can be read one after the other; imports inside functions count too."""
    graph = {
        module_name(source.package, source.root, source.path): {
            found.module for found in source.imports if found.module in source.modules
        }
        for source in sources
    }
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the cycle
    assert graph.keys() <= set(order)


@pytest.mark.parametrize("sources", [CORE, *_by_package(PLUGINS)], ids=lambda sources: sources[0].package)
def test_what_is_imported_is_declared(sources: list[Source]) -> None:
    """Every distribution that a package imports from stands in its own pyproject.toml, extras included."""
    declared = {sources[0].package.replace("_", "-"), *_declared(sources[0].root.parent.parent / "pyproject.toml")}
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for source in sources
        for found in source.imports
        if (top := found.module.split(".")[0]) not in sys.stdlib_module_names
        and PROVIDED_BY.get(top, top.replace("_", "-")) not in declared
        and not (source.package == "chatport" and top in TEST_TOOLS.get(source.unit, ()))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_has_four_dependencies() -> None:
    """A fifth one is a decision, not a convenience; and no vendor is among them. Extras are for who asks for them."""
    needed = {"anyio", "pluggy", "pydantic", "typing-extensions"}
    assert _names(_project(_ROOT / "pyproject.toml")["dependencies"]) == needed
    assert _declared(_ROOT / "pyproject.toml") == needed | {"chatport-local", "genai-prices", "httpcore2", "httpx2"}


@pytest.mark.parametrize("sources", _by_package(PLUGINS), ids=lambda sources: sources[0].package)
def test_a_plugin_asks_for_this_core(sources: list[Source]) -> None:
    """For the minor version that it is tested with, and for the extra `http` where it sends with the core's wire."""
    major, minor, _ = _project(_ROOT / "pyproject.toml")["version"].split(".")
    sends = any("HttpWire" in source.path.read_text(encoding="utf-8") for source in sources)
    wanted = f"chatport{'[http]' if sends else ''}>={major}.{minor},<{major}.{int(minor) + 1}"
    dependencies = _project(sources[0].root.parent.parent / "pyproject.toml")["dependencies"]
    assert [each for each in dependencies if _names([each]) == {"chatport"}] == [wanted]


def _project(path: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return project


def _declared(path: Path) -> set[str]:
    project = _project(path)
    requirements = [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
    return _names(requirements)


def _names(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def test_the_tables_name_what_exists() -> None:
    """A file that is gone is gone from the tables too."""
    assert {unit for row in CORE_ROWS for unit in row} == {source.unit for source in CORE}
    for package, rooms in ROOMS.items():
        assert {unit for room in rooms.values() for unit in room} == {s.unit for s in ROOMED if s.package == package}
        assert set().union(*KNOWS[package].values()) <= rooms.keys()


def test_the_contributing_guide_shows_these_rows() -> None:
    """Who reads the guide reads the rows of this file, and finds every file of the core in the tree."""
    text = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [f"| {number} | {_code(units)} |" for number, units in enumerate(CORE_ROWS, 1)]
    assert "\n".join(rows) in text, "write this into CONTRIBUTING.md:\n" + "\n".join(rows)
    missing = [
        source.unit
        for source in CORE
        if f"      {source.unit}.py " not in text and f"      {source.unit}/ " not in text
    ]
    assert not missing, "the tree in CONTRIBUTING.md lacks these"


def _code(units: Iterable[str]) -> str:
    return " ".join(f"`{unit}`" for unit in units)


# --- the core ---------------------------------------------------------------------------------------------------------


def test_the_files_are_found() -> None:
    """The tests below have something to look at: the core, and every plugin."""
    assert {"_errors", "_session", "backend", "cli"} <= {source.unit for source in CORE}
    vendors = {"chatport_anthropic", "chatport_bedrock", "chatport_local", "chatport_openai"}
    assert vendors == ROOMS.keys()
    assert {source.package for source in PLUGINS} == {*vendors, "chatport_echo"}


@each_core_file
def test_core_imports_point_down(source: Source) -> None:
    """A core module imports only what stands above it in the table, its own folder excepted."""
    rows = {unit: row for row, units in enumerate(CORE_ROWS) for unit in units}
    assert source.unit in rows, f"{source.where} has no place in CORE_ROWS: give it one"
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for found in source.imports
        if found.module.split(".")[0] == "chatport"
        and (unit := _unit_of(found.module)) != source.unit
        and rows.get(unit, len(rows)) >= rows[source.unit]
    ]
    assert not wrong, "\n".join(wrong)


def _unit_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@each_core_file
def test_core_imports_no_event_loop(source: Source) -> None:
    """The core runs on anyio; which loop is behind it is not its business."""
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for found in source.imports
        if found.module.split(".")[0] in FORBIDDEN_IN_CORE
    ]
    assert not wrong, "\n".join(wrong)


@each_core_file
def test_core_names_no_vendor(source: Source) -> None:
    """No identifier and no string of the core names a vendor; docstrings may, they cite sources and give examples."""
    wrong = [
        f"{source.where}:{line}: {text!r} names {', '.join(sorted(vendors))}"
        for line, text in _identifiers_and_strings(source.tree)
        if (vendors := _words(text) & VENDOR_WORDS)
    ]
    assert not wrong, "\n".join(wrong)


def _words(text: str) -> set[str]:
    """The words of an identifier or a sentence: split at what is no letter or digit, and at camel case."""
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return {word.lower() for word in re.findall(r"[A-Za-z0-9]+", separated)}


def _identifiers_and_strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                yield line, text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield line, name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield line, name
            case ast.alias(name=name, asname=other):
                yield from ((line, text) for text in (name, other) if text)
            case ast.ImportFrom(module=str(name)):
                yield line, name
            case _:
                pass


# --- the plugins ------------------------------------------------------------------------------------------------------


@each_plugin_file
def test_plugins_come_in_by_the_door(source: Source) -> None:
    """Of ours a plugin's library imports `chatport.backend` and itself; its applications any public door."""
    doors = PUBLIC_DOORS if source.unit in APPLICATIONS else PLUGIN_DOORS
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for found in source.imports
        if found.module.split(".")[0].startswith("chatport")
        and found.module.split(".")[0] != source.package
        and found.module not in doors
    ]
    assert not wrong, "\n".join(wrong)


@each_roomed_file
def test_rooms_inside_the_plugin(source: Source) -> None:
    """A file imports its own room and those that its room knows."""
    room = _room_of(source.package, source.unit)
    wrong = [
        f"{source.where}:{found.line} ({room}) imports {found.module} ({other})"
        for found in source.imports
        if found.module.split(".")[0] == source.package
        and (other := _room_of(source.package, _unit_of(found.module))) not in {room, *KNOWS[source.package][room]}
    ]
    assert not wrong, "\n".join(wrong)


def _room_of(package: str, unit: str) -> str:
    rooms = [room for room, units in ROOMS[package].items() if unit in units]
    assert len(rooms) == 1, f"{unit} needs one place in tests/rooms/{package}.toml and has {len(rooms)}"
    return rooms[0]


@each_roomed_file
def test_only_the_wire_does_input_and_output(source: Source) -> None:
    """The vendor's package, sockets and HTTP are met in the wire's room and in the emulator alone."""
    room = _room_of(source.package, source.unit)
    forbidden = frozenset() if room in IO_ROOMS else IO_PACKAGES
    if room not in LOOP_ROOMS:
        forbidden |= {"anyio"}
    wrong = [
        f"{source.where}:{found.line} ({room}) imports {found.module}"
        for found in source.imports
        if _is_or_below(found.module, forbidden)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source", [s for s in PLUGINS if s.unit == "plugin"], ids=lambda source: source.where)
def test_the_entry_point_is_light(source: Source) -> None:
    """What the registry loads to learn about a backend imports the door at most; the rest waits inside the hook."""
    at_import = {found.module for found in source.imports if found.at_import}
    heavy = {m for m in at_import if m.split(".")[0] not in sys.stdlib_module_names and m not in PLUGIN_DOORS}
    assert not heavy


# --- the tests of the tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("aws_region", True),
        ("BedrockBackend", True),
        ("pip install chatport-bedrock", True),
        ("amazon.titan", True),
        ("drawsomething", False),
        ("supernova", False),
    ],
)
def test_vendors_are_found_as_words(text: str, *, names: bool) -> None:
    """A vendor is found in snake case, camel case and sentences, not inside another word."""
    assert bool(_words(text) & VENDOR_WORDS) is names
