"""What source files import, as far as it runs."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


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

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.path.read_text(encoding="utf-8"), filename=str(self.path))

    @property
    def modules(self) -> frozenset[str]:
        """Every module of the same package, by its full name."""
        return _modules(self.package, self.root)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """What the file imports at run time; `TYPE_CHECKING` blocks are free."""
        name = module_name(self.package, self.root, self.path)
        parent = name if self.path.name == "__init__.py" else name.rpartition(".")[0]
        return tuple(
            Import(module, node.lineno, at_import)
            for node, at_import in _runtime_nodes(self.tree.body, at_import=True)
            for module in _imported(node, parent, self.modules)
        )


@cache
def _modules(package: str, root: Path) -> frozenset[str]:
    return frozenset(module_name(package, root, path) for path in root.rglob("*.py"))


def module_name(package: str, root: Path, path: Path) -> str:
    """The full name of the module that a file is."""
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
