"""The fine grids of images, in a table of their own."""

from pathlib import Path

import numpy as np

from imgscore.images.pixels import luma_grids, unpacked_fine_grid
from imgscore.images.traits import Traits
from imgscore.store import traits
from imgscore.store.store import Store

DIGEST = bytes(range(32))


def test_record_of_traits_stores_the_fine_grid_apart(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    grid, fine = luma_grids(pixels)
    image = Traits(
        width=120, height=90, format="PNG", bytes_per_pixel=1.0, grid=grid, fine_grid=fine
    )
    with Store(tmp_path) as store:
        store.commit(lambda txn: traits.record(txn, DIGEST, image))
        with store.read() as txn:
            found = traits.get(txn, DIGEST)
            assert found is not None and found.grid == grid and found.fine_grid == b""
            assert traits.fine_grid(txn, DIGEST) == fine
            assert traits.fine_grid(txn, DIGEST[::-1]) == b""


def test_unpacked_fine_grid_of_a_damaged_value_is_none() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    fine = luma_grids(pixels)[1]
    unpacked = unpacked_fine_grid(fine)
    assert unpacked is not None and unpacked.shape == (64, 64)
    for value in (b"", b"no JPEG", fine[:40], fine[: len(fine) // 2]):
        assert unpacked_fine_grid(value) is None, value
