"""Random moves, copies, deletions, saves, renames and restarts, against the model of the labels."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.label_world import Step, run

NUMBERS = st.integers(0, 1000)
MEMORY = Path("/dev/shm")


# The same steps in each run: `make crash` takes random ones, and bench/CRASH.md counts them. That
# they agree with the model is no proof that all others do.
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=5, max_size=20))
def test_labels_after_random_changes_are_those_of_the_model(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        run(Path(folder), steps)
