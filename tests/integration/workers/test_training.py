"""Training on a store: the examples, and the kind of head."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from imgscore.embedders import lite0_spec, registry
from imgscore.heads import mlp
from imgscore.images.traits import Traits
from imgscore.store import labels, traits, vectors
from imgscore.store.examples import examples_of, sample
from imgscore.store.schema import LabelEvent
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.context import Context
from imgscore.workers.messages import Train
from imgscore.workers.training import train

COUNT = 40


@pytest.fixture
def context(tmp_path: Path):
    """The context of a worker, with 40 labelled vectors. The images 0 and 1 are of one burst."""
    values = np.random.default_rng(0).random((COUNT, lite0_spec.DIM), np.float32)
    values[1] = 0.8 * values[0] + 0.2 * values[1]
    digests = [number.to_bytes(32, "big") for number in range(COUNT)]

    def fill(txn: Txn) -> None:
        rows = (row.tobytes() for row in values.astype(np.float16))
        vectors.append(txn, lite0_spec.ID, zip(digests, rows, strict=True))
        for number, digest in enumerate(digests):
            name = "keep" if number % 2 else "trash"
            labels.append(txn, LabelEvent(number + 1, "default", digest, name, "import", b"/a"))
            # the first two within a second, the others years apart
            year, second = (2024, number) if number < 2 else (2010 + number, 0)
            taken = f"{year}-05-06T12:00:0{second}"
            image_traits = Traits(
                width=4, height=3, format="JPEG", bytes_per_pixel=1.0, taken=taken
            )
            traits.record(txn, digest, image_traits)

    with Store(tmp_path / "store") as store:
        store.commit(fill)
    context = Context(tmp_path / "store", tmp_path / "heads", "efficientnet-lite0", "cpu")
    yield context
    context.store.close()


def test_examples_of_a_burst_share_a_group(context: Context) -> None:
    with context.store.read() as txn:
        labelled = examples_of(txn, context.spec, "default")
    group = dict(zip(labelled.digests, labelled.examples.groups.tolist(), strict=True))
    first, second, *others = (group[number.to_bytes(32, "big")] for number in range(COUNT))
    assert first == second
    assert len({first, *others}) == COUNT - 1


def test_sample_of_a_large_store_allocates_only_its_result(tmp_path: Path) -> None:
    values = np.arange(1280, dtype=np.float16)[:, None] * np.ones(lite0_spec.DIM, np.float16)
    pairs = [(number.to_bytes(32, "big"), row.tobytes()) for number, row in enumerate(values)]
    with Store(tmp_path / "store") as store:
        store.commit(lambda txn: vectors.append(txn, lite0_spec.ID, pairs))
        with store.read() as txn:
            tracemalloc.start()
            digests, rows = sample(txn, registry.spec("efficientnet-lite0"), 20)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    numbers = [int.from_bytes(digest, "big") for digest in digests]
    assert len(set(numbers)) == 20 and (rows == values[numbers]).all()
    assert peak < values.nbytes / 5  # a block of 64, twice, and the index


def test_train_recipe_decides_the_kind_of_head(context: Context, monkeypatch) -> None:
    pytest.importorskip("torch", reason="pip install torch")
    monkeypatch.setattr(mlp, "HIDDEN_WIDTHS", (8,))
    assert train(context, Train("default", "mlp")).record.report["kind"] == "mlp"
    assert train(context, Train("default")).record.report["kind"] == "kernel"
