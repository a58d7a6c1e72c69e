"""Suspects, next labels, explanations, evaluation and the measures under them."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.heads.base import Examples, Scores
from imgscore.heads.calibration import fit_platt, sigmoid
from imgscore.heads.evaluate import evaluate
from imgscore.heads.explain import explain
from imgscore.heads.extras import NAMES, extras_of, taken_of
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.library import fit_features
from imgscore.heads.measures import Ranking, quality
from imgscore.heads.next_labels import next_labels
from imgscore.heads.suspects import suspects
from imgscore.heads.training import train
from imgscore.images.traits import Traits


def test_flipped_labels_are_suspected(made_up):
    examples = made_up(400)
    # only clear cases are flipped: near the border a slip cannot be told from a whim
    clear = np.argsort(-np.abs(examples.embeddings[:, :3].astype(float).sum(axis=1) - 1.5))[:100]
    flipped = clear[:20]
    keep = examples.keep.copy()
    keep[flipped] ^= True
    examples = replace(examples, keep=keep)
    first = suspects(examples, KernelRecipe().fit(examples), 20)
    assert len({one.row for one in first} & set(flipped.tolist())) >= 12


def test_a_near_duplicate_of_the_other_kind_comes_first(made_up):
    examples = made_up(40)
    keep = examples.keep.copy()
    groups = np.arange(40)
    groups[[10, 11, 12]] = 10
    keep[[10, 11, 12]] = [True, False, True]
    examples = replace(examples, keep=keep, groups=groups)
    first = suspects(examples, KernelRecipe().fit(examples))[0]
    assert first.row == 11
    assert first.twin in (10, 12)


def test_next_labels_are_diverse_and_no_near_duplicates(made_up):
    examples = made_up(40)
    features = fit_features(examples.background)
    head = train(examples).head
    pool = np.concatenate([examples.background, examples.background, examples.embeddings])
    chosen = next_labels(head, features, examples, pool, 20)
    assert len(chosen) == 20
    # no image twice, none that is labelled
    assert len(set((chosen % 200).tolist())) == 20
    assert chosen.max() < 400
    assert len(next_labels(head, features, examples, examples.embeddings, 5)) == 0


class EquallyUnsure:
    """A head that knows nothing: what is asked then is a matter of the images alone."""

    def score(self, embeddings, extras=None):
        return Scores(np.full(len(embeddings), 0.5), np.zeros(len(embeddings)))


def test_an_image_that_stands_for_many_is_asked_about_first():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(104, 60)).astype(np.float32)
    # 0 lies in the middle of the first 40
    values[:40] = values[0] + 0.9 * values[:40]
    values = values.astype(np.float16)
    keep = np.array([True, True, False, False])
    examples = Examples(values[100:], keep, values)
    head, features = EquallyUnsure(), fit_features(values)
    assert next_labels(head, features, examples, values[:100], 1).tolist() == [0]


def test_an_explanation_names_the_nearest_of_each_kind(made_up):
    examples = made_up(40)
    head = train(examples).head
    features = fit_features(examples.background)
    why = explain(head, features, examples, examples.embeddings[0], most=3)
    assert why.keeps[0].row == 0
    assert why.keeps[0].similarity == pytest.approx(1, abs=1e-3)
    assert len(why.trashes) == 3
    assert 0 <= why.low <= why.score <= why.high <= 1


def test_an_explanation_tells_which_trait_matters(made_up):
    examples = made_up(200)
    extras = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    extras[:, 0] += np.where(examples.keep, 2, -2)
    examples = replace(examples, extras=extras, background_extras=extras)
    head = train(examples).head
    why = explain(
        head,
        head.features,
        examples,
        examples.embeddings[0],
        extras=np.array([2, 0], np.float32),
        names=("telling", "noise"),
    )
    assert [one.name for one in why.traits] == ["telling", "noise"]
    assert why.traits[0].change > 0


def test_the_learning_curve_rises_and_foresees_more(made_up):
    found = evaluate(made_up(160))
    assert [one.labels for one in found.curve] == [10, 20, 40, 80, 160]
    assert found.curve[-1].auc > found.curve[0].auc
    assert found.doubled is not None
    assert found.curve[-1].auc <= found.doubled <= 1
    assert evaluate(made_up(8)).doubled is None


def test_a_curve_that_takes_too_long_is_cut_short(made_up):
    asked = []

    def enough():
        asked.append(True)
        return len(asked) == 2

    found = evaluate(made_up(160), enough=enough)
    assert [one.labels for one in found.curve] == [40, 80, 160]
    assert found.left_out == 2 and found.doubled is not None
    assert evaluate(made_up(160), enough=lambda: True).left_out == 3


def test_what_was_fitted_already_is_not_fitted_again(made_up, monkeypatch):
    examples = made_up(60)
    fitted, whole = KernelRecipe().fit(examples), []
    fit = KernelRecipe.fit

    def noted(self, some, *rest):
        whole.append(len(some) == len(examples))
        return fit(self, some, *rest)

    monkeypatch.setattr(KernelRecipe, "fit", noted)
    assert evaluate(examples, fitted=fitted) == evaluate(examples)
    assert sum(whole) == 1


@given(
    score=st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.9]), min_size=2, max_size=30),
    seed=st.integers(0, 99),
)
def test_auc_is_the_chance_that_a_keep_outranks_a_trash(score, seed):
    keep = np.random.default_rng(seed).random(len(score)) < 0.5
    keep[:2] = [True, False]
    values = np.array(score)
    ahead = np.sign(values[keep][:, None] - values[~keep])
    assert Ranking(values, keep).auc() == pytest.approx(0.5 + ahead.mean() / 2)
    doubled = Ranking(np.tile(values, 2), np.tile(keep, 2))
    assert Ranking(values, keep).auc(np.full(len(keep), 2.0)) == pytest.approx(doubled.auc())


def test_quality_of_a_perfect_order():
    keep = np.arange(100) >= 50
    found = quality(np.where(keep, 0.9, 0.1).astype(np.float32), keep)
    assert (found.auc.value, found.average_precision.value) == (1, 1)
    assert found.log_loss.value == pytest.approx(-np.log(0.9))
    assert [(one.count, one.keep) for one in found.reliability] == [(50, 0), (50, 1)]


def test_calibration_finds_the_curve_and_never_turns_it():
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=4000)
    keep = generator.random(4000) < sigmoid(2 * outputs - 1)
    slope, offset = fit_platt(outputs, keep)
    assert (slope, offset) == (pytest.approx(2, abs=0.2), pytest.approx(-1, abs=0.2))
    assert fit_platt(-outputs, keep)[0] > 0


def test_outputs_that_hardly_differ_make_no_certainty():
    keep = np.array([True, True, False, False])
    slope, offset = fit_platt(np.array([1e-3, 2e-3, -1e-3, -2e-3]), keep)
    assert sigmoid(np.array([slope + offset])) < 0.99999


def test_unknown_traits_are_nan():
    one = Traits(width=200, height=100, format="JPEG", bytes_per_pixel=0.5, alpha=False)
    found = extras_of([one, None])
    assert found.shape == (2, len(NAMES))
    assert np.exp(found[0, NAMES.index("aspect")]) == pytest.approx(2)
    assert np.isnan(found[1]).all()


def test_the_time_of_a_picture_is_in_seconds_and_may_be_unknown():
    some = Traits(
        width=10, height=5, format="PNG", bytes_per_pixel=1.0, taken="2024-05-06T12:34:56"
    )
    later = msgspec.structs.replace(some, taken="2024-05-06T12:34:58")
    none = msgspec.structs.replace(some, taken="")
    first, second, *unknown = taken_of([some, later, none, None])
    assert second - first == 2 and np.isnan(unknown).all()
