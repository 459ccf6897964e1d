"""Some thousand damaged answers in every run of the suite; millions of them in the nightly one, by the same code."""

import random
from itertools import islice

import pytest
from bedrock_support import fuzzing
from bedrock_support.fuzzing import FuzzError


def test_damaged_answers() -> None:
    """Each ends in a message or an error of ours, at once, and keeps no more than came. The seed is printed."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown where the test fails
    assert fuzzing.run(seed, count=5_000) == 5_000


def test_a_seed_gives_the_same_inputs() -> None:
    """What a nightly run finds is found again."""
    first, second = (list(islice(fuzzing.inputs(7), 200)) for _ in range(2))
    assert first == second
    assert len({data for _, data, _ in first}) > 150


def test_what_is_found_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that is not ours ends the run, with the input to try again."""

    def fail(data: bytes, size: int) -> None:
        raise KeyError(len(data) + size)

    monkeypatch.setattr(fuzzing, "read_stream", fail)
    with pytest.raises(FuzzError, match=r"input \d+ of seed 1, fail in pieces of \d+: b'") as caught:
        fuzzing.run(1, count=1000)
    assert isinstance(caught.value.__cause__, KeyError)
