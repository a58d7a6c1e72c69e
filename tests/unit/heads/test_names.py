"""The alignment of file names and images."""

from dataclasses import replace

import numpy as np
import pytest

from imgscore.embedders.filenames import hash_names
from imgscore.heads.arrays import unit
from imgscore.heads.base import Examples
from imgscore.heads.extras import NAMES as TRAIT_NAMES
from imgscore.heads.files import load, save
from imgscore.heads.kernel import KernelRecipe
from imgscore.heads.library import fit_features
from imgscore.heads.names import scale_of_names

WORDS = ("beach holiday", "tax invoice", "birthday party", "garden flowers", "old castle")
PATTERNS = (
    "IMG_{:04}.jpg",
    "DSC{:05}.JPG",
    "P10{:05}.JPG",
    "2024{:04}_10.jpg",
    "Screen {}.png",
)


def telling(kinds):
    return hash_names([f"{WORDS[kind]} {row}.jpg".encode() for row, kind in enumerate(kinds)])


def of_camera(count, seed=0):
    patterns = np.random.default_rng(seed + 100).integers(0, len(PATTERNS), count)
    return hash_names([PATTERNS[kind].format(row).encode() for row, kind in enumerate(patterns)])


def extras_with(names):
    """Traits that are all 0, and then the vectors of names."""
    return np.hstack([np.zeros((len(names), len(TRAIT_NAMES)), np.float32), names])


@pytest.fixture
def library():
    """Unit vectors of 300 images of five kinds, and the kind of each image."""
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, len(WORDS), 300)
    centres = generator.normal(size=(len(WORDS), 60))
    rows = unit((centres[kinds] + 2 * generator.normal(size=(300, 60))).astype(np.float32))
    return rows, kinds


def test_scale_of_names_that_tell_the_kind_counts_their_columns(library):
    rows, kinds = library
    assert np.count_nonzero(scale_of_names(rows, telling(kinds))) > 50


@pytest.mark.parametrize("seed", range(5))
def test_scale_of_names_that_tell_nothing_is_empty(library, seed):
    rows, kinds = library
    shuffled = np.random.default_rng(seed).permutation(kinds)
    for names in (
        of_camera(300, seed),
        telling(shuffled),
        hash_names([f"IMG_{row:04}.jpg".encode() for row in range(300)]),
        np.zeros((300, 256), np.float32),
    ):
        assert len(scale_of_names(rows, names)) == 0


def test_scale_of_names_of_which_half_tell_counts_mostly_their_columns(library):
    rows, kinds = library
    names = telling(kinds)
    is_camera = np.random.default_rng(1).random(300) < 0.5
    names[is_camera] = of_camera(300)[is_camera]
    scale = scale_of_names(rows, names)
    told = np.linalg.norm(telling(kinds) * scale, axis=1).mean()
    camera = np.linalg.norm(of_camera(300) * scale, axis=1).mean()
    assert told > 3 * camera


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_scale_of_names_of_few_images_is_finite(count):
    rows = np.eye(8, dtype=np.float32)[:count]
    names = of_camera(count) if count else np.zeros((0, 256), np.float32)
    assert np.isfinite(scale_of_names(rows, names)).all()


def test_head_with_names_that_tell_nothing_equals_the_head_without_names(made_up):
    examples = made_up(30)
    extras = extras_with(of_camera(230))
    plain = extras[:, : len(TRAIT_NAMES)]

    def head(extras):
        labelled = replace(examples, extras=extras[:30], background_extras=extras[30:])
        return KernelRecipe().fit(labelled).head

    measured = head(extras)
    assert not measured.uses_names
    assert np.array_equal(
        head(plain).score(examples.embeddings, plain[:30]).score,
        measured.score(examples.embeddings, extras[:30]).score,
    )


def test_head_with_names_scores_equally_after_save_and_load(library, tmp_path):
    rows, kinds = library
    values, extras = rows.astype(np.float16), extras_with(telling(kinds))
    grades = (kinds[:40] < 2).astype(np.float32)
    head = KernelRecipe().fit(
        Examples(values[:40], grades, values, extras=extras[:40], background_extras=extras)
    )
    assert head.head.uses_names
    save(head.head, tmp_path / "head")
    loaded = load(tmp_path / "head")
    score = head.head.score(values, extras).score
    assert np.array_equal(loaded.score(values, extras).score, score)
    without = loaded.score(values, extras[:, : len(TRAIT_NAMES)]).score
    assert np.isfinite(without).all() and not np.allclose(without, score)
    assert np.isfinite(loaded.score(values).score).all()


def test_fit_features_with_names_gives_unit_vectors(library):
    rows, kinds = library
    values, extras = rows.astype(np.float16), extras_with(telling(kinds))
    features = fit_features(values, (), extras)
    assert features.directions.shape[0] == 60 + len(TRAIT_NAMES) + 256
    assert np.allclose(np.linalg.norm(features(values, extras), axis=1), 1, atol=1e-5)
