"""Random changes of labelled files, against the model of docs/labels.md.

Each step changes files, lets an engine compare the disk with its store, and compares all labels.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.crash.sandbox import LOSSES, Fault

STEPS_OF_WORLD = 100
"""steps after which a new, empty world begins: later, most of its files are in few folders"""
MEMORY = Path("/dev/shm")
"""a folder in memory, because each step waits for the disk several times"""


def run_all(steps: int, first: int = 0) -> Iterator[Fault]:
    """Do `steps` random steps, in sequences of STEPS_OF_WORLD steps.

    `first`: the number of the first world, which is the seed of its steps.
    """
    from tests.support.label_world import LabelWorld

    losses: list[str] = []
    done = 0
    for seed in range(first, first - (-steps // STEPS_OF_WORLD)):
        chance = random.Random(seed)
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            world = LabelWorld(Path(folder))
            try:
                for _ in range(min(STEPS_OF_WORLD, steps - done)):
                    world.step(
                        (chance.randrange(10**6), chance.randrange(10**6), chance.randrange(10**6))
                    )
                    done += 1
                world.verify()
            except LOSSES as error:
                done += 1
                losses.append(f"world {seed}: {'; '.join(str(error).splitlines()[-8:])}")
            finally:
                world.close()
    yield Fault("labels after random changes of files, against a model", done, losses)
