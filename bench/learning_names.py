"""The error of the default head with file names, against the error without: a table of LEARNING.md.

`python bench/learning_names.py CACHE.npz [DRAWS [LABELS]]`. The names are those of the corpus, with
and without their first word (the folder of their package), names of cameras that are dealt out at
random, and half of each. The ranking is measured on at most 2,000 other images.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from learning_corpus import Corpus, draw, read, tastes

from imgscore.embedders.filenames import hash_names
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.library import fit_features
from imgscore.heads.measures import Ranking

BACKGROUND = 1200
"""The number of images that form the graph. With fewer, a draw takes less time."""
CAMERA = (
    "IMG_{0:04}.jpg",
    "DSC{0:05}.JPG",
    "P10{0:05}.JPG",
    "{1}_{0:06}.jpg",
    "IMG-{1}-WA{0:04}.jpg",
    "PXL_{1}_{0:09}.jpg",
    "Screenshot_{1}-{0:06}.png",
    "DSCN{0:04}.JPG",
)
"""The patterns of camera names: 0 is a number, 1 a date."""


def name_sets(corpus: Corpus) -> dict[str, list[str]]:
    """Kind of names → the name of each image."""
    random = np.random.default_rng(5)
    named = [Path(name).name for name in corpus.names.tolist()]
    shorter = [re.sub(r"^[^_-]+[_-]", "", name) for name in named]
    camera = []
    for _ in named:
        date = f"20{random.integers(10, 25)}{random.integers(101, 113)}{random.integers(10, 28)}"
        camera.append(CAMERA[random.integers(len(CAMERA))].format(random.integers(1, 9999), date))
    first = random.random(len(named)) < 0.5
    half = [real if own else other for real, other, own in zip(shorter, camera, first, strict=True)]
    return {"names": named, "without the first word": shorter, "half": half, "camera": camera}


def compare(corpus: Corpus, draws: int, counts: tuple[int, ...]) -> None:
    """Print the mean error (1 - AUC) over all tastes for each kind of names."""
    random = np.random.default_rng(3)
    mixed = random.permutation(len(corpus.embeddings))
    inputs = {"none": corpus.extras}
    for kind, names in name_sets(corpus).items():
        vectors = hash_names([name.encode() for name in names])
        inputs[kind] = np.hstack([corpus.extras, vectors.astype(np.float32)])
    fitted = {
        kind: fit_features(corpus.embeddings[mixed], corpus.sections, extras[mixed])
        for kind, extras in inputs.items()
    }
    for kind, features in fitted.items():
        print(f"{kind}: {np.count_nonzero(features.name_scale)} columns count", flush=True)
    graph = mixed[:BACKGROUND]
    for count in counts:
        errors: dict[str, list[float]] = {kind: [] for kind in inputs}
        for keep, eligible in tastes(corpus).values():
            for seed in range(draws):
                rows, rest = draw(keep, eligible, count, seed)
                rest = random.permutation(rest)[:2000]
                for kind, extras in inputs.items():
                    examples = replace(
                        corpus.examples(rows, keep[rows]),
                        extras=extras[rows],
                        background=corpus.embeddings[graph],
                        background_extras=extras[graph],
                        features=fitted[kind],
                    )
                    head = KernelRecipe().fit(examples).head
                    score = head.score(corpus.embeddings[rest], extras[rest]).score
                    errors[kind].append(1 - Ranking(score, keep[rest]).auc())
        mean = {kind: float(np.mean(values)) for kind, values in errors.items()}
        print(count, {k: (round(v, 4), round(v / mean["none"], 3)) for k, v in mean.items()})
        sys.stdout.flush()


if __name__ == "__main__":
    labels = sys.argv[3] if len(sys.argv) > 3 else "10,20,50,100,300,1000"
    compare(
        read(Path(sys.argv[1])),
        int(sys.argv[2]) if len(sys.argv) > 2 else 1,
        tuple(map(int, labels.split(","))),
    )
