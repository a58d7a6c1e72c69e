"""Tastes that nobody tuned a head on: made by rules from categories, traits and names.

The images of one source make one library, and a sample of all sources another one. Each library has
tastes of seven kinds, which a seeded generator chooses. A taste keeps 5 to 60 % of its library.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from learning_corpus import Corpus

from imgscore.heads.extras import NAMES

MIN_SHARE, MAX_SHARE = 0.05, 0.6
"""the smallest and the largest share of a library that a taste keeps"""
MIN_LIBRARY = 500
"""the smallest number of images of a library"""
MAX_MIXED = 6000
"""the number of images in the library of all sources"""
MIXED = "all sources"
ATTRIBUTES = ("aspect", "brightness", "contrast", "colourfulness", "sharpness", "bytes per pixel")
WHIMS = (0.0, 0.05, 0.15)
"""shares of labels that a person gives against the taste; each third of the tastes has one"""
REPEATS = 2
"""the number of tastes of each kind in each library"""


@dataclass(frozen=True)
class Taste:
    """A taste of one library.

    `keep`: bool [n], the images that the person would keep. `whims`: the share of the labels that
    are wrong at random.
    """

    name: str
    kind: str
    keep: np.ndarray
    whims: float


def libraries(corpus: Corpus) -> dict[str, Corpus]:
    """The libraries of a corpus: its sources, and a sample of all of them."""
    source = np.array([str(name).split("/", 1)[0] for name in corpus.names])
    names, counts = np.unique(source, return_counts=True)
    sources = [str(name) for name, count in zip(names, counts, strict=True) if count >= MIN_LIBRARY]
    parts = {name: take(corpus, np.flatnonzero(source == name)) for name in sources}
    rows = np.sort(np.random.default_rng(0).permutation(len(source))[:MAX_MIXED])
    return parts | ({MIXED: take(corpus, rows)} if len(sources) > 1 else {})


def take(corpus: Corpus, rows: np.ndarray) -> Corpus:
    """The images `rows` of a corpus."""
    return replace(
        corpus,
        embeddings=corpus.embeddings[rows],
        extras=corpus.extras[rows],
        category=corpus.category[rows],
        names=corpus.names[rows],
    )


def tastes_of(library: Corpus) -> list[Taste]:
    """The tastes of a library, always the same for the same images."""
    made: list[Taste] = []
    for kind, rule in KINDS.items():
        generator = np.random.default_rng([len(library.names), *kind.encode()])
        found = 0
        for _ in range(200):
            name, keep = rule(library, generator)
            fresh = all((keep ^ taste.keep).mean() > 0.02 for taste in made)
            if fresh and MIN_SHARE <= keep.mean() <= MAX_SHARE and keep.sum() >= 40:
                whims = WHIMS[(len(made) + len(keep)) % len(WHIMS)]
                made.append(Taste(name, kind, keep, whims))
                found += 1
                if found == REPEATS:
                    break
    return made


Rule = tuple[str, np.ndarray]


def _places(library: Corpus) -> np.ndarray:
    """The source and the category of each image, such as clipart/animals-birds."""
    return np.array(["/".join(str(name).split("/")[:2]) for name in library.names])


def _group(library: Corpus, generator: np.random.Generator, minimum: float = 0.01) -> Rule:
    """A random category, or a group of categories such as animals-birds and animals-fish."""
    place = _places(library)
    outer = np.array([name.split("-")[0] for name in place])
    counts = Counter(place.tolist()) + Counter(outer.tolist())
    names = sorted(name for name, count in counts.items() if count >= minimum * len(place))
    name = str(generator.choice(names)) if names else ""
    return name, (place == name) | (outer == name)


def _attribute(library: Corpus, generator: np.random.Generator, share: float = 0.0) -> Rule:
    """The images with a high or a low value of a random trait. `share`: 0 for a random one."""
    name = str(generator.choice(ATTRIBUTES))
    value = library.extras[:, NAMES.index(name)]
    value = np.where(np.isfinite(value), value, np.nanmedian(value))
    share = share or float(generator.uniform(MIN_SHARE, MAX_SHARE))
    if generator.random() < 0.5:
        return f"low {name}", value < np.quantile(value, share)
    return f"high {name}", value > np.quantile(value, 1 - share)


def _category(library: Corpus, generator: np.random.Generator) -> Rule:
    return _group(library, generator, MIN_SHARE)


def _union(library: Corpus, generator: np.random.Generator) -> Rule:
    parts = [_group(library, generator) for _ in range(int(generator.integers(2, 5)))]
    return " or ".join(name for name, _ in parts), np.any([keep for _, keep in parts], axis=0)


def _exception(library: Corpus, generator: np.random.Generator) -> Rule:
    """A union without a part of it: a category, or the images with a trait."""
    name, keep = _union(library, generator)
    without, out = (
        _group(library, generator)
        if generator.random() < 0.5
        else _attribute(library, generator, 0.3)
    )
    if not 0.1 <= (keep & out).sum() / max(keep.sum(), 1) <= 0.7:
        return name, np.zeros(len(keep), bool)
    return f"{name}, but not {without}", keep & ~out


def _both(library: Corpus, generator: np.random.Generator) -> Rule:
    """A trait among some categories."""
    name, keep = _union(library, generator)
    attribute, has = _attribute(library, generator, 0.5)
    return f"{attribute} {name}", keep & has


def _two_faced(library: Corpus, generator: np.random.Generator) -> Rule:
    """One half of some categories, and the other half of some others."""
    name, keep = _union(library, generator)
    other, others = _union(library, generator)
    attribute, has = _attribute(library, generator, 0.5)
    return f"{attribute} {name}, else {other}", (keep & has) | (others & ~keep & ~has)


def _word(library: Corpus, generator: np.random.Generator) -> Rule:
    """The images whose file names contain a word: a motif, a series or an author."""
    words = [
        set(re.findall("[a-z]{3,}", str(name).rsplit("/", 1)[-1].lower())) for name in library.names
    ]
    counts = Counter(word for each in words for word in each)
    limits = (MIN_SHARE * len(words), MAX_SHARE * len(words))
    names = sorted(word for word, count in counts.items() if limits[0] <= count <= limits[1])
    if not names:
        return "", np.zeros(len(words), bool)
    word = str(generator.choice(names))
    return f"word {word}", np.array([word in each for each in words])


KINDS: dict[str, Callable[[Corpus, np.random.Generator], Rule]] = {
    "category": _category,
    "union": _union,
    "exception": _exception,
    "attribute": _attribute,
    "category and attribute": _both,
    "two-faced": _two_faced,
    "word": _word,
}


def draws_of(
    taste: Taste, count: int, draws: int, tested: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Labelled rows, their labels (bool, with whims), and the rows to rank, for each draw.

    At least a fifth of the labels are keeps. There are two labels of each side, also with whims.
    """
    everything = np.arange(len(taste.keep))
    for seed in range(draws):
        generator = np.random.default_rng([seed, count])
        keeps = generator.permutation(everything[taste.keep])
        trashes = generator.permutation(everything[~taste.keep])
        wanted = max(round(count * float(np.clip(taste.keep.mean(), 0.2, 0.8))), 2)
        wanted = min(wanted, len(keeps) // 2)
        others = min(count - wanted, len(trashes) // 2)
        rows = np.concatenate([keeps[:wanted], trashes[:others]])
        labels = np.arange(len(rows)) < wanted
        flipped = generator.random(len(rows)) < taste.whims
        # Two labels of each side stay right.
        flipped[[0, 1, wanted, wanted + 1]] = False
        rest = generator.permutation(np.setdiff1d(everything, rows))[:tested]
        yield rows, labels ^ flipped, rest
