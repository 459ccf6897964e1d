"""Look into freshly built distributions: is what belongs there there, and nothing else?

    python .ci/check_wheels.py FOLDER

The folder holds one wheel and one sdist of the core and of every plugin.
"""

import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(folder: Path) -> int:
    """Check every distribution of the repository; print what is wrong and return the exit status."""
    problems: list[str] = []
    projects = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
    for project in projects:
        problems += check(project, folder)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{len(projects)} distributions: wheels and sdists are complete")
    return 1 if problems else 0


def check(project: Path, folder: Path) -> list[str]:
    """What is wrong with the wheel and the sdist of one project."""
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name = metadata["name"].replace("-", "_")
    stem = f"{name}-{metadata['version']}"
    problems: list[str] = []

    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl") as wheel:
        found = set(wheel.namelist())
        information = Parser().parsestr(wheel.read(f"{stem}.dist-info/METADATA").decode())
    package = ROOT / project.relative_to(ROOT) / "src"
    sources = {
        path.relative_to(package).as_posix()
        for path in (package / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    problems += [f"{stem}: the wheel lacks {missing}" for missing in sorted(sources - found)]
    stray = {entry for entry in found - sources if not entry.startswith(f"{stem}.dist-info/")}
    problems += [f"{stem}: the wheel should not have {entry}" for entry in sorted(stray)]
    problems += [
        f"{stem}: the wheel lacks {entry}"
        for entry in (f"{name}/py.typed", f"{stem}.dist-info/licenses/LICENSE")
        if entry not in found
    ]
    problems += check_metadata(stem, information)

    with tarfile.open(folder / f"{stem}.tar.gz") as sdist:
        inside = {entry.partition("/")[2] for entry in sdist.getnames()}
    needed = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", *(f"src/{path}" for path in sources)}
    problems += [f"{stem}: the sdist lacks {missing}" for missing in sorted(needed - inside)]
    problems += [
        f"{stem}: the sdist should not have {entry}"
        for entry in sorted(inside - needed - {"PKG-INFO", ".gitignore"})
        if entry
    ]
    return problems


def check_metadata(stem: str, information: Message) -> list[str]:
    """What an index shows of it: licence, Python version, a readme."""
    expected = {"License-Expression": "Apache-2.0", "Requires-Python": ">=3.11"}
    problems = [
        f"{stem}: {field} is {information[field]!r}, not {value!r}"
        for field, value in expected.items()
        if information[field] != value
    ]
    if not str(information.get_payload()).strip():
        problems.append(f"{stem}: the metadata has no readme")
    return problems


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
