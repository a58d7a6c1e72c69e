"""The head that is made of keep labels and random images of the library."""

from dataclasses import replace

import numpy as np
import pytest

from imgscore.errors import UsageError
from imgscore.heads import files
from imgscore.heads.base import Examples
from imgscore.heads.from_keeps import train_from_keeps


def keeps(count: int, trashes: int = 0) -> tuple[Examples, np.ndarray]:
    """Labels of a taste for one of three clusters of a library, and the scored images."""
    random = np.random.default_rng(0)
    centres = np.abs(random.standard_normal((3, 40)))
    cluster = random.integers(0, 3, 300)
    values = np.abs(centres[cluster] + 0.5 * random.standard_normal((300, 40))).astype(np.float16)
    rows = np.concatenate(
        [np.flatnonzero(cluster == 0)[:count], np.flatnonzero(cluster == 1)[:trashes]]
    )
    grades = (cluster[rows] == 0).astype(np.float32)
    extras = random.standard_normal((300, 12)).astype(np.float32)
    examples = Examples(
        values[rows],
        grades,
        values,
        embedder="made-up",
        extras=extras[rows],
        background_extras=extras,
    )
    return examples, cluster == 0


@pytest.mark.parametrize(("count", "trashes"), [(1, 0), (1, 1), (5, 0), (5, 1), (40, 0)])
def test_train_from_keeps_orders_images_that_resemble_them_first(count: int, trashes: int) -> None:
    examples, keep = keeps(count, trashes)
    trained = train_from_keeps(examples)
    score = trained.head.score(examples.background, examples.background_extras).score
    assert np.mean(score[keep][:, None] > score[~keep]) > 0.8
    assert np.median(score) == pytest.approx(0.5, abs=0.01)
    report = trained.report
    assert (report.labels, report.keeps) == (count + trashes, count)
    assert trained.accepted and report.from_keeps and not report.calibrated


def test_train_from_keeps_gives_a_head_that_can_be_stored(tmp_path) -> None:
    examples, _ = keeps(3)
    head = train_from_keeps(examples).head
    files.save(head, tmp_path / "head")
    loaded = files.load(tmp_path / "head", embedder="made-up")
    expected = head.score(examples.background).score
    assert loaded.score(examples.background).score == pytest.approx(expected, abs=1e-3)


def test_train_from_keeps_without_a_keep_or_without_a_library_is_refused() -> None:
    examples, _ = keeps(0, 3)
    with pytest.raises(UsageError, match="no image has the label keep"):
        train_from_keeps(examples)
    examples, _ = keeps(3)
    alone = replace(examples, background=examples.embeddings, background_extras=examples.extras)
    with pytest.raises(UsageError, match="too few images"):
        train_from_keeps(alone)
