"""The embeddings of a corpus of real images, and tastes that bench/learning.py learns from them.

`python bench/learning_corpus.py CORPUS CACHE.npz [VIEW]` embeds the images of CORPUS. With VIEW
(flip, middle), it pools the embedding of each image with that of a second view of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imgscore.embedders import lite0_spec
from imgscore.embedders.base import Section
from imgscore.heads.base import Examples
from imgscore.heads.features import Features
from imgscore.heads.library import fit_features

OFFICIAL = ("photos", "nature", "food", "signs", "mixed")
OFFICIAL_SOURCES = ("wallpapers", "screenshots", "clipart")
"""the folders of the corpus on which the settings of the head were tuned"""


@dataclass(frozen=True)
class Corpus:
    """The images of a corpus as arrays."""

    embeddings: np.ndarray
    """float16 [n, d]"""
    extras: np.ndarray
    """float32 [n, k]"""
    category: np.ndarray
    """str [n]: the name of the folder"""
    sections: tuple[Section, ...]
    names: np.ndarray
    """str [n]: the path of each image, relative to the corpus"""

    def examples(self, rows: np.ndarray, keep: np.ndarray, extras: bool = True) -> Examples:
        """The labelled rows, with the whole corpus as background. `keep`: bool or grades [n]."""
        return Examples(
            self.embeddings[rows],
            keep.astype(np.float32),
            self.embeddings,
            self.sections,
            lite0_spec.ID,
            self.extras[rows] if extras else None,
            self.extras if extras else None,
        )

    def features(self, extras: bool = True) -> Features:
        """Features of the whole corpus, shuffled: fit_features samples its first rows only."""
        mixed = np.random.default_rng(0).permutation(len(self.embeddings))
        more = self.extras[mixed] if extras else None
        return fit_features(self.embeddings[mixed], self.sections, more)


def read(cache: Path, sources: Sequence[str] = OFFICIAL_SOURCES) -> Corpus:
    """Read the images of some folders from a cache that `main` wrote.

    `sources`: if it is empty, all images are read, and the cache can be of any embedder.
    """
    with np.load(cache) as arrays:
        if sources and str(arrays["embedder"]) != lite0_spec.ID:
            raise SystemExit(
                f"{cache} was made by the embedder {arrays['embedder']}: embed the corpus again"
            )
        names, stops = arrays["sections"].tolist(), arrays["stops"].tolist()
        sections = tuple(map(Section, names, [0, *stops[:-1]], stops))
        columns = [arrays[key] for key in ("embeddings", "extras", "category", "names")]
        source = [str(name).split("/", 1)[0] for name in columns[-1]]
        rows = np.isin(source, sources) if sources else np.ones(len(source), bool)
        embeddings, extras, category, paths = (column[rows] for column in columns)
        return Corpus(embeddings, extras, category, sections, paths)


def tastes(corpus: Corpus) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """name → (keep bool [n], eligible bool [n]). Tastes named own/… are for validation."""
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
    """Draw `count` rows to label; returns them and the other eligible rows.

    `share`: the share of keeps; None: as among the eligible rows, limited to 20 % … 80 %.
    """
    generator = np.random.default_rng(1000 * seed + count)
    rows = np.flatnonzero(eligible)
    share = float(np.clip(keep[rows].mean(), 0.2, 0.8)) if share is None else share
    keeps = generator.permutation(rows[keep[rows]])
    trashes = generator.permutation(rows[~keep[rows]])
    # Leave at least half of each kind to be ranked.
    wanted = min(max(round(count * share), 2), count - 2, len(keeps) // 2)
    labelled = np.concatenate([keeps[:wanted], trashes[: min(count - wanted, len(trashes) // 2)]])
    return labelled, np.setdiff1d(rows, labelled)


def main(folder: Path, cache: Path, second: str = "") -> None:
    """Embed all decodable images of `folder` and write `cache`; `second` names a second view."""
    from imgscore.embedders import lite0
    from imgscore.errors import ImageError
    from imgscore.heads.extras import extras_of
    from imgscore.images.decode import decode

    embedder = lite0.load()
    vectors, traits, category, names = [], [], [], []
    parts = sorted(part for part in folder.iterdir() if not part.name.startswith("."))
    for part in parts:
        for path in sorted(path for path in part.rglob("*") if path.is_file()):
            try:
                picture = decode(path.read_bytes())
            except ImageError as error:
                print(path, error, file=sys.stderr)
                continue
            vector = embedder.embed([picture])[0]
            if second:
                view = replace(picture, pixels=VIEWS[second](picture.pixels))
                pair = np.stack([vector, embedder.embed([view])[0]])
                vector = lite0.pool_tiles(pair.astype(np.float32))
            vectors.append(vector.astype(np.float16))
            traits.append(picture.traits)
            category.append(path.parent.name)
            names.append(str(path.relative_to(folder)))
    np.savez(
        cache,
        embeddings=np.stack(vectors),
        extras=extras_of(traits),
        category=np.array(category),
        names=np.array(names),
        embedder=embedder.id,
        sections=np.array([section.name for section in embedder.sections]),
        stops=np.array([section.stop for section in embedder.sections]),
    )


def _crop_middle(pixels: np.ndarray) -> np.ndarray:
    """The middle two thirds of the width and of the height."""
    height, width = pixels.shape[:2]
    top, left = height // 6, width // 6
    return np.ascontiguousarray(pixels[top : height - top, left : width - left])


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flip": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "middle": _crop_middle,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
