"""The tastes by which heads are judged (bench/learning_tastes.py)."""

from pathlib import Path

import numpy as np
import pytest

from imgscore.embedders.base import sections_of

BENCH = Path(__file__).parents[3] / "bench"


@pytest.fixture
def made(monkeypatch):
    """The module, and a corpus of two sources with four categories each."""
    monkeypatch.syspath_prepend(str(BENCH))
    import learning_corpus
    import learning_tastes

    generator = np.random.default_rng(0)
    count = 1200
    source = np.where(np.arange(count) < 600, "drawings", "photos")
    category = generator.choice(["birds-red", "birds-blue", "cars", "food"], count)
    word = generator.choice(["sunny", "dark"], count)
    parts = zip(source, category, word, strict=True)
    names = np.array([f"{a}/{b}/{c}_{i}.png" for i, (a, b, c) in enumerate(parts)])
    corpus = learning_corpus.Corpus(
        generator.random((count, 20)).astype(np.float16),
        generator.normal(size=(count, 12)).astype(np.float32),
        category,
        sections_of(("features", 20)),
        names,
    )
    return learning_tastes, corpus


def test_libraries_are_the_sources_and_a_sample_of_all(made):
    tastes, corpus = made
    libraries = tastes.libraries(corpus)
    assert {name: len(part.names) for name, part in libraries.items()} == {
        "drawings": 600,
        "photos": 600,
        tastes.MIXED: 1200,
    }


def test_tastes_of_keep_five_to_sixty_percent_and_are_reproducible(made):
    tastes, corpus = made
    found = tastes.tastes_of(corpus)
    assert {taste.kind for taste in found} == set(tastes.KINDS)
    assert all(0.05 <= taste.keep.mean() <= 0.6 for taste in found)
    assert {taste.whims for taste in found} == set(tastes.WHIMS)
    again = tastes.tastes_of(corpus)
    assert [taste.name for taste in again] == [taste.name for taste in found]


def test_draws_of_have_two_right_labels_of_each_side_and_test_other_images(made):
    tastes, corpus = made
    for taste in tastes.tastes_of(corpus):
        for rows, labels, rest in tastes.draws_of(taste, 20, 2, 300):
            right = labels == taste.keep[rows]
            assert min((right & labels).sum(), (right & ~labels).sum()) >= 2
            assert not np.isin(rows, rest).any()
            assert len(rest) == 300
            assert right.all() or taste.whims
