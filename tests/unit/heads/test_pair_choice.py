"""The choice of the pairs to compare next."""

from dataclasses import replace

import numpy as np
import pytest

from imgscore.heads.base import Examples
from imgscore.heads.library import fit_features
from imgscore.heads.pair_choice import SIMILAR_COSINE, choose_pairs
from tests.unit.heads.conftest import MakeUp


def unanswered(examples: Examples) -> Examples:
    return replace(examples, embeddings=examples.embeddings[:0], grades=examples.grades[:0])


@pytest.fixture
def library() -> np.ndarray:
    """Twelve motifs of 25 images each."""
    generator = np.random.default_rng(5)
    motifs = generator.random((12, 40))
    noise = 0.1 * generator.normal(size=(12, 25, 40))
    return np.clip(motifs[:, None] + noise, 0, 1).reshape(300, 40).astype(np.float16)


def test_choose_pairs_without_answers_spreads_over_motifs(made_up: MakeUp, library) -> None:
    examples = unanswered(made_up(10))
    pairs = choose_pairs(fit_features(library), examples, library, 6)
    images = [row for pair in pairs for row in (pair.first, pair.second)]
    assert len(images) == len(set(images)) == 12
    assert len({row // 25 for row in images}) >= 10
    assert all(pair.probability == pytest.approx(0.5) for pair in pairs)
    gains = [pair.gain for pair in pairs]
    assert gains == sorted(gains, reverse=True) and 0 < sum(gains) < 1


def test_choose_pairs_never_repeats_an_answered_pair(made_up: MakeUp, library) -> None:
    examples, features = unanswered(made_up(10)), fit_features(library)
    few = library[::50]
    seen: set[frozenset[int]] = set()
    answered = np.empty((0, 2), np.int64)
    while pairs := choose_pairs(features, examples, few, 2, answered=answered):
        new = [frozenset((pair.first, pair.second)) for pair in pairs]
        assert not seen & set(new)
        seen |= set(new)
        answered = np.array([sorted(pair) for pair in seen])
    assert len(seen) == len(few) * (len(few) - 1) // 2


def test_choose_pairs_leaves_out_similar_images(made_up: MakeUp, library) -> None:
    twins = np.concatenate([library[:3], library[:3]])
    features = fit_features(library)
    pairs = choose_pairs(features, unanswered(made_up(10)), twins, 20)
    rows = features(twins)
    assert pairs and all(rows[pair.first] @ rows[pair.second] < SIMILAR_COSINE for pair in pairs)


def test_choose_pairs_after_answers_expects_what_they_say(made_up: MakeUp, library) -> None:
    """Images of one motif won against those of another: other pairs of the two are predictable."""
    examples = replace(
        unanswered(made_up(10)),
        compared=library[:50],
        comparisons=np.array([(row, 25 + row, 0) for row in range(20)]),
    )
    features = fit_features(library)
    two = np.concatenate([library[20:22], library[45:47]])
    (pair,) = choose_pairs(features, examples, two, 1)
    first_wins = pair.first < 2
    assert (pair.probability > 0.6) == first_wins and (pair.probability < 0.4) != first_wins
    pairs = choose_pairs(features, examples, library, 10)
    among_compared = [pair for pair in pairs if max(pair.first, pair.second) < 50]
    assert not among_compared, "the answers teach more about other motifs"


def test_choose_pairs_after_labels_prefers_unlabelled_motifs(made_up: MakeUp, library) -> None:
    examples = replace(made_up(10), embeddings=library[:200:2], grades=np.ones(100, np.float32))
    pairs = choose_pairs(fit_features(library), examples, library, 5)
    assert all(max(pair.first, pair.second) >= 200 for pair in pairs)


@pytest.mark.parametrize("count", [0, 1])
def test_choose_pairs_of_fewer_than_two_images_is_empty(made_up: MakeUp, library, count) -> None:
    features = fit_features(library)
    assert choose_pairs(features, unanswered(made_up(10)), library[:count], 5) == []


def test_choose_pairs_shows_either_image_first(made_up: MakeUp, library) -> None:
    pairs = choose_pairs(fit_features(library), unanswered(made_up(10)), library, 30)
    assert 5 < sum(pair.first < pair.second for pair in pairs) < 25
