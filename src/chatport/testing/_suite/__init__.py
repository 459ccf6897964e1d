"""The suite that every backend has to pass."""

from __future__ import annotations

from chatport.testing._suite._answers import AnswerTests
from chatport.testing._suite._contents import CallTests, ContentTests
from chatport.testing._suite._conversations import ConversationTests
from chatport.testing._suite._faults import FaultTests, RefusalTests
from chatport.testing._suite._leaving import LeavingTests
from chatport.testing._suite._limits import SecretTests, TimeoutTests
from chatport.testing._suite._loops import LoopTests
from chatport.testing._suite._requests import ForeignTests, RequestTests
from chatport.testing._suite._turns import TurnTests


class BackendSuite(
    AnswerTests,
    CallTests,
    ContentTests,
    RequestTests,
    ConversationTests,
    ForeignTests,
    RefusalTests,
    FaultTests,
    LeavingTests,
    TimeoutTests,
    SecretTests,
    LoopTests,
    TurnTests,
):
    """What every backend has to do, as tests: subclass it in a module of tests, with two fixtures.

        class TestMyBackend(BackendSuite):
            @pytest.fixture
            def script(self) -> Iterator[MyScript]:
                with MyScript() as running:
                    yield running

            @pytest.fixture
            def backend(self, script: MyScript) -> MyBackend:
                return MyBackend(base_url=script.url)

    `script` is a `ServiceScript`: the service behind the backend, which says what a test asks for. `backend` is the
    backend under test, new for each test; the suite closes it. Both are plain fixtures, not async ones: some tests run
    event loops of their own.

    Tests of what the service `lacks` are skipped, and say why (`pytest -rs`). The tests run on asyncio and on trio, by
    the pytest plugin of anyio, which comes with anyio; for trio install `trio`.
    """
