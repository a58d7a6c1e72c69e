"""Sandboxes and stores with images, labels and vectors, for the benchmarks."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.config import Config
from imgscore.embedders import registry
from imgscore.engine.reembed import COMPLETE
from imgscore.store import labels, settings, sightings, vectors
from imgscore.store.schema import Fingerprint, LabelEvent, LabelName, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import Sandbox

FILES_PER_FOLDER = 1000


class Run(NamedTuple):
    """The cost and the output of a command."""

    seconds: float
    """wall time"""
    cpu_seconds: float
    """of the command and its child processes"""
    output: str


def new_sandbox(folder: Path, **daemon: float) -> Sandbox:
    """Create a sandbox with a config; `daemon`: settings of the [daemon] table."""
    sandbox = Sandbox(folder)
    sandbox.configure(**daemon)
    return sandbox


def copy_images(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Copy images into a folder under the names 000000, 000001, …; returns the copies."""
    copies = []
    for number, file in enumerate(files):
        copy = folder / f"{number:06}{file.suffix.lower()}"
        shutil.copyfile(file, copy)
        copies.append(copy)
    return copies


def add_known_files(txn: Txn, sandbox: Sandbox, count: int) -> None:
    """Write `count` tiny, distinct images, and record sightings of them, as if indexed already."""
    inbox = os.fsencode(sandbox.inbox)
    settings.put(txn, COMPLETE, registry.spec(Config().model).id)
    for number in range(count):
        folder = sandbox.inbox / f"{number // FILES_PER_FOLDER:03}"
        if number % FILES_PER_FOLDER == 0:
            folder.mkdir()
        path, data = folder / f"{number:06}.png", make_png(number)
        path.write_bytes(data)
        seen = Fingerprint.of_stat(path.stat())
        digest = hashlib.sha256(data).digest()
        sightings.record(txn, Sighting(os.fsencode(path), seen, digest, inbox, "inbox"))


def make_png(number: int) -> bytes:
    """A PNG of one pixel whose colour is `number`, so that its digest is unique."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0" + number.to_bytes(3, "big"))
    parts = ((b"IHDR", header), (b"IDAT", pixel), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def run_imgscore(sandbox: Sandbox, *arguments: str) -> Run:
    """Run `imgscore` in a sandbox. Raises RuntimeError unless it exits with 0 or 1."""
    before, start = os.times(), time.perf_counter()
    done = sandbox.run(*arguments, seconds=None)
    seconds, after = time.perf_counter() - start, os.times()
    if done.code not in (0, 1):  # 1: some files failed, which is normal for a real corpus
        raise RuntimeError(f"imgscore {' '.join(arguments)}: {done.err}")
    cpu = after.children_user + after.children_system
    return Run(seconds, cpu - before.children_user - before.children_system, done.out)


def count_workers(pid: int) -> int:
    """The number of child processes of a daemon, by /proc."""
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def resample(real: NDArray[np.float16], count: int, seed: int = 1) -> NDArray[np.float16]:
    """`count` vectors that resemble the real ones [n, d]: mixtures of two of them, with noise.

    The mixture keeps the range of each column and the correlation of the columns; the noise makes
    the vectors distinct.
    """
    chance = np.random.default_rng(seed)
    spread = real.astype(np.float32).std(axis=0) * 0.3
    mixtures = np.empty((count, real.shape[1]), np.float16)
    for start in range(0, count, 4096):
        size = min(4096, count - start)
        left, right = (
            real[chance.integers(0, len(real), size)].astype(np.float32) for _ in range(2)
        )
        share = chance.uniform(0, 0.5, (size, 1)).astype(np.float32)
        noise = chance.standard_normal((size, real.shape[1]), np.float32) * spread
        mixed = left * (1 - share) + right * share + noise
        mixtures[start : start + size] = np.maximum(mixed, 0)  # features are never negative
    return mixtures


def make_taste(values: NDArray[np.float16], seed: int = 1) -> NDArray[np.bool_]:
    """A label for each vector (True: keep), half of each, a tenth of them flipped at random.

    Before the flips, they follow a linear and an absolute-value function of two random projections.
    """
    chance = np.random.default_rng([seed, 7])
    sample = values[:4000].astype(np.float32)
    mean, deviation = sample.mean(axis=0), sample.std(axis=0) + 1e-6
    directions = chance.standard_normal((values.shape[1], 2)).astype(np.float32)
    linear, absolute = np.empty(len(values), np.float32), np.empty(len(values), np.float32)
    for start in range(0, len(values), 4096):
        part = (values[start : start + 4096].astype(np.float32) - mean) / deviation @ directions
        linear[start : start + 4096], absolute[start : start + 4096] = part.T
    score = linear / linear.std() + np.abs(absolute) / absolute.std()
    flipped = chance.random(len(values)) < 0.1
    keep: NDArray[np.bool_] = (score > np.median(score)) ^ flipped
    return keep


def store_examples(
    store: Store, embedder: str, values: NDArray[np.float16], keep: NDArray[np.bool_]
) -> list[bytes]:
    """Write vectors, and the labels of the first len(keep) of them; returns the digests."""
    digests = [number.to_bytes(32, "big") for number in range(1, len(values) + 1)]
    pairs = zip(digests, (row.tobytes() for row in values), strict=True)
    store.commit(lambda txn: vectors.append(txn, embedder, pairs))

    def label(number: int) -> LabelEvent:
        name: LabelName = "keep" if keep[number] else "trash"
        return LabelEvent(number + 1, "default", digests[number], name, "import", b"/bench")

    def log(txn: Txn) -> None:
        for number in range(len(keep)):
            labels.append(txn, label(number))

    store.commit(log)
    return digests
