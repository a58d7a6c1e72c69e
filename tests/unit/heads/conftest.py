"""Made-up examples: random vectors whose label depends on their first columns."""

from collections.abc import Callable

import numpy as np
import pytest

from imgscore.embedders.base import sections_of
from imgscore.heads.base import Examples

MakeUp = Callable[..., Examples]


@pytest.fixture
def made_up() -> MakeUp:
    """made_up(count, width, seed, share): Examples with at least two labels of each kind.

    share: the part that is labelled keep.
    """

    def make(count: int, width: int = 40, seed: int = 0, share: float = 0.5) -> Examples:
        generator = np.random.default_rng(seed)
        values = generator.random((count, width)).astype(np.float16)
        taste = values[:, :3].astype(float).sum(axis=1)
        keep = taste > np.quantile(taste, 1 - share)
        keep[:4] = [True, True, False, False]
        background = generator.random((200, width)).astype(np.float16)
        sections = sections_of(("features", width // 2), ("mean", width - width // 2))
        return Examples(values, keep.astype(np.float32), background, sections, "made-up")

    return make
