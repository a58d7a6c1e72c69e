"""What a taste learns from each way of showing an image: `python tools/compare_lite0.py CORPUS`.

CORPUS is what shared/corpus/fetch.sh makes. Prints the mean AUC of one simple learner (kernel
ridge regression) over five tastes, by number of labels. Results are kept in LITE0.md.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from make_lite0 import build
from numpy.typing import NDArray
from PIL import Image

from imgscore.embedders import lite0_spec
from imgscore.embedders.lite0 import pool
from imgscore.embedders.onnx_session import make_session
from imgscore.errors import ImageError
from imgscore.images import pixels as pixels_module
from imgscore.images.decode import decode
from imgscore.images.formats import is_image_name
from imgscore.images.views import views

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Mask = NDArray[np.bool_]
Size = tuple[int, int]
LABELS = (10, 30, 100, 300, 1000)
DRAWS = 6
SQUARE = (224, 224)
# keep against trash, by the beginning of the path under CORPUS
TASTES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "photos": (("wallpapers",), ("screenshots",)),
    "nature": (("clipart/animals", "clipart/plants"), ("clipart",)),
    "food": (("clipart/food",), ("clipart",)),
    "signs": (("clipart/signs_and_symbols",), ("clipart",)),
    "mixed": (
        ("wallpapers", "clipart/animals", "clipart/food"),
        ("screenshots", "clipart/shapes", "clipart/computer"),
    ),
}


def image_files(folder: Path) -> list[Path]:
    """All images under a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if is_image_name(path.name.encode()))


def squashed(pixels: Pixels, _: Size) -> list[Pixels]:
    """One square view, whatever the proportions."""
    return [np.asarray(Image.fromarray(pixels).resize(SQUARE, Image.Resampling.BICUBIC))]


def letterboxed(pixels: Pixels, _: Size) -> list[Pixels]:
    """One square view with grey bars."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = Image.new("RGB", (side, side), (128, 128, 128))
    square.paste(Image.fromarray(pixels), ((side - width) // 2, (side - height) // 2))
    return squashed(np.asarray(square), square.size)


def vectors_of(
    files: list[Path],
    viewer: Callable[[Pixels, Size], list[Pixels]],
    model: bytes,
    grey: int | None = None,
) -> dict[Path, Vectors]:
    """The embedding of every image that decodes, transparent ones as shipped or on `grey`."""
    session = make_session(model)
    shipped = pixels_module.WHITE, pixels_module.GREY
    if grey is not None:
        pixels_module.WHITE = pixels_module.GREY = (grey, grey, grey)
    result = {}
    for file in files:
        try:
            picture = decode(file.read_bytes())
        except ImageError as error:
            print(f"{file}: {error}")
            continue
        seen = viewer(picture.pixels, (picture.traits.width, picture.traits.height))
        runs = [session.run(None, {"pixels": view[None]})[0][0] for view in seen]
        result[file] = pool(np.stack(runs))
    pixels_module.WHITE, pixels_module.GREY = shipped
    return result


def area_under_curve(scores: NDArray[np.float64], kept: Mask) -> float:
    """Probability that a kept image scores above a trashed one; ties count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    wanted, others = int(kept.sum()), int((~kept).sum())
    return float((ranks[kept].sum() - wanted * (wanted + 1) / 2) / wanted / others)


def kernel_of(vectors: Vectors) -> NDArray[np.float64]:
    """Gaussian kernel on standardised unit vectors, the features square-rooted first."""
    data = vectors.astype(np.float64)
    features = lite0_spec.SECTIONS[0].stop
    data[:, :features] = np.sqrt(data[:, :features])
    data = (data - data.mean(axis=0)) / (data.std(axis=0) + 1e-3)
    data /= np.linalg.norm(data, axis=1, keepdims=True)
    kernel: NDArray[np.float64] = np.exp(2 * (data @ data.T) - 2)
    return kernel


def learned(kernel: NDArray[np.float64], keep: Mask, trash: Mask, labels: int) -> float:
    """Mean AUC on the rest after `labels` random labels."""
    kept, trashed = np.flatnonzero(keep), np.flatnonzero(trash)
    share = np.clip(len(kept) / (len(kept) + len(trashed)), 0.2, 0.8)
    of_kept = min(max(2, round(labels * share)), len(kept) // 2)
    of_trashed = min(labels - of_kept, len(trashed) // 2)
    results = []
    for draw in range(DRAWS):
        source = np.random.default_rng(1000 * draw + labels)
        chosen = np.r_[
            source.choice(kept, of_kept, replace=False),
            source.choice(trashed, of_trashed, replace=False),
        ]
        wanted = np.repeat([1.0, -1.0], [of_kept, of_trashed])
        # Each class weighs the same: the ridge is smaller where labels are few.
        ridge = 0.2 * np.repeat([of_kept, of_trashed], [of_kept, of_trashed]) / len(chosen)
        weights = np.linalg.solve(kernel[np.ix_(chosen, chosen)] + np.diag(ridge), wanted)
        rest = np.setdiff1d(np.r_[kept, trashed], chosen)
        results.append(area_under_curve(kernel[np.ix_(rest, chosen)] @ weights, keep[rest]))
    return float(np.mean(results))


def report(name: str, corpus: Path, vectors: dict[Path, Vectors], columns: slice) -> None:
    """One line: the mean over tastes at each number of labels, then each taste's mean."""
    paths = [str(path.relative_to(corpus)) for path in vectors]
    kernel = kernel_of(np.stack(list(vectors.values()))[:, columns])
    table = np.zeros((len(TASTES), len(LABELS)))
    for row, (wanted, others) in enumerate(TASTES.values()):
        keep = np.array([path.startswith(wanted) for path in paths])
        trash = np.array([path.startswith(others) for path in paths]) & ~keep
        table[row] = [learned(kernel, keep, trash, labels) for labels in LABELS]
    numbers = [*table.mean(axis=0), table.mean(), *table.mean(axis=1)]
    print(f"{name:16}", *(f"{number:.4f}" for number in numbers), flush=True)


def main() -> None:
    """Embeds every image in each way, and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--images", type=int, help="only so many, drawn at random")
    arguments = parser.parse_args()
    files = [
        file
        for kind in ("clipart", "screenshots", "wallpapers")
        for file in image_files(arguments.corpus / kind)
    ]
    if arguments.images:
        files = sorted(random.Random(0).sample(files, arguments.images))
    shipped = lite0_spec.MODEL.read_bytes()
    whole = slice(None)
    print(f"{'':16}", *(f"{label:6}" for label in LABELS), "  mean", *TASTES)
    as_shipped = vectors_of(files, views, shipped)
    report("as shipped", arguments.corpus, as_shipped, whole)
    report("features only", arguments.corpus, as_shipped, slice(lite0_spec.SECTIONS[0].stop))
    ways: dict[str, tuple[Callable[[Pixels, Size], list[Pixels]], bytes, int | None]] = {
        "squashed": (squashed, shipped, None),
        "letterboxed": (letterboxed, shipped, None),
        "white behind": (views, shipped, 255),
        "grey behind": (views, shipped, 128),
        "black behind": (views, shipped, 0),
        "float32": (views, build(half=False).SerializeToString(), None),
    }
    for name, (viewer, model, grey) in ways.items():
        report(name, arguments.corpus, vectors_of(files, viewer, model, grey), whole)


if __name__ == "__main__":
    main()
