"""The default head: Gaussian processes on similarity and on a graph of the library.

Training solves several Gaussian processes with different graph weights and trait kernels. Each
solution is in closed form and also contains held-out outputs. The head is the weighted average of
the processes. A process with a smaller held-out loss has a larger weight. All processes are sums
over the same images, and the average is therefore also a sum over these images. The head needs no
torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.heads.arrays import BLOCK_ROWS, Floats, Half, Ints
from imgscore.heads.base import Examples, Fitted, OnProgress, Scores, no_progress
from imgscore.heads.calibration import Curve, sigmoid, with_whims
from imgscore.heads.checks import require
from imgscore.heads.drift import recency
from imgscore.heads.features import Features
from imgscore.heads.graph import SOFTMAX_SHARPNESS
from imgscore.heads.groups import split_answers
from imgscore.heads.held_out import calibrate, calibrated_by_fold, comparison_odds
from imgscore.heads.kernel_solver import (
    GAMMA,
    GRAPH_WEIGHTS,
    NOISE,
    TRAIT_WEIGHT,
    Inputs,
    solve_exactly,
)
from imgscore.heads.nystrom import solve_by_nystrom
from imgscore.heads.preferences import Answers
from imgscore.heads.projector import Projector
from imgscore.heads.scorer import Scorer
from imgscore.heads.trait_curves import TraitCurves

KIND = "kernel"
MAX_MIDDLE_SAMPLE = 1000
"""The largest number of images of the library whose median output is the score 0.5 of a head
without calibration. The median of 1,000 images is exact to a few hundredths."""
MAX_WHIMS = 0.5
"""The limit of the share of wrong labels of a head that is read. At this share, all scores would be
equal."""
DEFAULTS: Mapping[str, Any] = {
    "gamma": GAMMA,
    "reaches": [*GRAPH_WEIGHTS],
    "trait_weight": TRAIT_WEIGHT,
    "noise": NOISE,
}
"""The settings of the recipe. Heads of older versions have further settings, which are not used."""
MAX_WEIGHTS = 100
"""The largest number of graph weights in the settings of a head that is read."""
MAX_SETTING = 1e3
"""The largest setting of a head that is read. Those of DEFAULTS are far smaller."""


@dataclass(frozen=True)
class KernelHead:
    """A head whose score is whims + (1 - 2 · whims) · sigmoid(f(x)) for an image x.

    f(x) = Σ near · rbf(x, node) + Σ far · neighbour(x, node) + Σ curve(rank of x) + constant.
    rbf = exp(2 · gamma · (cosine - 1)).
    neighbour = softmax(SOFTMAX_SHARPNESS · cosine) over the nodes.

    `nodes`: float16 [N, r], the features of images. The first L nodes are the landmarks, which are
    labelled images.
    `near`: float32 [L, 1 + folds].
    `far`: float32 [N, 1 + folds], or None if there is no graph.
    `constant`: float32 [1 + folds].
    `curves`: a curve for each trait, for 1 + folds functions (see trait_curves.py), or None.
    `whims`: the share of labels that are wrong at random; see calibration.Curve.

    Column 0 of these arrays is the head. Column 1 + i is the head that was trained without fold i.
    The deviation of a score is computed from the spread of columns 1 to `folds`.
    """

    embedder: str
    settings: Mapping[str, Any]
    features: Features
    nodes: Half
    near: Floats
    far: Floats | None
    constant: Floats
    curves: TraitCurves | None = None
    whims: float = 0.0
    kind: str = KIND

    @property
    def dimensions(self) -> int:
        """The width d of the embeddings that the head scores."""
        return len(self.features.centre)

    @property
    def uses_names(self) -> bool:
        """Whether file names count; see names.py."""
        return bool(len(self.features.name_scale))

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Return the scores of embeddings float16 [n, d] and extras float32 [n, k].

        The deviation of a score is the standard deviation of its log-odds, times the slope of the
        score. The standard deviation is estimated with the delete-a-group jackknife (Efron and
        Stein 1981).
        """
        return self.score_rows(self.rows(embeddings, extras), extras)

    def rows(self, embeddings: Half, extras: Floats | None = None) -> Half:
        """Return the unit rows float16 [n, r] of images, which depend on `features` only."""
        return self.projector.rows(embeddings, extras)

    def score_rows(self, rows: Half, extras: Floats | None = None) -> Scores:
        """Return the scores of images from the result of `rows`, and from the same extras."""
        odds = self._odds(rows, extras)
        chance = sigmoid(odds[:, 0])
        folds = odds.shape[1] - 1
        spread = np.sqrt((folds - 1) * odds[:, 1:].var(axis=1))
        deviation = spread * (1 - 2 * self.whims) * chance * (1 - chance)
        return Scores(
            with_whims(chance, self.whims).astype(np.float32), deviation.astype(np.float32)
        )

    def odds(self, embeddings: Half, extras: Floats | None = None) -> Floats:
        """Return the log-odds float32 [n, 1 + folds]; see the class for the columns."""
        return self._odds(self.rows(embeddings, extras), extras)

    def _odds(self, rows: Half, extras: Floats | None) -> Floats:
        """Return the log-odds of unit rows, computed in blocks."""
        result = np.empty((len(rows), self.constant.size), np.float32)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            odds = self._scorer(rows[block])
            if self.curves is not None:
                odds += self.curves(None if extras is None else extras[block], len(odds))
            result[block] = odds
        return result

    @cached_property
    def projector(self) -> Projector:
        """The map from embeddings to unit rows."""
        return Projector(self.features)

    @cached_property
    def _scorer(self) -> Scorer:
        sharpness = 2 * self.settings["gamma"]
        return Scorer(
            self.nodes,
            self.near,
            self.far,
            self.constant,
            sharpness,
            SOFTMAX_SHARPNESS,
        )

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return arrays and JSON-able values that describe the head; see base.Head."""
        arrays, values = self.features.state()
        arrays |= {"nodes": self.nodes, "near": self.near, "constant": self.constant}
        if self.far is not None:
            arrays["far"] = self.far
        if self.curves is not None:
            arrays |= self.curves.state()
        values |= {"embedder": self.embedder, "settings": dict(self.settings), "whims": self.whims}
        return arrays, values


class KernelRecipe:
    """The recipe of the kernel head; see base.Recipe.

    There are four settings: `gamma`, `reaches` (a list of graph weights), `trait_weight` (of the
    trait kernel) and `noise` (the noise variance of a label).
    """

    kind = KIND

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
        on_progress: OnProgress = no_progress,
    ) -> Fitted:
        """Train a kernel head; see base.Recipe. The training takes seconds: it reports no progress.

        The features, the nodes and the graph do not depend on any label. All folds therefore share
        them.
        """
        examples.check()
        inputs = Inputs.of(examples, with_graph=max(_chosen(settings)["reaches"]) > 0)
        return self.fit_inputs(examples, inputs, folds, settings)

    def fit_inputs(
        self,
        examples: Examples,
        inputs: Inputs,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Fitted:
        """Train a kernel head on `inputs`, which many trainings over one library can share."""
        chosen = _chosen(settings)
        labels, comparisons = len(examples), examples.comparisons
        if folds is None:
            folds = split_answers(examples.upper, comparisons, examples.all_groups)
        _, folds = np.unique(folds, return_inverse=True)
        weights = None
        if examples.times is not None and not len(comparisons):
            weights = recency(inputs, examples.grades, examples.times, chosen)
        answers = Answers(examples.grades.astype(np.float64), comparisons, weights)
        solve = solve_exactly if inputs.are_few else solve_by_nystrom
        near, far, constant, outputs, curves = solve(inputs, answers, folds, chosen)
        odds, pair_slope = comparison_odds(outputs, comparisons)
        curve = Curve(pair_slope, 0.0)
        if examples.is_calibrated:
            curve = calibrate(outputs[:labels], examples.grades, folds[:labels], weights)
        slope = curve.slope
        head = KernelHead(
            examples.embedder,
            chosen,
            inputs.features,
            inputs.nodes,
            (slope * near).astype(np.float32),
            None if far is None else (slope * far).astype(np.float32),
            (slope * constant + curve.offset).astype(np.float32),
            None if curves is None else curves.times(slope),
            curve.whims,
        )
        if examples.is_calibrated:
            held_out = calibrated_by_fold(
                outputs[:labels], examples.grades, folds[:labels], weights
            )
        else:
            head, middle = centred(head, examples)
            score = sigmoid(slope * outputs[:labels] - middle).astype(np.float32)
            held_out = Scores(score, np.zeros_like(score))
        return Fitted(head, held_out, folds, odds.astype(np.float32), weights)

    def fit_head(self, examples: Examples, settings: Mapping[str, Any] | None = None) -> KernelHead:
        """Train a kernel head; see base.Recipe. Its calibration needs the held-out scores."""
        head = self.fit(examples, None, settings).head
        assert isinstance(head, KernelHead)
        return head

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> KernelHead:
        """Return the head that `arrays` and `values` describe; see base.Recipe."""
        head = KernelHead(
            str(values["embedder"]),
            dict(values["settings"]),
            Features.restore(arrays, values),
            arrays["nodes"],
            arrays["near"],
            arrays.get("far"),
            arrays["constant"],
            TraitCurves.restore(arrays, arrays["constant"].size),
            # A head of an older version has no share of wrong labels.
            float(values.get("whims", 0.0)),
        )
        _check(head)
        return head


def _chosen(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings of a training: DEFAULTS, changed by those of `settings` that exist."""
    known = {name: value for name, value in (settings or {}).items() if name in DEFAULTS}
    return {**DEFAULTS, **known}


def centred(head: KernelHead, examples: Examples) -> tuple[KernelHead, float]:
    """Return the head with a score of 0.5 for the middle image of the library, and the change.

    The change is subtracted from the log-odds. A score is then the probability that the image is
    better than the middle image, as far as comparisons tell.
    """
    sample = np.random.default_rng(0).permutation(len(examples.background))[:MAX_MIDDLE_SAMPLE]
    odds = head.odds(
        examples.background[sample],
        None if examples.background_extras is None else examples.background_extras[sample],
    )
    if not len(sample):
        odds = head.odds(examples.all_embeddings, examples.all_extras)
    middle = np.median(odds, axis=0)
    return replace(head, constant=(head.constant - middle).astype(np.float32)), float(middle[0])


def _check(head: KernelHead) -> None:
    """Raise ValueError if the shapes of the arrays, or the settings, are not those of a head."""
    nodes, columns = len(head.nodes), head.constant.size
    require(head.nodes.shape == (nodes, head.features.directions.shape[1]), "nodes do not fit")
    require(head.nodes.dtype == np.float16 and nodes > 0, "nodes are not float16 rows")
    require(head.constant.shape == (columns,) and columns > 1, "there are no folds")
    require(head.near.shape == (len(head.near), columns), "near does not fit")
    require(0 < len(head.near) <= nodes, "there are more landmarks than nodes")
    require(head.far is None or head.far.shape == (nodes, columns), "far does not fit")
    weights = [head.near, head.constant] + ([] if head.far is None else [head.far])
    require(all(weight.dtype == np.float32 for weight in weights), "the weights are not float32")
    require(0 <= head.whims < MAX_WHIMS, "whims is out of bounds")
    for name in ("gamma", *(DEFAULTS.keys() & head.settings.keys())):
        numbers = head.settings[name] if name == "reaches" else [head.settings[name]]
        require(isinstance(numbers, list) and 0 < len(numbers) <= MAX_WEIGHTS, name)
        require(all(0 <= float(number) <= MAX_SETTING for number in numbers), name)
