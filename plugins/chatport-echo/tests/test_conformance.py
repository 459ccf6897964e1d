"""The suite that every backend has to pass; most of it needs a service, which an echo has not."""

from collections.abc import Mapping, Sequence

import pytest

from chatport.testing import FEATURES, BackendSuite, Feature, ScriptedAnswer
from chatport_echo import EchoBackend

_NO_SERVICE = "there is no service behind an echo"


class EchoScript:
    """No service: the suite asks with the words that it wants to hear."""

    model = "parrot"
    secrets: Sequence[str] = ()
    requests: Sequence[bytes] = ()
    # It counts words, which is all that it has of its own.
    lacks: Mapping[Feature, str] = dict.fromkeys(FEATURES - {"usage"}, _NO_SERVICE)

    def enqueue(self, *answers: ScriptedAnswer) -> None:
        """An echo needs no telling."""

    def sign(self, text: str) -> str:
        raise NotImplementedError(_NO_SERVICE)

    def release(self) -> None:
        raise NotImplementedError(_NO_SERVICE)

    async def until_held(self, count: int = 1) -> None:
        raise NotImplementedError(_NO_SERVICE)

    async def until_left(self, count: int = 1) -> float:
        raise NotImplementedError(_NO_SERVICE)


class TestEchoBackend(BackendSuite):
    @pytest.fixture
    def script(self) -> EchoScript:
        return EchoScript()

    @pytest.fixture
    def backend(self) -> EchoBackend:
        return EchoBackend()
