"""The head of a taste with keep labels but too few trash labels: an order from the first keep on.

Random images of the library take the place of the missing trash labels (learning from positive and
unlabelled examples; Elkan and Noto 2008). Some of them are images that the user would keep. Few
labels of the library, and a large noise variance, make this harmless (bench/LEARNING.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from msgspec import UNSET

from imgscore.errors import UsageError
from imgscore.heads.base import Examples
from imgscore.heads.kernel import KernelHead, KernelRecipe, centred
from imgscore.heads.sides import MIN_SIDE
from imgscore.heads.training import Report, Trained
from imgscore.heads.trait_curves import TraitCurves

UNLABELLED = 100
"""The number of random images that are used as trash. 20 and 300 give worse orders."""
SETTINGS = {"reaches": [8.0]}
"""The settings of the kernel recipe. Held-out labels cannot choose among several graph weights,
because one side has no labels."""


def train_from_keeps(examples: Examples) -> Trained:
    """Train a head on the keep labels, and on random images of the library as trash.

    The labels of other grades count, too. The scores are not calibrated: 0.5 is the middle of the
    library. Raises UsageError if there is no keep label, or if the library has no other images.
    """
    keeps = np.flatnonzero(examples.keep)
    if not len(keeps):
        raise UsageError("no image has the label keep", "move images that you like into keep/")
    # Each side needs MIN_SIDE labels, so that a single one counts twice.
    rows = np.concatenate([np.arange(len(examples)), np.repeat(keeps, MIN_SIDE)[: MIN_SIDE - 1]])
    labelled = {row.tobytes() for row in examples.embeddings}
    order = np.random.default_rng(0).permutation(len(examples.background))[: 2 * UNLABELLED]
    others = [row for row in order if examples.background[row].tobytes() not in labelled]
    others = others[:UNLABELLED]
    if len(others) < MIN_SIDE:
        raise UsageError("the library has too few images without a label", "add more images")
    extras = None
    if examples.extras is not None and examples.background_extras is not None:
        extras = np.concatenate([examples.extras[rows], examples.background_extras[others]])
    taught = Examples(
        np.concatenate([examples.embeddings[rows], examples.background[others]]),
        np.concatenate([examples.grades[rows], np.zeros(len(others), np.float32)]),
        examples.background,
        examples.sections,
        examples.embedder,
        extras,
        examples.background_extras,
        features=examples.features,
        library=examples.library,
    )
    fitted = KernelRecipe().fit(taught, settings=SETTINGS).head
    assert isinstance(fitted, KernelHead)
    head, _ = centred(_without_deviation(fitted), examples)
    report = Report(
        kind=head.kind,
        embedder=head.embedder,
        labels=len(examples),
        keeps=len(keeps),
        settings=dict(head.settings),
        quality=UNSET,
        comparison=None,
        accepted=True,
        reason="made of keep labels, before the first trash labels",
        calibrated=False,
        from_keeps=True,
    )
    return Trained(head, report)


def _without_deviation(head: KernelHead) -> KernelHead:
    """Return the head with deviations of 0, as those of a words head.

    The folds of one or two keep labels give no estimate of the error. With their deviations, most
    images would keep their places.
    """
    column = [0, 0]
    return replace(
        head,
        near=head.near[:, column],
        far=None if head.far is None else head.far[:, column],
        constant=head.constant[column],
        curves=None
        if head.curves is None
        else TraitCurves(head.curves.scale, head.curves.curves[:, :, column]),
    )
