"""Names become backends: found by entry point, registered in process, broken ones shown and harmless."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

import chatport
from chatport._registry import _Registry, backend_status, create_backend, split_model
from chatport.backend import BackendEvent, ChatRequest, ConfigurationError
from chatport.testing import ScriptedBackend


class Mine:
    """A backend of the caller's."""

    name = "mine"

    def __init__(self, *, greeting: str = "hi") -> None:
        self.greeting = greeting
        self.closed = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        yield chatport.MessageStart(request.model)
        yield chatport.TextDelta(0, self.greeting)
        yield chatport.MessageEnd("stop")

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Site"]:
    """A folder on the path where a test installs distributions, and a registry that has loaded none."""
    monkeypatch.setattr("chatport._registry._registry", _Registry())
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("thirdparty_"):
            del sys.modules[name]


class Site:
    """Installs distributions as pip leaves them behind: a module and its metadata."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution: str, backend: str, source: str, *, module: str = "") -> None:
        module = module or "thirdparty_" + distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        metadata = self.folder / f"{distribution.replace('-', '_')}-1.5.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n", encoding="utf-8"
        )
        (metadata / "entry_points.txt").write_text(f"[chatport.backends]\n{backend} = {module}\n", encoding="utf-8")


GOOD = """
    from chatport.backend import MessageEnd, MessageStart, TextDelta, hookimpl

    class Backend:
        name = "good"

        def __init__(self, word="hello"):
            self.word = word

        async def stream(self, request):
            yield MessageStart(request.model)
            yield TextDelta(0, self.word)
            yield MessageEnd("stop")

        async def aclose(self):
            pass

    @hookimpl
    def chatport_backend(name, options):
        return Backend(**options)
"""


@pytest.mark.anyio
async def test_an_installed_backend_is_found_by_name(site: Site) -> None:
    """A third party's entry point is all it takes; options reach it, and the model id goes on as given."""
    site.install("chatport-good", "good", GOOD)
    assert "good" in chatport.available_backends()
    assert "thirdparty_chatport_good" not in sys.modules, "listing names must import nothing"
    async with chatport.open_session("good:a:b/c", backend_options={"word": "hei"}) as session:
        reply = await session.ask("?")
    assert (reply.text, reply.model) == ("hei", "a:b/c")


@pytest.mark.anyio
async def test_an_unknown_name_says_what_is_installed_and_what_to_install() -> None:
    """The message is the answer to the question that follows it."""
    with pytest.raises(
        chatport.UnknownBackendError, match=r"'nowhere'.*installed: .*echo.*pip install chatport-nowhere"
    ):
        await create_backend("nowhere", {})


BROKEN = {
    "import": ("raise RuntimeError('bad day')", "RuntimeError: bad day"),
    "no-hook": ("x = 1", "has 0"),
    "unmarked": ("def chatport_backend(name, options): return None", "has 0"),
    "other-project": (
        """
        import pluggy
        @pluggy.HookimplMarker("somebody")("x") if False else pluggy.HookimplMarker("somebody")
        def chatport_backend(name, options): return None
        """,
        "has 0",
    ),
    "signature": (
        """
        from chatport.backend import hookimpl
        @hookimpl
        def chatport_backend(name, options, wish): return None
        """,
        "wish",
    ),
    "raises": (
        """
        from chatport.backend import hookimpl
        @hookimpl
        def chatport_backend(options): raise KeyError("token")
        """,
        "KeyError",
    ),
    "declines": (
        """
        from chatport.backend import hookimpl
        @hookimpl
        def chatport_backend(options): return None
        """,
        "gave nothing",
    ),
    "no-backend": (
        """
        from chatport.backend import hookimpl
        @hookimpl
        def chatport_backend(options): return 42
        """,
        "gave a int",
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("case", sorted(BROKEN))
async def test_a_broken_backend_says_why_and_harms_nobody(site: Site, case: str) -> None:
    """Whatever is wrong with one plugin, its neighbours work, before and after it was tried, and so does a retry."""
    source, reason = BROKEN[case]
    site.install("chatport-broken", "broken", source)
    site.install("chatport-good", "good", GOOD)
    for _ in range(2):
        with pytest.raises(chatport.BrokenBackendError, match=reason) as caught:
            await create_backend("broken", {})
        assert "broken" in str(caught.value)
        assert (caught.value.__cause__ is not None) == (case in {"import", "signature", "raises"})
    assert (await chatport.ask("good:any", "?")).text == "hello"
    assert (await chatport.ask("echo:any", "still here")).text == "still here"


def test_a_broken_backend_is_shown_as_broken(site: Site) -> None:
    """Who lists backends sees each with its version, and what is wrong with it."""
    site.install("chatport-broken", "broken", "raise RuntimeError('bad day')")
    rows = {row.name: row for row in backend_status()}
    assert rows["broken"].error is not None
    assert "bad day" in rows["broken"].error
    assert (rows["broken"].version, rows["echo"].error) == ("1.5", None)


@pytest.mark.anyio
async def test_two_packages_with_one_name_are_an_error_that_names_both(site: Site) -> None:
    """Which of two was meant is not ours to guess."""
    site.install("chatport-first", "twin", GOOD)
    site.install("chatport-second", "twin", GOOD)
    with pytest.raises(chatport.BrokenBackendError, match=r"chatport-first .* and chatport-second "):
        await create_backend("twin", {})
    assert [row.error is not None for row in backend_status() if row.name == "twin"] == [True, True]


@pytest.mark.anyio
async def test_one_package_listed_twice_is_one(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable install beside a built one lists the same entry point twice."""
    site.install("chatport-good", "good", GOOD)
    other = tmp_path / "again"
    other.mkdir()
    Site(other).install("chatport-good", "good", GOOD)
    monkeypatch.syspath_prepend(str(other))
    assert (await chatport.ask("good:any", "?")).text == "hello"


@pytest.mark.anyio
async def test_a_registered_backend_hides_an_installed_one_until_it_is_taken_back(site: Site) -> None:
    """Registration in process wins, and leaving the block restores what was."""
    site.install("chatport-good", "good", GOOD)
    with chatport.register_backend("good", lambda: ScriptedBackend("mine")) as registration:
        assert (await chatport.ask("good:any", "?")).text == "mine"
        with pytest.raises(ValueError, match="registered already"):
            chatport.register_backend("good", Mine)
    assert (await chatport.ask("good:any", "?")).text == "hello"
    registration.unregister()  # twice is harmless


@pytest.mark.anyio
async def test_register_backend_without_a_block_holds_until_unregistered() -> None:
    """As in a notebook: `register_backend("mine", Mine)` and go on."""
    registration = chatport.register_backend("mine", Mine)
    try:
        assert "mine" in chatport.available_backends()
        async with chatport.open_backend("mine", greeting="servus") as backend:
            assert isinstance(backend, Mine)
            assert (await chatport.Session(backend, "any").ask("?")).text == "servus"
        assert backend.closed == 1
        with pytest.raises(ConfigurationError, match="wrong_option"):
            await create_backend("mine", {"wrong_option": 1})
    finally:
        registration.unregister()
    assert "mine" not in chatport.available_backends()


@pytest.mark.anyio
async def test_an_option_may_be_called_name() -> None:
    """Options are the backend's own business, their names too."""
    with chatport.register_backend("named", ScriptedBackend):
        async with chatport.open_session("named:m", backend_options={"name": "another"}) as session:
            assert session.backend.name == "another"


@pytest.mark.anyio
async def test_a_configuration_error_of_a_backend_passes_as_it_is() -> None:
    """A backend that says which option is wrong is not broken."""
    with pytest.raises(ConfigurationError, match="no options"):
        await create_backend("echo", {"colour": "red"})


@pytest.mark.parametrize("name", ["", "a:b"])
def test_a_name_that_no_model_string_could_say_is_refused(name: str) -> None:
    """The name ends at the first colon of a model string."""
    with pytest.raises(ValueError, match="name"):
        chatport.register_backend(name, Mine)


def test_a_factory_must_be_callable() -> None:
    """Found when it is registered, not when it is first asked for."""
    with pytest.raises(TypeError, match="callable"):
        chatport.register_backend("mine", Mine())  # type: ignore[arg-type]  # the mistake itself


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("bedrock:amazon.nova-lite-v1:0", ("bedrock", "amazon.nova-lite-v1:0")),
        ("bedrock:arn:aws:bedrock:eu-west-1:1:x/y", ("bedrock", "arn:aws:bedrock:eu-west-1:1:x/y")),
    ],
    ids=["id", "arn"],
)
def test_a_model_string_is_split_at_its_first_colon(model: str, expected: tuple[str, str]) -> None:
    """Model ids have colons of their own."""
    assert split_model(model) == expected


@pytest.mark.parametrize("model", ["", "gpt", ":x", "echo:"])
def test_a_model_string_without_one_of_its_halves_is_refused(model: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(ConfigurationError, match="backend:model"):
        split_model(model)


@pytest.mark.anyio
async def test_a_backend_that_hangs_on_closing_does_not_hang_the_program(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing is bounded, and what did not close is said."""
    monkeypatch.setattr("chatport._closing.CLOSE_SECONDS", 0.01)

    class Hanging(Mine):
        async def aclose(self) -> None:
            await anyio.sleep_forever()

    with chatport.register_backend("hanging", Hanging):
        async with chatport.open_backend("hanging"):
            pass
    assert "did not close" in caplog.text


ASKS_FROM_ANOTHER_THREAD = """
    import threading
    import chatport
    from chatport.backend import hookimpl
    from chatport.testing import ScriptedBackend

    done = []
    def ask_around():
        with chatport.register_backend("sideline", ScriptedBackend):
            done.extend(chatport.available_backends())

    thread = threading.Thread(target=ask_around, daemon=True)
    thread.start()
    thread.join(10)
    assert "sideline" in done, "nobody can register a backend while another one is imported"

    @hookimpl
    def chatport_backend():
        return ScriptedBackend("imported")
"""


@pytest.mark.anyio
async def test_an_import_holds_nobody_up(site: Site) -> None:
    """Imports take seconds and locks of their own: neither the event loop nor another thread waits for one of ours."""
    site.install("chatport-busy", "busy", ASKS_FROM_ANOTHER_THREAD)
    assert (await chatport.ask("busy:any", "?")).text == "imported"


@pytest.mark.anyio
async def test_what_is_registered_meanwhile_does_not_answer_for_another(site: Site) -> None:
    """The name that was asked for decides who is called, whatever else is registered just then."""
    registrations: list[chatport.Registration] = []

    class Options(Mapping[str, Any]):
        def __iter__(self) -> Iterator[str]:
            registrations.append(chatport.register_backend("other", lambda: ScriptedBackend(name="other")))
            return iter(())

        def __len__(self) -> int:
            return 0

        def __getitem__(self, key: str) -> Any:
            raise KeyError(key)

    with chatport.register_backend("mine", Mine):
        backend = await create_backend("mine", Options())  # type: ignore[arg-type]  # it acts when it is copied
    assert registrations
    assert backend.name == "mine"


def test_threads_with_event_loops_of_their_own_share_the_registry(site: Site) -> None:
    """Each finds what it registered and what is installed, all at once."""
    site.install("chatport-good", "good", GOOD)
    barrier = threading.Barrier(6)

    async def talk(number: int) -> tuple[str, str]:
        barrier.wait(10)
        with chatport.register_backend(f"mine{number}", lambda: ScriptedBackend(f"it is {number}")):
            return (await chatport.ask(f"mine{number}:m", "?")).text, (await chatport.ask("good:m", "?")).text

    def run(number: int) -> tuple[str, str]:
        return anyio.run(talk, number, backend="trio" if number % 2 else "asyncio")

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(run, range(6), timeout=30))
    assert said == [(f"it is {number}", "hello") for number in range(6)]


@pytest.mark.slow
def test_a_package_built_and_installed_by_pip_is_found(tmp_path: Path) -> None:
    """The whole way: a project in a folder, a wheel, pip, a fresh interpreter, a conversation."""
    project = tmp_path / "chatport-parrot"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        textwrap.dedent("""
            [build-system]
            requires = ["hatchling"]
            build-backend = "hatchling.build"
            [project]
            name = "chatport-parrot"
            version = "0.3"
            [project.entry-points."chatport.backends"]
            parrot = "parrot"
            [tool.hatch.build.targets.wheel]
            include = ["parrot.py"]
        """),
        encoding="utf-8",
    )
    (project / "parrot.py").write_text(textwrap.dedent(GOOD).replace('"good"', '"parrot"'), encoding="utf-8")
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(project)], check=True, capture_output=True, timeout=100)
    program = "import anyio, chatport; print(anyio.run(chatport.ask, 'parrot:any', '?').text)"
    environment = {**os.environ, "PYTHONPATH": str(target)}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.stdout, ran.stderr) == ("hello\n", "")
