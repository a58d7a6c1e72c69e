"""Scoring 100,000 embeddings, from memory and from the store, against one numpy product."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.figures import Figure, Setting, median_seconds
from bench.parts import measure_parts
from bench.sandbox import make_taste, resample, store_examples
from imgscore.embedders import registry
from imgscore.heads import files
from imgscore.paths import head_file
from imgscore.store.store import Store
from imgscore.workers.context import Context
from imgscore.workers.messages import Rescore, Train
from imgscore.workers.scoring import rescore
from imgscore.workers.training import train

MODEL = "efficientnet-lite0"
BLOCK = 4096


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure heads trained on few and on many labels."""
    count, repeats = setting.choose((20_000, 1), (100_000, 3))
    model = registry.spec(MODEL)
    real = measure_parts(setting.images(setting.choose(80, 400))).vectors
    values = resample(real, count)
    keep = make_taste(values)
    weights = np.random.default_rng(1).standard_normal(model.dim).astype(np.float32)

    def multiply() -> None:
        for start in range(0, count, BLOCK):
            values[start : start + BLOCK].astype(np.float32) @ weights

    for labelled in setting.choose((300,), (300, 5_000)):
        folder, heads = setting.scratch / f"store{labelled}", setting.scratch / f"heads{labelled}"
        with Store(folder) as store:
            store_examples(store, model.id, values, keep[:labelled])
        context = Context(folder, heads, MODEL, "cpu")
        train(context, Train("default"))
        head = files.load(head_file(heads, "default", "1"))
        product_seconds = median_seconds(multiply, repeats)
        seconds = median_seconds(lambda head=head: head.score(values), repeats)  # type: ignore[misc]
        baseline = f"{product_seconds:.2f} s, one product with a vector, float16 → float32 included"
        yield Figure(
            f"scoring {count} embeddings × {model.dim}, a head of {labelled} labels",
            f"{seconds:.2f} s",
            baseline,
            seconds / product_seconds,
        )

        def rescore_all(context: Context = context) -> None:
            for _ in rescore(context, Rescore("default", "1")):
                pass

        seconds = median_seconds(rescore_all, repeats)
        yield Figure(
            "the same from the store, with the digests, as a worker does it",
            f"{seconds:.2f} s",
            baseline,
            seconds / product_seconds,
        )
        context.store.close()
