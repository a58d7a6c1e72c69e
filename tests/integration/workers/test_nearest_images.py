"""The nearest images of the index, read cell by cell for many new images at once."""

import hashlib
from pathlib import Path

import numpy as np

from imgscore.groups.nearest import MAX_NEAREST, MIN_COSINE, SKETCH_NUMBERS
from imgscore.store import similarity
from imgscore.store.store import Store
from imgscore.workers.compare_new import nearest_images

CELLS, IMAGES, PROBES = 6, 400, 3


def digest(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def test_nearest_images_of_a_batch_are_those_with_the_largest_cosine_in_their_cells(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(3)
    motifs = random.standard_normal((4, SKETCH_NUMBERS))
    rows = motifs[random.integers(0, 4, IMAGES)] + random.standard_normal((IMAGES, SKETCH_NUMBERS))
    sketches = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    homes = random.integers(0, CELLS, IMAGES)
    with Store(tmp_path / "store") as store:
        entries = [
            similarity.cell_entry(int(homes[row]), digest(row), sketches[row].tobytes())
            for row in range(IMAGES)
        ]
        damaged = similarity.cell_entry(0, digest(IMAGES), b"short")
        store.commit(lambda txn: similarity.add(txn, [*entries, damaged], []))
        new = np.arange(0, IMAGES, 5)
        cells = np.stack([random.permutation(CELLS)[:PROBES] for _ in new])
        asking = sketches[new].astype(np.float32)
        with store.read() as txn:
            found = nearest_images(txn, cells, asking, [digest(row) for row in new.tolist()])
    cosine = asking @ sketches.astype(np.float32).T
    for at, row in enumerate(new.tolist()):
        others = [
            other
            for other in np.argsort(-cosine[at], kind="stable").tolist()
            if other != row and homes[other] in cells[at] and cosine[at, other] >= MIN_COSINE
        ]
        assert len(others) > MAX_NEAREST  # The limit is tested, too.
        assert found[at] == [digest(other) for other in others[:MAX_NEAREST]]
