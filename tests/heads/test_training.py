"""Training, comparing and saving on made-up vectors."""

from pathlib import Path

import numpy as np
import pytest

from imgscore.errors import UsageError
from imgscore.heads.base import Examples
from imgscore.heads.files import load, save
from imgscore.heads.training import train


def made_up(count: int, width: int = 40, seed: int = 0) -> Examples:
    """Two overlapping kinds in the first columns, with at least two labels of each."""
    generator = np.random.default_rng(seed)
    values = generator.random((count, width)).astype(np.float16)
    keep = values[:, 0] + values[:, 1] > 1
    keep[:4] = [True, True, False, False]
    background = generator.random((200, width)).astype(np.float16)
    return Examples(values, keep, background, embedder="made-up")


@pytest.mark.parametrize("count", [4, 10, 200])
def test_trains_and_comes_back_from_disk_the_same(count: int, tmp_path: Path) -> None:
    examples = made_up(count)
    trained = train(examples)
    save(trained.head, tmp_path / "head.safetensors")
    again = load(tmp_path / "head.safetensors", embedder="made-up", dimensions=40)
    first, second = trained.head.score(examples.background), again.score(examples.background)
    assert np.array_equal(first.score, second.score)
    assert np.array_equal(first.deviation, second.deviation)
    assert np.isfinite(first.score).all() and np.isfinite(first.deviation).all()


def test_a_head_for_other_embeddings_is_refused(tmp_path: Path) -> None:
    save(train(made_up(20)).head, tmp_path / "head.safetensors")
    with pytest.raises(UsageError, match="made-up"):
        load(tmp_path / "head.safetensors", embedder="other")
    with pytest.raises(UsageError, match="40"):
        load(tmp_path / "head.safetensors", dimensions=41)


def test_too_few_labels_are_named() -> None:
    with pytest.raises(UsageError, match="too few"):
        train(made_up(40).take(np.arange(3)))
