"""Histories of writes, branches, merges, schema changes, folds and cleanups, held against the model of whole histories."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.whole_history import WEIGHTS, drive, random_steps, smallest

words = [word for word, weight in WEIGHTS.items() for _ in range(weight)]
steps = st.lists(st.tuples(st.sampled_from(words), st.integers(0, 1 << 32)), min_size=10, max_size=40)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_short_histories(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    drive(str(tmp_path_factory.mktemp("whole") / "g"), steps)


@pytest.mark.parametrize("seed", [103, 203, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1000, 1100))])
def test_long_histories(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """A failure is made smaller before it is shown: the last line of output holds steps to give to `drive`."""
    steps = random_steps(seed, 100 if seed < 1000 else 300)

    def fails(some: list[tuple[str, int]]) -> bool:
        try:
            drive(str(tmp_path_factory.mktemp("whole") / "g"), some)
        except Exception:
            return True
        return False

    try:
        counts = drive(str(tmp_path_factory.mktemp("whole") / "g"), steps)
    except Exception:
        print(smallest(steps, fails))
        raise
    assert min(counts[what] for what in ("merged", "diff", "blame", "old commit", "cleanup")) > 0, counts
