"""Near-duplicates are found among real images, so that held-out figures are honest."""

import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imgscore.demo.pictures import draw_all
from imgscore.embedders import lite0, lite0_spec
from imgscore.heads.arrays import Floats
from imgscore.heads.base import Examples
from imgscore.heads.extras import extras_of, facts_of, grids_of
from imgscore.heads.groups import fold_groups
from imgscore.heads.library import library_features
from imgscore.heads.measures import Ranking
from imgscore.heads.recipes import recipe
from imgscore.heads.similar import near_duplicates, similar_pairs
from imgscore.images.decode import decode

COUNT = 60
"""the number of images, each of which has a changed copy"""
DRAWS = 6


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def shape(number: int) -> Image.Image:
    """A shape of random colour and form on a transparent background."""
    random = np.random.default_rng(number)
    image = Image.new("RGBA", (240, 200))
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        points = [
            (int(x), int(y)) for x, y in random.integers(10, 190, (int(random.integers(3, 8)), 2))
        ]
        pen.polygon(points, fill=(*random.integers(0, 230, 3).tolist(), 255))
    return image


def originals() -> Iterator[Image.Image]:
    for _, image in draw_all(COUNT // 2):
        image.thumbnail((480, 480))
        yield image
    yield from (shape(number) for number in range(COUNT // 2))


def changed(image: Image.Image, number: int) -> bytes:
    """A copy of an image: smaller, re-encoded, cropped or with a watermark; JPEG or WebP."""
    random = np.random.default_rng(number)
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image if image.mode == "RGBA" else None)
    scale = float(random.choice([1, 0.8, 0.6]))
    width, height = flat.size
    if number % 4 == 1:
        flat = flat.crop((width // 30, height // 40, width - width // 40, height - height // 30))
    if number % 4 == 2:
        pen = ImageDraw.Draw(flat)
        pen.text(
            (width // 8, height - height // 5), "example.org", fill="white", font_size=height // 12
        )
    flat = flat.resize((round(flat.width * scale), round(flat.height * scale)))
    return encoded(
        flat, "WEBP" if number % 3 == 2 else "JPEG", quality=int(random.integers(60, 93))
    )


@pytest.fixture(scope="module")
def images() -> tuple[Examples, Floats]:
    """Images and their changed copies, and their grids. The copy of row i is row i + COUNT."""
    drawn = list(originals())
    files = [encoded(image.convert("RGBA"), "PNG") for image in drawn]
    files += [changed(image, number) for number, image in enumerate(drawn)]
    pictures = [decode(data) for data in files]
    embedder = lite0.load()
    vectors = np.stack([embedder.embed([picture])[0] for picture in pictures]).astype(np.float16)
    numbers = extras_of([picture.traits for picture in pictures])
    grades = (np.arange(2 * COUNT) % 2).astype(np.float32)
    examples = Examples(
        vectors, grades, vectors, lite0_spec.SECTIONS, extras=numbers, background_extras=numbers
    )
    return examples, grids_of([picture.traits for picture in pictures])


def test_changed_copies_share_a_fold_and_most_are_shown_as_near_duplicates(
    images: tuple[Examples, Floats],
) -> None:
    examples, grids = images
    features = library_features(examples)
    projected = features.projected(examples.embeddings)
    pairs = similar_pairs(projected, features, examples.background, grids)
    groups = fold_groups(pairs)
    assert np.mean(groups[:COUNT] == groups[COUNT:]) >= 0.9
    assert np.bincount(groups).max() <= 12
    copies = near_duplicates(pairs, facts_of(examples.extras)).groups()
    assert np.mean(copies[:COUNT] == copies[COUNT:]) >= 0.75


def test_evaluation_of_random_labels_of_near_duplicates_has_no_skill(
    images: tuple[Examples, Floats],
) -> None:
    """An image and its changed copy have one random label: a head cannot predict it."""
    examples, grids = images
    features = library_features(examples)
    projected = features.projected(examples.embeddings)
    groups = fold_groups(similar_pairs(projected, features, examples.background, grids))
    aucs = []
    for seed in range(DRAWS):
        half = np.random.default_rng(seed).permutation(COUNT) < COUNT // 2
        keep = np.concatenate([half, half])
        labelled = replace(
            examples, grades=keep.astype(np.float32), groups=groups, features=features
        )
        aucs.append(Ranking(recipe("auto").fit(labelled).held_out.score, keep).auc())
    assert abs(np.mean(aucs) - 0.5) <= 0.1, aucs
