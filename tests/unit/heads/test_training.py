"""Training and comparing heads on made-up vectors."""

from dataclasses import replace
from types import MappingProxyType

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscore.errors import UsageError
from imgscore.heads import graph
from imgscore.heads.arrays import unit, widen
from imgscore.heads.base import Examples, Scores
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.measures import Ranking
from imgscore.heads.training import train


class Backwards:
    """A head that ranks everything the wrong way around."""

    kind = "kernel"
    embedder = "made-up"
    dimensions = 40
    settings = MappingProxyType({})

    def score(self, embeddings, extras=None):
        score = 1 - embeddings[:, :3].mean(axis=1).astype(np.float32)
        return Scores(score, np.zeros_like(score))


def test_it_learns_the_taste(made_up):
    head = train(made_up(200)).head
    test = made_up(300, seed=1)
    assert Ranking(head.score(test.embeddings).score, test.keep).auc() > 0.9


def test_the_same_labels_give_the_same_scores(made_up):
    examples = made_up(60)
    first, second = (train(examples).head.score(examples.background) for _ in range(2))
    assert np.array_equal(first.score, second.score)


def test_too_few_labels_are_named(made_up):
    with pytest.raises(UsageError, match="too few"):
        train(made_up(40).take(np.arange(3)))


def test_misfitting_arrays_are_refused(made_up):
    examples = made_up(10)
    with pytest.raises(UsageError):
        train(replace(examples, background=examples.background[:, :7]))


def test_a_report_is_json(made_up):
    report = train(made_up(30)).report
    assert msgspec.json.decode(msgspec.json.encode(report))["labels"] == 30


def test_a_worse_head_is_refused_and_a_better_one_taken(made_up, monkeypatch):
    examples = made_up(120)
    good = train(examples).head
    assert train(examples, previous=Backwards()).accepted

    spoilt = replace(examples, keep=np.random.default_rng(0).permutation(examples.keep))
    # the previous head foresees the labels; one trained on shuffled ones does not
    monkeypatch.setattr(
        KernelRecipe, "fit", lambda self, _, *rest, fit=KernelRecipe.fit: fit(self, spoilt, *rest)
    )
    refused = train(examples, previous=good, seen=np.zeros(120, bool))
    assert not refused.accepted
    assert "worse" in refused.report.reason


def test_a_head_is_never_judged_on_what_it_saw(made_up):
    examples = made_up(60)
    seen = np.arange(60) < 30
    previous = train(examples.take(seen)).head
    comparison = train(examples, previous=previous, seen=seen).report.comparison
    assert comparison is not None
    assert (comparison.basis, comparison.labels) == ("new labels", 30)
    # each new label is the near-duplicate of a seen one: nothing is left to judge on
    twins = replace(examples, groups=np.arange(60) % 30)
    assert train(twins, previous=previous, seen=seen).report.comparison is None


def test_other_settings_are_judged_on_the_same_folds(made_up):
    examples = made_up(80)
    previous = KernelRecipe().fit(examples, None, {"noises": (1.0,), "reaches": (0.0,)}).head
    report = train(examples, previous=previous, seen=np.ones(80, bool)).report
    assert report.comparison is not None
    assert report.comparison.basis == "same folds"


@settings(max_examples=25)
@given(
    count=st.integers(4, 40),
    width=st.integers(1, 12),
    seed=st.integers(0, 99),
    spoil=st.sampled_from(
        ["nothing", "duplicates", "constant", "no background", "zeros", "extras"]
    ),
)
def test_scores_are_probabilities_whatever_the_vectors(count, width, seed, spoil):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(count, width)).astype(np.float16)
    background = generator.normal(size=(50, width)).astype(np.float16)
    extras = background_extras = None
    if spoil == "duplicates":
        values[:] = values[0]
    elif spoil == "constant":
        values[:, 0] = background[:, 0] = 3
    elif spoil == "no background":
        background = background[:0]
    elif spoil == "zeros":
        values[:], background[:] = 0, 0
    elif spoil == "extras":
        extras = generator.normal(size=(count, 3)).astype(np.float32)
        extras[0], background_extras = np.nan, np.full((50, 3), np.nan, np.float32)
    keep = generator.random(count) < 0.5
    keep[:4] = [True, True, False, False]
    examples = Examples(
        values, keep, background, extras=extras, background_extras=background_extras
    )
    fitted = KernelRecipe().fit(examples)
    for found in (fitted.held_out, fitted.head.score(values, extras)):
        assert np.isfinite(found.score).all()
        assert ((found.score >= 0) & (found.score <= 1)).all()
        assert (found.deviation >= 0).all()


def test_many_labels_take_the_landmark_way(made_up, monkeypatch):
    monkeypatch.setattr("imgscore.heads.kernel.EXACT", 100)
    fitted = KernelRecipe().fit(made_up(400))
    test = made_up(300, seed=1)
    assert len(fitted.head.nodes) == 100
    assert Ranking(fitted.head.score(test.embeddings).score, test.keep).auc() > 0.9


@pytest.mark.parametrize("share", [1 / 6, 5 / 6])
def test_imbalance_moves_the_probability_not_the_order(made_up, share):
    examples = made_up(240, share=share)
    score = train(examples).head.score(made_up(400, seed=1, share=share).embeddings).score
    assert abs(float(score.mean()) - share) < 0.12


def test_held_out_answers_are_those_of_training_without_the_fold(made_up):
    examples = made_up(40)
    folds = np.arange(40) % 4
    fixed = {"noises": (0.1,), "reaches": (1.0,)}
    whole = KernelRecipe().fit(examples, folds, fixed)
    # the closed form must rank a fold as a head trained without it does
    part = KernelRecipe().fit(examples.take(folds != 0), None, fixed).head
    held = folds == 0
    again = part.score(examples.embeddings[held]).score
    assert np.corrcoef(whole.held_out.score[held], again)[0, 1] > 0.9


@pytest.mark.parametrize("count", [20, graph.MANY + 70])
def test_the_nearest_are_found_however_many(count):
    nodes = unit(np.random.default_rng(0).normal(size=(count, 16)).astype(np.float32))
    cosine = nodes[5:20] @ nodes.T
    cosine[np.arange(15), 5 + np.arange(15)] = -np.inf
    most = min(graph.CANDIDATES, count - 1)
    _, found = graph._nearest(nodes, slice(5, 20))
    assert np.array_equal(np.sort(found, axis=1), np.sort(cosine, axis=1)[:, -most:])


def test_a_crowd_does_not_take_a_loose_cluster_apart():
    noise = np.random.default_rng(0).normal(size=(40, 512)).astype(np.float32) / np.sqrt(512)
    noise[:20] *= 0.1
    noise[20:] *= 0.5
    noise[:20, 0] += 1
    noise[20:, :2] += (0.8, 0.33)
    nodes = unit(noise)
    # each loose one is nearer to the crowd than to the others of its cluster
    cosine = nodes[20:] @ nodes.T
    np.fill_diagonal(cosine[:, 20:], -1)
    assert (np.argsort(cosine, axis=1)[:, -graph.NEIGHBOURS :] < 20).mean() > 0.9
    neighbour, _ = graph.neighbours(nodes)
    assert (neighbour[20:] >= 20).mean() > 0.9


@pytest.mark.parametrize("columns", [3, 60])
def test_the_graph_kernel_is_the_inverse_of_its_links(columns):
    nodes = unit(np.random.default_rng(0).normal(size=(800, 8)).astype(np.float32))
    exact = np.linalg.inv(graph._links(nodes).dense())
    size = np.sqrt(np.diag(exact))[:columns]
    # columns of labelled nodes have their exact size, whatever the others' is estimated to be
    got = graph.graph_kernel(nodes, columns)[:columns]
    assert got == pytest.approx(exact[:columns, :columns] / size[:, None] / size, abs=0.02)


def test_widening_is_numpys_own_cast():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)].reshape(2, -1)
    found = np.empty(every.shape, np.float32)
    widen(every, found)
    assert found.tobytes() == every.astype(np.float32).tobytes()
