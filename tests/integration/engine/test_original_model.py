"""Random changes of files, compared with the model of bench/crash/originals.py."""

from collections.abc import Callable

import pytest

from bench.crash.originals import run_world
from tests.integration.engine.conftest import World

STEPS = 60
"""steps of one world: a few seconds, and enough for orders, shifts, backups and kills"""


@pytest.mark.parametrize("seed", range(6))
def test_random_changes_lose_no_original(worlds: Callable[[str], World], seed: int) -> None:
    done, loss = run_world(worlds("model").folder, seed, STEPS)
    assert not loss
    assert done >= STEPS
