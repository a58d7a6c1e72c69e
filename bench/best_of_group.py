"""Measure the share of pairs of copies of an image that `best_first` ranks right.

`python -m bench.best_of_group CORPUS [--cache FILE]` degrades images of the corpus, measures the
copies, and prints a table for photographs, and one for drawings and screenshots. With --cache,
copies that FILE contains are not measured again. The head is trained on wallpapers (keep) against
screenshots (trash).
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.degradations import degradations, degrade, is_better, name_of
from imgscore.embedders import lite0, lite0_spec
from imgscore.groups.best import best_first
from imgscore.heads.base import Examples
from imgscore.heads.extras import extras_of
from imgscore.heads.recipes import recipe
from imgscore.images.decode import decode
from imgscore.workers.measure_quality import quality_of

PHOTOGRAPHS = (
    "mate_nature_", "BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow",
    "FallenLeaf", "Grey", "Kite", "OneStandsOut", "Path", "Volna_contents_images_5120",
    "summer_1am",
)  # fmt: skip
"""parts of the names of the wallpapers of the corpus that are photographs"""
MIN_PIXELS = 300_000
"""the smallest image that is degraded"""
BLANK = 4.0
"""the largest standard deviation of luma of an image that shows nothing"""
CAMERA_QUALITIES = (80, 86, 92, 96)
"""the qualities of the JPEGs that are degraded, as cameras save them"""
LABELS = 50
"""the number of images of each kind from which the head learns"""


def sources(corpus: Path, count: int) -> list[Path]:
    """The photographs of the corpus, and half as many drawings and screenshots."""
    large = [path for path in sorted((corpus / "wallpapers").iterdir()) if _size(path) > MIN_PIXELS]
    photographs = [path for path in large if is_photograph(path.name)][:count]
    others = [path for path in large if not is_photograph(path.name)]
    screenshots = sorted((corpus / "screenshots").iterdir())
    others += [path for path in screenshots if _size(path) > MIN_PIXELS]
    return photographs + random.Random(8).sample(others, len(photographs) // 2)


def is_photograph(name: str) -> bool:
    """Whether a wallpaper is a photograph."""
    return any(part in name for part in PHOTOGRAPHS) and "contents_screenshot" not in name


def _size(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except OSError:
        return 0


def opened(path: Path, side: int) -> Image.Image | None:
    """The image with at most `side` pixels a side, or None if it is blank."""
    picture = decode(path.read_bytes(), 2 * side)
    if picture.traits.contrast * 255 < BLANK:
        return None
    image = Image.fromarray(picture.pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def measure(job: tuple[Path, int]) -> tuple[str, list[dict[str, Any]]]:
    """Make and measure the copies of one image: a row for each."""
    path, side = job
    image = opened(path, side)
    rows: list[dict[str, Any]] = []
    embedder = lite0.load()
    if image is not None:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=random.Random(path.name).choice(CAMERA_QUALITIES))
        image = Image.open(file).convert("RGB")
    for seed, how in enumerate(degradations(path.name) if image is not None else ()):
        assert image is not None
        data = degrade(image, how, seed)
        picture = decode(data)
        rows.append(
            {
                "how": how,
                "quality": quality_of(data),
                "embedding": embedder.embed([picture])[0],
                "extras": extras_of([picture.traits])[0],
            }
        )
    return path.name, rows


Rows = dict[str, list[dict[str, Any]]]


def measure_all(files: Sequence[Path], cache: Path | None, side: int) -> Rows:
    """Measure the copies of the files that the cache lacks."""
    done: Rows = {}
    if cache is not None and cache.exists():
        done = pickle.loads(cache.read_bytes())
    jobs = [(path, side) for path in files if path.name not in done]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, rows in pool.map(measure, jobs):
            done[name] = rows
            print(name, len(rows), file=sys.stderr, flush=True)
            if cache is not None:
                cache.write_bytes(pickle.dumps(done))
    return {name: rows for name, rows in done.items() if rows}


def pairs_of(rows: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """The pairs (better, worse) of the copies of one image."""
    numbers = permutations(range(len(rows)), 2)
    return [(a, b) for a, b in numbers if is_better(rows[a]["how"], rows[b]["how"])]


def head_scores(corpus: Path, measured: Rows) -> dict[str, np.ndarray]:
    """The scores that a head gives to the copies of each image."""
    embedder, chance = lite0.load(), random.Random(9)
    values, extras, grades = [], [], []
    for folder, grade in (("wallpapers", 1.0), ("screenshots", 0.0)):
        files = [path for path in sorted((corpus / folder).iterdir()) if path.name not in measured]
        for path in chance.sample(files, min(LABELS, len(files))):
            picture = decode(path.read_bytes())
            values.append(embedder.embed([picture])[0])
            extras.append(extras_of([picture.traits])[0])
            grades.append(grade)
    known, numbers = np.array(values), np.array(extras)
    head = (
        recipe("auto")
        .fit(
            Examples(
                known,
                np.array(grades, np.float32),
                known,
                lite0_spec.SECTIONS,
                lite0_spec.ID,
                numbers,
                numbers,
            )
        )
        .head
    )
    return {
        name: head.score(
            np.array([row["embedding"] for row in rows]), np.array([row["extras"] for row in rows])
        ).score
        for name, rows in measured.items()
    }


def table(measured: Rows, scores: dict[str, np.ndarray]) -> Iterable[str]:
    """The lines of the table: the shares of the pairs that are ranked right."""
    right: defaultdict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    firsts = []
    for name, rows in measured.items():
        qualities = [row["quality"] for row in rows]
        whole = best_first(qualities)
        firsts.append(whole[0] == 0)
        place = {index: at for at, index in enumerate(whole)}
        for a, b in pairs_of(rows):
            by_two = best_first([qualities[b], qualities[a]]) == [1, 0]
            results = by_two, place[a] < place[b], bool(scores[name][a] > scores[name][b])
            right[name_of(rows[a]["how"], rows[b]["how"])].append(results)
    every = [result for results in right.values() for result in results]
    yield "| the worse copy has | pairs | groups of two | one large group | score of the head |"
    yield "|---|---|---|---|---|"
    for kind, results in [*sorted(right.items()), ("all", every)]:
        two, large, head = np.mean(results, axis=0)
        yield f"| {kind} | {len(results)} | {two:.3f} | {large:.3f} | {head:.3f} |"
    kinds = np.mean([np.mean(results, axis=0) for results in right.values()], axis=0)
    yield f"| mean of the kinds | | {kinds[0]:.3f} | {kinds[1]:.3f} | {kinds[2]:.3f} |"
    yield f"the original is the first of all its copies: {np.mean(firsts):.2f}"


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--photographs", type=Path, help="measure only the files of this folder")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--side", type=int, default=1200)
    options = parser.parse_args()
    if options.photographs is not None:
        files = sorted(options.photographs.iterdir())
    else:
        files = sources(options.corpus, options.images)
    measured = measure_all(files, options.cache, options.side)
    scores = head_scores(options.corpus, measured)
    for title, photographs in (("Photographs", True), ("Drawings and screenshots", False)):
        rows = {
            name: of
            for name, of in measured.items()
            if (options.photographs is not None or is_photograph(name)) == photographs
        }
        print(f"{title}: {len(rows)} images, {sum(map(len, rows.values()))} copies")
        for line in table(rows, scores) if rows else ():
            print(line)


if __name__ == "__main__":
    main()
