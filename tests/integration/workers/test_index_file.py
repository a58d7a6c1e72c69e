"""Indexing one file."""

import gc
import os
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders import lite0_spec
from imgscore.embedders.base import ImmediateNetwork, StagedEmbedder
from imgscore.embedders.lite0 import Lite0Inputs
from imgscore.heads.kernel import KernelHead
from imgscore.images.traits import Traits
from imgscore.paths import head_file
from imgscore.store import labels, traits, vectors
from imgscore.store.schema import LabelEvent
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.context import Context
from imgscore.workers.index_file import index_file
from imgscore.workers.messages import FileIndexed, IndexFile, Train
from imgscore.workers.training import train
from tests.conftest import draw

TASTE = "cats"


class OverflowingNetwork(ImmediateNetwork):
    """A network that overflows, as one in half precision can; the included one does not."""

    providers = ("CPUExecutionProvider",)
    device = "CPU"
    max_batch = 1

    def run(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((len(inputs), lite0_spec.DIM), np.inf, np.float32)


def test_index_file_under_many_heads_keeps_one_a_taste(tmp_path: Path) -> None:
    """A long scan sees many heads of 15 MB each, and a low-memory worker needs room for images."""
    values = np.random.default_rng(0).random((8, lite0_spec.DIM), np.float32).astype(np.float16)

    def fill(txn: Txn) -> None:
        for number, row in enumerate(values):
            digest = number.to_bytes(32, "big")
            vectors.append(txn, lite0_spec.ID, [(digest, row.tobytes())])
            name = "keep" if number % 2 else "trash"
            labels.append(txn, LabelEvent(number + 1, TASTE, digest, name, "import", b"/a"))
            image_traits = Traits(width=4, height=3, format="JPEG", bytes_per_pixel=1.0)
            traits.record(txn, digest, image_traits)

    with Store(tmp_path / "store") as store:
        store.commit(fill)
    image = tmp_path / "image.png"
    draw("sun", 0).save(image)
    context = Context(tmp_path / "store", tmp_path / "heads", "efficientnet-lite0", "cpu")
    first = head_file(context.heads_folder, TASTE, train(context, Train(TASTE)).record.version)
    gc.collect()
    before = sum(type(item) is KernelHead for item in gc.get_objects())
    for version in ("1", "2", "3"):
        file = head_file(context.heads_folder, TASTE, version)
        if file != first:
            shutil.copy(first, file)
        answer = index_file(context, IndexFile(os.fsencode(image), TASTE, version))
        assert isinstance(answer, FileIndexed) and answer.score is not None
    gc.collect()
    assert sum(type(item) is KernelHead for item in gc.get_objects()) == before + 1
    context.store.close()


class OverflowingContext(Context):
    """A worker's context with that network."""

    @property
    def embedder(self) -> StagedEmbedder:
        return StagedEmbedder(Lite0Inputs(), OverflowingNetwork())


def test_index_file_with_overflowing_embedder_returns_reason(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    draw("sun", 0).save(image)
    with Store(tmp_path / "store"):
        pass
    context = OverflowingContext(
        tmp_path / "store", tmp_path / "heads", "efficientnet-lite0", "cpu"
    )
    answer = index_file(context, IndexFile(os.fsencode(image), TASTE, None))
    assert isinstance(answer, FileIndexed) and answer.vector is None
    assert answer.failure is not None and "not finite" in answer.failure.reason
