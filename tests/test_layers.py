"""Imports point down. The tables here are the architecture; a module that is in none of them is a failure too."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]

# --- the tables ------------------------------------------------------------------------------------------------------

# A row may import the rows above it: never its own row, never one below. A folder (testing, cli) is one entry.
CORE_ROWS: tuple[tuple[str, ...], ...] = (
    ("_errors", "_sniff"),
    ("_adjustments", "_media"),
    ("_messages",),
    ("_events", "_request"),
    ("_fold", "_reply", "_tools", "_output"),
    ("backend",),  # a door: it re-exports what backend authors need of the rows above
    ("hooks", "_serialize", "_retry", "_fetch"),
    ("_registry", "_store"),
    ("_session",),
    ("__init__", "testing"),
    ("cli",),
)

CORE_DISTRIBUTIONS = frozenset({"anyio", "pluggy", "pydantic", "typing_extensions"})
# The loops behind anyio are anyio's business.
FORBIDDEN_IN_CORE = frozenset({"asyncio", "trio"})

# What the library modules of any plugin may import of ours, besides their own siblings.
PLUGIN_DOORS = frozenset({"chatport.backend"})
# What an application inside a plugin may import.
PUBLIC_DOORS = frozenset({"chatport", "chatport.backend", "chatport.hooks", "chatport.testing"})
APPLICATIONS = frozenset({"emulator"})

# Inside a vendor's plugin the files have the same names and the same meaning: module → the siblings it may import.
# None: all of them.
PLUGIN_SIBLINGS: dict[str, frozenset[str] | None] = {
    "__init__": None,
    "plugin": None,
    "backend": None,
    "emulator": None,
    "_errors": frozenset(),
    "_models": frozenset({"_errors"}),
    "_options": frozenset({"_errors", "_models"}),
    "_translate": frozenset({"_models", "_options", "_errors"}),
    "_decode": frozenset({"_errors"}),
    "_frames": frozenset({"_errors", "_frame_headers"}),
    "_frame_headers": frozenset({"_errors"}),
    "_wire": frozenset({"_errors", "_options"}),
    "_catalog": frozenset({"_errors", "_options", "_models", "_wire"}),
}
# Only these do I/O or see a vendor's package; the rest of a plugin takes values and returns values.
IO_MODULES = frozenset({"_wire", "_catalog", "emulator"})
IO_PACKAGES = frozenset(
    {
        *{"aiobotocore", "aiohttp", "boto3", "botocore", "h11", "httpcore", "httpcore2", "httpx", "httpx2", "requests"},
        *{"asyncio", "http.client", "http.server", "selectors", "socket", "socketserver", "ssl", "subprocess", "trio"},
        *{"urllib.request", "urllib3"},
    }
)
# The glue may hold locks and cancel scopes; what is pure needs no event loop at all.
LOOP_MODULES = IO_MODULES | {"__init__", "backend", "plugin"}

VENDOR_WORDS = frozenset(
    {
        *{"aiobotocore", "amazon", "anthropic", "aws", "azure", "bedrock", "boto", "boto3", "botocore", "claude"},
        *{"cohere", "deepseek", "gemini", "google", "gpt", "groq", "llama", "mistral", "nova", "ollama"},
        *{"openai", "openrouter", "vertex"},
    }
)


# --- reading the code ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """One imported module, as seen from the file that imports it."""

    module: str
    line: int
    at_import: bool  # False inside a function: it runs when that is called


@dataclass(frozen=True)
class Source:
    """One file of a package."""

    package: str
    path: Path
    root: Path

    @property
    def unit(self) -> str:
        """The entry of the tables that the file belongs to: its name, or the folder's below the package."""
        return self.path.relative_to(self.root).parts[0].removesuffix(".py")

    @property
    def where(self) -> str:
        """The path as people write it."""
        return self.path.relative_to(_ROOT).as_posix()

    @property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.path.read_text(encoding="utf-8"), filename=str(self.path))

    @property
    def modules(self) -> frozenset[str]:
        """Every module of the same package, by its full name."""
        names = {_module_name(self.package, self.root, path) for path in self.root.rglob("*.py")}
        return frozenset(names)

    def imports(self) -> Iterator[Import]:
        """What the file imports at run time; `TYPE_CHECKING` blocks are free."""
        name = _module_name(self.package, self.root, self.path)
        parent = name if self.path.name == "__init__.py" else name.rpartition(".")[0]
        for node, at_import in _runtime_nodes(self.tree.body, at_import=True):
            for module in _imported(node, parent, self.modules):
                yield Import(module, node.lineno, at_import)


def _module_name(package: str, root: Path, path: Path) -> str:
    parts = [package, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _runtime_nodes(body: Iterable[ast.AST], *, at_import: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Every import statement outside `if TYPE_CHECKING:`, and whether it runs when the module is imported."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_import
            continue
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children = node.orelse
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _runtime_nodes(children, at_import=at_import and not inside)


def _imported(node: ast.stmt, parent: str, siblings: frozenset[str]) -> Iterator[str]:
    """The full names of the modules that one import statement loads."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = parent.split(".")[: len(parent.split(".")) - (node.level - 1)]
            base = ".".join([*above, *([node.module] if node.module else [])])
        submodules = [f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in siblings]
        yield from submodules
        if len(submodules) < len(node.names):
            yield base


def _sources(package: str, root: Path) -> list[Source]:
    return [Source(package, path, root) for path in sorted(root.rglob("*.py"))]


CORE = _sources("chatport", _ROOT / "src" / "chatport")
PLUGINS = [
    source
    for root in sorted(_ROOT.glob("plugins/*/src/*"))
    if root.is_dir() and not root.name.endswith(".egg-info")
    for source in _sources(root.name, root)
]
BEDROCK = [source for source in PLUGINS if source.package == "chatport_bedrock"]

each_core_file = pytest.mark.parametrize("source", CORE, ids=lambda source: source.where)
each_plugin_file = pytest.mark.parametrize("source", PLUGINS, ids=lambda source: source.where)
each_bedrock_file = pytest.mark.parametrize("source", BEDROCK, ids=lambda source: source.where)


def _is_or_below(module: str, packages: frozenset[str]) -> bool:
    parts = module.split(".")
    return any(".".join(parts[: length + 1]) in packages for length in range(len(parts)))


# --- the core --------------------------------------------------------------------------------------------------------


def test_the_files_are_found() -> None:
    """The tests below have something to look at: the core, and every plugin."""
    assert {"_errors", "_session", "backend", "cli"} <= {source.unit for source in CORE}
    assert {source.package for source in PLUGINS} == {"chatport_bedrock", "chatport_echo"}


@each_core_file
def test_core_imports_point_down(source: Source) -> None:
    """A core module imports only what stands above it in the table, its own folder excepted."""
    rows = {unit: row for row, units in enumerate(CORE_ROWS) for unit in units}
    assert source.unit in rows, f"{source.where} has no place in CORE_ROWS: give it one"
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for found in source.imports()
        if found.module.split(".")[0] == "chatport"
        and (unit := _unit_of(found.module)) != source.unit
        and rows.get(unit, len(rows)) >= rows[source.unit]
    ]
    assert not wrong, "\n".join(wrong)


def _unit_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@each_core_file
def test_core_depends_on_its_four_distributions_only(source: Source) -> None:
    """No vendor package, no event loop, nothing that pyproject.toml does not name."""
    allowed = sys.stdlib_module_names - FORBIDDEN_IN_CORE | CORE_DISTRIBUTIONS | {"chatport"}
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for found in source.imports()
        if found.module.split(".")[0] not in allowed
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


# --- the plugins -----------------------------------------------------------------------------------------------------


@each_plugin_file
def test_plugins_come_in_by_the_door(source: Source) -> None:
    """Of ours a plugin's library imports `chatport.backend` and itself; its applications any public door."""
    doors = PUBLIC_DOORS if source.unit in APPLICATIONS else PLUGIN_DOORS
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for found in source.imports()
        if found.module.split(".")[0].startswith("chatport")
        and found.module.split(".")[0] != source.package
        and found.module not in doors
    ]
    assert not wrong, "\n".join(wrong)


@each_bedrock_file
def test_siblings_inside_the_plugin(source: Source) -> None:
    """Translate, wire and decode do not know each other; the backend knows them all."""
    assert source.unit in PLUGIN_SIBLINGS, f"{source.where} has no place in PLUGIN_SIBLINGS: give it one"
    allowed = PLUGIN_SIBLINGS[source.unit]
    if allowed is None:
        return
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for found in source.imports()
        if found.module.split(".")[0] == source.package and _unit_of(found.module) not in {*allowed, source.unit}
    ]
    assert not wrong, "\n".join(wrong)


@each_bedrock_file
def test_only_the_wire_does_input_and_output(source: Source) -> None:
    """The vendor's package, sockets and HTTP are met in `_wire`, `_catalog` and the emulator alone."""
    forbidden = frozenset() if source.unit in IO_MODULES else IO_PACKAGES
    if source.unit not in LOOP_MODULES:
        forbidden |= {"anyio"}
    wrong = [
        f"{source.where}:{found.line} imports {found.module}"
        for found in source.imports()
        if _is_or_below(found.module, forbidden)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source", [s for s in PLUGINS if s.unit == "plugin"], ids=lambda source: source.where)
def test_the_entry_point_is_light(source: Source) -> None:
    """What the registry loads to learn about a backend imports the door at most; the rest waits inside the hook."""
    at_import = {found.module for found in source.imports() if found.at_import}
    heavy = {m for m in at_import if m.split(".")[0] not in sys.stdlib_module_names and m not in PLUGIN_DOORS}
    assert not heavy


# --- the tests of the tests ------------------------------------------------------------------------------------------


def _written(tmp_path: Path, name: str, text: str) -> Source:
    root = tmp_path / "chatport"
    root.mkdir(exist_ok=True)
    for other in ("__init__", "_errors", "_session"):
        (root / f"{other}.py").touch()
    (root / name).write_text(text)
    return Source("chatport", root / name, root)


def test_imports_are_read_in_every_form(tmp_path: Path) -> None:
    """Absolute, relative, of a submodule, inside a function, in an else branch; never under TYPE_CHECKING."""
    source = _written(
        tmp_path,
        "_x.py",
        "from typing import TYPE_CHECKING\n"
        "import chatport._session\n"
        "from chatport import _errors\n"
        "from . import _session\n"
        "from ._errors import ChatError\n"
        "if TYPE_CHECKING:\n"
        "    import aiohttp\n"
        "else:\n"
        "    import httpx\n"
        "def f():\n"
        "    from botocore import session\n",
    )
    assert list(source.imports()) == [
        Import("typing", 1, at_import=True),
        Import("chatport._session", 2, at_import=True),
        Import("chatport._errors", 3, at_import=True),
        Import("chatport._session", 4, at_import=True),
        Import("chatport._errors", 5, at_import=True),
        Import("httpx", 9, at_import=True),
        Import("botocore", 11, at_import=False),
    ]


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
