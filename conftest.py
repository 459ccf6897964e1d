"""What every test of this repository stands on: two event loops, an empty environment, no network."""

import gc
import ipaddress
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# --- hypothesis ------------------------------------------------------------------------------------------------------

# `ci` is the default everywhere: the same examples in every run, so that a red test is red for everybody.
# `nightly` searches on from a new seed each time. No deadline in either: machines are shared, and slow is not wrong.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    max_examples=2000,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


# --- interrupts ------------------------------------------------------------------------------------------------------

# Shells start what runs in the background with interrupts ignored, and every child inherits that. Tests send them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


# --- the environment -------------------------------------------------------------------------------------------------

# Taken away before the first test is collected: what a developer has set must not decide a test.
_REMOVED_PREFIXES = ("ANTHROPIC_", "AWS_", "CHATPORT_")
_REMOVED_NAMES = frozenset(
    {
        "ALL_PROXY",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "BOTO_CONFIG",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
    }
)
# Botocore would else read the developer's files, and ask the metadata service of a machine that has none.
_SET = {
    "AWS_CONFIG_FILE": f"{os.devnull}/aws-config",  # nothing can exist below a device
    "AWS_SHARED_CREDENTIALS_FILE": f"{os.devnull}/aws-credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """A copy of an environment as the tests want it: nothing of AWS, chatport or proxies, nothing to be found."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_REMOVED_PREFIXES) and name.upper() not in _REMOVED_NAMES
    }
    return kept | _SET


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Give each test the clean environment, whatever the one before it left behind."""
    _apply(clean_environment(os.environ))
    yield
    _apply(clean_environment(os.environ))


def _apply(environment: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


# --- the network -----------------------------------------------------------------------------------------------------


class NetworkForbiddenError(RuntimeError):
    """A test reached for something that is not on loopback."""


class _NetworkGuard:
    """Refuses every connection but loopback's, from Python code in any thread, and remembers what was tried.

    It listens to the interpreter's audit events, so it does not matter which library opens the socket or how. What a
    library swallows is still remembered, and fails the test in the end.
    """

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self.active = False

    def __call__(self, event: str, arguments: Sequence[Any]) -> None:
        if not self.active or not event.startswith("socket."):
            return
        host = _destination(event, arguments)
        if host is None or _is_loopback(host):
            return
        self.attempts.append(f"{event} to {host!r}")
        message = f"{event} to {host!r}: tests may talk to loopback only"
        raise NetworkForbiddenError(message)


def _destination(event: str, arguments: Sequence[Any]) -> str | None:
    """The host that an audit event is about; None where nothing leaves the machine."""
    match event, arguments:
        case (("socket.connect" | "socket.sendto" | "socket.sendmsg"), (_, (host, *_))):
            return _text(host)
        case (("socket.getaddrinfo" | "socket.gethostbyname"), (host, *_)) if host is not None:
            return _text(host)
        case _:
            return None  # a path (unix socket), or an event that reaches nobody


def _text(host: str | bytes) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)


def _is_loopback(host: str) -> bool:
    if host in {"", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    # "Any address" is what a server binds to and looks up; connecting to it stays on the machine as well.
    return address.is_loopback or address.is_unspecified


_GUARD = _NetworkGuard()
# An audit hook cannot be taken out again: `active` is its switch.
sys.addaudithook(_GUARD)


@pytest.fixture(autouse=True)
def _network() -> Iterator[None]:
    """Fail a test that tried to leave the machine, even if something swallowed the refusal."""
    _GUARD.attempts.clear()
    yield
    attempts, _GUARD.attempts = _GUARD.attempts, []
    if attempts:
        pytest.fail("the test reached for the network: " + "; ".join(attempts))


@pytest.fixture
def network_attempts() -> list[str]:
    """The refused connections of this test so far, to look at and to clear."""
    return _GUARD.attempts


# --- the run ---------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Clean and close before collection: importing a test module is covered too, and every fixture's scope."""
    before = dict(os.environ)
    _apply(clean_environment(before))
    _GUARD.active = True

    def undo() -> None:
        _GUARD.active = False
        _apply(before)

    config.add_cleanup(undo)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take what was collected out of the garbage collector's sight: thousands of tests, and all modules.

    Many tests collect garbage to see that nothing is left behind. Walking over all of that each time would take most of
    their time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run what is marked `anyio` on both event loops."""
    return str(request.param)
