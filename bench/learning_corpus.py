"""A corpus of real images as arrays, and tastes to learn from them.

`python bench/learning_corpus.py CORPUS CACHE.npz [VIEW]` embeds them with the shipped embedder.
With VIEW (flip, middle) each is seen a second time and pooled, to measure what that would bring.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imgscore.embedders import lite0_spec
from imgscore.embedders.base import Section
from imgscore.heads.base import Examples
from imgscore.heads.features import Features
from imgscore.heads.library import fit_features

OFFICIAL = ("photos", "nature", "food", "signs", "mixed")


@dataclass(frozen=True)
class Corpus:
    """embeddings float16 [n, d], extras float32 [n, k], category of each image."""

    embeddings: np.ndarray
    extras: np.ndarray
    category: np.ndarray
    sections: tuple[Section, ...]

    def examples(self, rows: np.ndarray, keep: np.ndarray, extras: bool = True) -> Examples:
        """The labelled rows, with the whole corpus as background."""
        return Examples(
            self.embeddings[rows],
            keep,
            self.embeddings,
            self.sections,
            lite0_spec.ID,
            self.extras[rows] if extras else None,
            self.extras if extras else None,
        )

    def features(self, extras: bool = True) -> Features:
        """Features of the whole corpus; it lies by source, and main directions want a mixture."""
        mixed = np.random.default_rng(0).permutation(len(self.embeddings))
        more = self.extras[mixed] if extras else None
        return fit_features(self.embeddings[mixed], self.sections, more)


def read(cache: Path) -> Corpus:
    """What `main` wrote."""
    with np.load(cache) as found:
        if str(found["embedder"]) != lite0_spec.ID:
            raise SystemExit(f"{cache} is of {found['embedder']}: embed the corpus again")
        names, stops = found["sections"].tolist(), found["stops"].tolist()
        sections = tuple(map(Section, names, [0, *stops[:-1]], stops))
        return Corpus(found["embeddings"], found["extras"], found["category"], sections)


def tastes(corpus: Corpus) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """name -> (keep bool [n], eligible bool [n]). Those named own/ are ours, for validation."""
    kind = corpus.category

    def of(*names: str) -> np.ndarray:
        return np.isin(kind, names)

    every = np.ones(len(kind), bool)
    clip = ~of("wallpapers", "screenshots")
    mixed = of("wallpapers", "animals", "food")
    wide, bright, colour = corpus.extras[:, 2], corpus.extras[:, 8], corpus.extras[:, 10]
    sign_or_shape = of("shapes", "signs_and_symbols")
    vivid = sign_or_shape & (colour > np.nanmedian(colour[sign_or_shape]))
    several = of("screenshots", "office", "signs_and_symbols", "shapes", "tools", "food")
    return {
        "photos": (of("wallpapers"), of("wallpapers", "screenshots")),
        "nature": (of("animals", "plants"), clip),
        "food": (of("food"), clip),
        "signs": (of("signs_and_symbols"), clip),
        "mixed": (mixed, mixed | of("screenshots", "shapes", "computer")),
        "own/shapes": (of("shapes"), clip),
        "own/computer": (of("computer"), clip),
        "own/tools+office": (of("tools", "office"), clip),
        "own/screenshots": (of("screenshots"), every),
        "own/animals against food": (of("animals"), of("animals", "food")),
        "own/computer against signs": (of("computer"), of("computer", "signs_and_symbols")),
        "own/paper": (of("screenshots", "office", "signs_and_symbols"), several),
        "own/pictorial or vivid": (of("animals", "buildings", "food") | vivid, clip),
        "own/bright": (bright > np.nanquantile(bright, 0.6), every),
        "own/colourful": (colour > np.nanquantile(colour[clip], 0.6), clip),
        "own/wide": (wide > np.log(1.3), every),
    }


def draw(
    keep: np.ndarray, eligible: np.ndarray, count: int, seed: int, share: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(labelled rows, the rest). Share of keeps as in the task, within 20 % to 80 %."""
    generator = np.random.default_rng(1000 * seed + count)
    rows = np.flatnonzero(eligible)
    share = float(np.clip(keep[rows].mean(), 0.2, 0.8)) if share is None else share
    keeps = generator.permutation(rows[keep[rows]])
    trashes = generator.permutation(rows[~keep[rows]])
    # at least half of the rarer kind is left to be ranked
    wanted = min(max(round(count * share), 2), count - 2, len(keeps) // 2)
    labelled = np.concatenate([keeps[:wanted], trashes[: min(count - wanted, len(trashes) // 2)]])
    return labelled, np.setdiff1d(rows, labelled)


def main(folder: Path, cache: Path, second: str = "") -> None:
    """Embed every image of `folder` that can be decoded, with a `second` view if named."""
    from imgscore.embedders import lite0
    from imgscore.errors import ImageError
    from imgscore.heads.extras import extras_of
    from imgscore.images.decode import decode

    embedder = lite0.load()
    vectors, traits, category = [], [], []
    for part in ("wallpapers", "screenshots", "clipart"):
        for path in sorted(one for one in (folder / part).rglob("*") if one.is_file()):
            try:
                picture = decode(path.read_bytes())
            except ImageError as error:
                print(path, error, file=sys.stderr)
                continue
            vector = embedder.embed([picture])[0]
            if second:
                other = embedder.embed([replace(picture, pixels=VIEWS[second](picture.pixels))])
                vector = lite0.pool_tiles(np.stack([vector, other[0]]).astype(np.float32))
            vectors.append(vector.astype(np.float16))
            traits.append(picture.traits)
            category.append(path.parent.name)
    np.savez(
        cache,
        embeddings=np.stack(vectors),
        extras=extras_of(traits),
        category=np.array(category),
        embedder=embedder.id,
        sections=np.array([one.name for one in embedder.sections]),
        stops=np.array([one.stop for one in embedder.sections]),
    )


def _middle(pixels: np.ndarray) -> np.ndarray:
    """Two thirds of the width and of the height."""
    high, wide = pixels.shape[:2]
    top, left = high // 6, wide // 6
    return np.ascontiguousarray(pixels[top : high - top, left : wide - left])


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flip": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "middle": _middle,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
