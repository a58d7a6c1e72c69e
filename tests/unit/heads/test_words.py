"""The words head."""

from pathlib import Path

import numpy as np
import pytest

from imgscore.embedders.base import sections_of
from imgscore.errors import UsageError
from imgscore.heads import files
from imgscore.heads.training import train
from imgscore.heads.words import WordsHead, from_words

SECTIONS = sections_of(("embedding", 4), ("features", 3))
LIKE, DISLIKE = ("sun",), ("text", "chart")
TEXTS = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], np.float32)


def library(count: int = 50) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 7)).astype(np.float16)


def make(sample: np.ndarray) -> WordsHead:
    return from_words(TEXTS, LIKE, DISLIKE, sample, SECTIONS, "made-up")


def test_score_grows_with_liked_words_and_ignores_other_sections() -> None:
    head = make(library())
    rows = np.zeros((4, 7), np.float16)
    rows[0, 0], rows[1, 1], rows[2, 2], rows[3, 5] = 1, 1, 1, 9
    scores = head.score(rows).score
    assert scores[0] > scores[3] > scores[1] == scores[2]
    assert (head.score(library()).score.mean() > 0.3) and scores.max() < 1


@pytest.mark.parametrize("count", [1, 2])
def test_score_of_a_tiny_library_is_finite(count: int) -> None:
    scores = make(library(count)).score(library(9)).score
    assert np.isfinite(scores).all() and scores.min() > 0 and scores.max() < 1


def test_load_after_save_gives_the_same_scores_and_words(tmp_path: Path) -> None:
    head = make(library())
    files.save(head, tmp_path / "1.safetensors")
    loaded = files.load(tmp_path / "1.safetensors", embedder="made-up", dimensions=7)
    assert np.array_equal(loaded.score(library()).score, head.score(library()).score)
    assert loaded.settings == {"like": ["sun"], "dislike": ["text", "chart"]}


def test_from_words_without_comparable_section_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot compare"):
        from_words(TEXTS, LIKE, DISLIKE, library(), sections_of(("all", 7)), "made-up")


def test_train_replaces_words_that_the_labels_contradict(made_up) -> None:  # type: ignore[no-untyped-def]
    examples = made_up(12)
    means = [
        examples.embeddings[examples.keep == kind].astype(np.float32) for kind in (True, False)
    ]
    direction = means[0].mean(axis=0) - means[1].mean(axis=0)
    direction /= np.linalg.norm(direction)
    sections = sections_of(("embedding", examples.embeddings.shape[1]))
    right = from_words(direction[None], ("a",), (), examples.background, sections, "made-up")
    wrong = from_words(direction[None], (), ("a",), examples.background, sections, "made-up")
    assert train(examples, previous=wrong, seen=np.zeros(12, bool)).accepted
    comparison = train(examples, previous=right, seen=np.zeros(12, bool)).report.comparison
    assert comparison is not None and comparison.previous_auc > 0.9
