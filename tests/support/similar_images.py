"""Near-duplicates for tests: pictures with smaller copies, and their groups in the store."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from imgscore import paths
from imgscore.groups.best import VERSION, Quality
from imgscore.store import groups, qualities
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.store import Store

WHY = "These images are nearly the same."


def put_alike(folder: Path, name: str, count: int, side: int = 480) -> list[Path]:
    """Save a picture and `count` - 1 copies that get smaller and softer; the best is first."""
    random = np.random.default_rng([*name.encode()])
    small = random.integers(0, 255, (8, 12, 3)).astype(np.uint8)
    picture = Image.fromarray(small).resize((side * 3 // 2, side), Image.Resampling.BICUBIC)
    noise = random.integers(-24, 24, (side, side * 3 // 2, 1))
    pixels = np.clip(np.asarray(picture).astype(int) + noise, 0, 255).astype(np.uint8)
    sharp = Image.fromarray(pixels)
    made: list[Path] = []
    for number in range(count):
        path = folder / f"{name}-{number}.jpg"
        copy = sharp.filter(ImageFilter.GaussianBlur(0.8 * number)) if number else sharp
        scale = 1 - 0.06 * number
        copy = copy.resize((int(copy.width * scale), int(copy.height * scale)))
        copy.save(path, quality=92 - 6 * number)
        made.append(path)
    return made


def store_groups(*members: Sequence[Path]) -> None:
    """Store a group of each list of files, the best image first. No daemon may be running."""
    with Store(paths.store_folder()) as store, store.write() as txn:
        for files in members:
            digests = [hashlib.sha256(path.read_bytes()).digest() for path in files]
            groups.replace(txn, digests, [NewGroup("near-duplicates", tuple(digests), WHY)])
            for place, digest in enumerate(digests):
                quality = Quality(
                    pixels=1000 - place, sharpness=4.0 / (1 + place), detail=900.0 / (1 + place)
                )
                qualities.record(txn, digest, QualityRecord(VERSION, quality))
