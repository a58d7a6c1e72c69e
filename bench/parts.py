"""CPU time of reading with hashing, decoding and inference, each alone, and of the old recipe."""

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
BATCH = 32
"""images whose parts are measured in succession: decoded images of a batch are in memory"""


class Parts(NamedTuple):
    """CPU seconds of each part for all images, and the vectors."""

    images: int
    read_seconds: float
    decode_seconds: float
    infer_seconds: float
    vectors: NDArray[np.float16]

    def ideal_rate(self) -> float:
        """Images a second if all cores did nothing but these parts."""
        seconds = self.read_seconds + self.decode_seconds + self.infer_seconds
        return self.images / (seconds / cores())


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Child processes that start within the block compute on one thread, as workers do."""
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


def measure_parts(files: Sequence[Path]) -> Parts:
    """Decode and embed the files on all cores, and measure the CPU time of each part."""
    processes = cores()
    shares = [[os.fspath(file) for file in files[n::processes]] for n in range(processes)]
    with (
        _one_thread_each(),
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        results = list(pool.map(_measure_share, shares))
    return Parts(
        sum(parts.images for parts in results),
        sum(parts.read_seconds for parts in results),
        sum(parts.decode_seconds for parts in results),
        sum(parts.infer_seconds for parts in results),
        np.concatenate([parts.vectors for parts in results]),
    )


def _measure_share(files: Sequence[str]) -> Parts:
    """Measure the files of one process; images that cannot be decoded are not counted."""
    from imgscore.embedders import lite0
    from imgscore.images.decode import decode

    embedder = lite0.load()
    embedder.embed([decode(Path(file).read_bytes()) for file in files[:1]])
    reading = decoding = inference = 0.0
    vectors: list[NDArray[np.float16]] = []
    for start in range(0, len(files), BATCH):
        read_start = time.process_time()
        contents = [_read(file) for file in files[start : start + BATCH]]
        pictures: list[Picture] = []
        decode_start = time.process_time()
        for content in contents:
            try:
                pictures.append(decode(content))
            except ImageError:
                continue
        infer_start = time.process_time()
        vectors += [embedder.embed([picture])[0] for picture in pictures]
        reading += decode_start - read_start
        decoding += infer_start - decode_start
        inference += time.process_time() - infer_start
    return Parts(len(vectors), reading, decoding, inference, np.array(vectors))


def _read(file: str) -> bytes:
    """Read and hash a file; returns its bytes."""
    data = Path(file).read_bytes()
    hashlib.sha256(data).digest()
    return data


def old_recipe_rate(files: Sequence[Path]) -> float | None:
    """Images a second of the old recipe; None if torch or the weights are not installed.

    The recipe decodes each image in full, resizes it to 224 × 224, and runs the same network in
    torch on one image at a time, with torch's default number of threads.
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
        warnings.simplefilter("ignore")  # the old recipe ignored Pillow's warnings, too
        embed(files[0])
        start = time.perf_counter()
        for file in files:
            embed(file)
    return len(files) / (time.perf_counter() - start)
