"""The parts alone, on all cores: reading with hashing, decoding, inference; and the old recipe."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.figures import cores
from imgscore.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgscore.images.decode import Picture

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Pictures held decoded at a time: the parts are timed apart, chunk by chunk.
CHUNK = 32


class Parts(NamedTuple):
    """CPU seconds over all images, and the vectors."""

    images: int
    read_seconds: float
    decode_seconds: float
    infer_seconds: float
    vectors: NDArray[np.float16]

    def ideal_rate(self) -> float:
        """Images a second with all parts perfectly overlapped on all cores."""
        seconds = self.read_seconds + self.decode_seconds + self.infer_seconds
        return self.images / (seconds / cores())


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Children that start inside of this compute on one thread, as workers do."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def apart(files: Sequence[Path]) -> Parts:
    """Decode and embed the files on all cores at once, each part timed by its CPU time."""
    processes = cores()
    shares = [[os.fspath(file) for file in files[one::processes]] for one in range(processes)]
    with (
        _one_thread_each(),
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        found = list(pool.map(_share, shares))
    return Parts(
        sum(one.images for one in found),
        sum(one.read_seconds for one in found),
        sum(one.decode_seconds for one in found),
        sum(one.infer_seconds for one in found),
        np.concatenate([one.vectors for one in found]),
    )


def _share(files: Sequence[str]) -> Parts:
    from imgscore.embedders import lite0
    from imgscore.images.decode import decode

    embedder = lite0.load()
    embedder.embed([decode(Path(file).read_bytes()) for file in files[:1]])
    reading = decoding = inference = 0.0
    vectors: list[NDArray[np.float16]] = []
    for start in range(0, len(files), CHUNK):
        first = time.process_time()
        data = [_read(file) for file in files[start : start + CHUNK]]
        pictures: list[Picture] = []
        began = time.process_time()
        for one in data:
            try:
                pictures.append(decode(one))
            except ImageError:
                continue  # counted as an image by neither side
        middle = time.process_time()
        vectors += [embedder.embed([picture])[0] for picture in pictures]
        reading += began - first
        decoding += middle - began
        inference += time.process_time() - middle
    return Parts(len(vectors), reading, decoding, inference, np.array(vectors))


def _read(file: str) -> bytes:
    """The bytes, hashed as well."""
    data = Path(file).read_bytes()
    hashlib.sha256(data).digest()
    return data


def old_recipe_rate(files: Sequence[Path]) -> float | None:
    """Images a second of the recipe this replaces; None where torch or the weights are missing.

    Full decode, resize to 224 × 224, one image at a time through the same network in torch, with
    as many threads as torch likes.
    """
    sys.path.insert(0, os.fspath(Path(__file__).parent.parent / "tools"))
    try:
        import torch
        from lite0_network import pretrained  # type: ignore[import-not-found]
    except ImportError:
        return None
    finally:
        sys.path.pop(0)
    from PIL import Image

    network = pretrained()

    def embed(file: Path) -> None:
        with Image.open(file) as image:
            small = image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
        pixels = torch.tensor(np.asarray(small)).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            network.maps(pixels)[-1].mean((2, 3)).numpy()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old recipe does not mind what Pillow warns of
        embed(files[0])
        start = time.perf_counter()
        for file in files:
            embed(file)
    return len(files) / (time.perf_counter() - start)
