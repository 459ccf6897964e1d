"""The doors: `__all__` equals what is there, everything is explained, and every name has one home."""

import ast
import importlib
import inspect
from collections import defaultdict
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# The doors of one house show the same things; every house keeps to the same rules.
HOUSES = {
    "chatport": [
        *("chatport", "chatport.backend", "chatport.backend.http", "chatport.backend.translation"),
        *("chatport.hooks", "chatport.testing"),
    ],
    "chatport_bedrock.emulator": ["chatport_bedrock.emulator"],
}
DOORS = [door for doors in HOUSES.values() for door in doors]

each_door = pytest.mark.parametrize("door", DOORS)
each_house = pytest.mark.parametrize("house", HOUSES)


@each_door
def test_all_equals_what_can_be_imported(door: str) -> None:
    """A public name of ours that a door holds is exported, and what is exported is there."""
    module = importlib.import_module(door)
    here = {name for name in _bound_names(_path_of(module)) if not name.startswith("_")}
    assert here == set(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)


@each_door
def test_all_is_sorted(door: str) -> None:
    """`__all__` is in order and without doubles, so that a change to the surface is one visible line."""
    names = importlib.import_module(door).__all__
    assert names == sorted(set(names), key=_isort_style)


@each_door
def test_every_public_name_is_explained(door: str) -> None:
    """Each exported name has a docstring of its own; a constant or alias has one below its assignment."""
    module = importlib.import_module(door)
    assert module.__doc__
    missing = [name for name in module.__all__ if not _explanation(door, name, getattr(module, name))]
    assert not missing


@each_door
def test_public_methods_are_explained(door: str) -> None:
    """The public methods and properties of exported classes have docstrings too."""
    module = importlib.import_module(door)
    missing = [
        f"{name}.{attribute}"
        for name in module.__all__
        if inspect.isclass(cls := getattr(module, name)) and cls.__module__.startswith("chatport")
        for attribute, value in vars(cls).items()
        if not attribute.startswith("_") and _is_callable_or_property(value) and not inspect.getdoc(value)
    ]
    assert not missing


@each_house
def test_every_name_lives_in_one_module(house: str) -> None:
    """An exported name is defined at the top level of one module of the house, the same one for each of its doors."""
    doors = [importlib.import_module(door) for door in HOUSES[house]]
    defined = _definitions(house)
    for name in {name for door in doors for name in door.__all__}:
        homes = sorted(defined[name])
        assert len(homes) == 1, f"{name} is defined in {homes or 'no module'}"
        found = {id(getattr(door, name)) for door in doors if name in door.__all__}
        assert len(found) == 1, f"{name} is not the same object in every door"


@each_door
def test_exported_names_know_where_they_live(door: str) -> None:
    """The module that a class or function names in pickles and tracebacks has it under that name."""
    module = importlib.import_module(door)
    for name in module.__all__:
        value = getattr(module, name)
        if _is_ours(value):
            assert getattr(importlib.import_module(value.__module__), name) is value


# --- reading the code ------------------------------------------------------------------------------------------------


def _path_of(module: ModuleType) -> Path:
    assert module.__file__ is not None
    return Path(module.__file__)


def _bound_names(path: Path) -> set[str]:
    """The names that a door binds: its own definitions, and what it takes from modules of ours, late ones included."""
    names = set(_definitions_in(path))
    body = ast.parse(path.read_text(encoding="utf-8")).body
    late = [node for block in body if isinstance(block, ast.If) for node in block.body]
    if any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in (*body, *late)):
        body += late  # what a door loads when it is asked for, type checkers see at the top
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("chatport")):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


@cache
def _definitions(house: str) -> dict[str, set[Path]]:
    """Every name defined at the top level of a module of the house → the files that define it."""
    homes: dict[str, set[Path]] = defaultdict(set)
    for path in _path_of(importlib.import_module(house)).parent.rglob("*.py"):
        if "cli" in path.parts:
            continue  # an application: what it calls its own functions is its own business
        for name in _definitions_in(path):
            homes[name].add(path)
    return homes


def _definitions_in(path: Path) -> dict[str, str | None]:
    """Top-level name → the string below its assignment (None for classes and functions, which have their own)."""
    found: dict[str, str | None] = {}
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found[name] = None
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                match after:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        found[name] = text
                    case _:
                        found[name] = ""
            case _:
                pass
    return found


def _explanation(door: str, name: str, value: Any) -> str | None:
    if _is_ours(value):
        documentation = inspect.getdoc(value) or ""
        # a dataclass without a docstring is given its signature for one
        return None if documentation.startswith(f"{name}(") else documentation
    (home,) = _definitions(next(house for house, doors in HOUSES.items() if door in doors))[name]
    return _definitions_in(home)[name]


def _is_ours(value: Any) -> bool:
    """A class or function that we define; an alias of someone else's is explained below its assignment."""
    return (inspect.isclass(value) or inspect.isroutine(value)) and value.__module__.startswith("chatport")


def _is_callable_or_property(value: Any) -> bool:
    return inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)


def _isort_style(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: the order that ruff keeps (RUF022)."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name
