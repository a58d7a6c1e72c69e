"""The tests find the version that is marked by text, a logo or a title."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from imgscore.groups.best import best_first
from imgscore.groups.find import NEAR, Bytes
from imgscore.groups.marks import find_marks
from tests.unit.groups.test_containment import SHARP, drawing, gain
from tests.unit.groups.test_find import fine_grids, kinds, picture

Make = Callable[[int], Image.Image]
Mark = Callable[[Image.Image], Image.Image]
FONT = ImageFont.load_default(36)


def watermarked(image: Image.Image, white: int = 255) -> Image.Image:
    """The image with white letters that let a third of it through."""
    letters = Image.new("L", image.size, 0)
    ImageDraw.Draw(letters).text((40, 130), "© SAMPLE", font=FONT, fill=170)
    return Image.composite(Image.new("L", image.size, white), image, letters)


def dated(image: Image.Image) -> Image.Image:
    marked = image.copy()
    ImageDraw.Draw(marked).text((170, 280), "2007 08 14", font=ImageFont.load_default(24), fill=250)
    return marked


def titled(image: Image.Image) -> Image.Image:
    """The image with a title on a dark veil."""
    marked = image.copy()
    marked.paste(image.crop((0, 270, 320, 320)).point(lambda level: level // 2), (0, 270))
    ImageDraw.Draw(marked).text((30, 280), "A title", font=ImageFont.load_default(26), fill=255)
    return marked


def side(first: Image.Image, second: Image.Image) -> int:
    both = np.concatenate([grids(first), grids(second)])
    return int(find_marks(both, np.array([[0, 1]])).sides[0])


def grids(image: Image.Image) -> Bytes:
    return fine_grids([image])[0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mark", [watermarked, dated, titled])
def test_find_marks_of_a_marked_photograph_returns_the_marked_side(mark: Mark, seed: int) -> None:
    image = picture(seed)
    marked = mark(image)
    assert side(image, marked) == 1
    assert side(marked, image) == -1
    assert side(image, marked.resize((237, 237), Image.Resampling.LANCZOS)) == 1


@pytest.mark.parametrize("seed", range(3))
def test_find_marks_of_a_marked_drawing_returns_the_marked_side(seed: int) -> None:
    image = drawing(seed)
    assert side(image, watermarked(image, 128)) == 1
    assert side(image, dated(image.point(lambda level: level - 5))) == 0, "nearly white on white"


@pytest.mark.parametrize("make", [picture, drawing])
@pytest.mark.parametrize("seed", range(3))
def test_find_marks_of_other_versions_returns_no_side(make: Make, seed: int) -> None:
    image = make(seed)
    for other in (
        image.resize((160, 160)),
        image.resize((90, 90), Image.Resampling.LANCZOS),
        image.filter(ImageFilter.GaussianBlur(3)),
        ImageEnhance.Brightness(image).enhance(1.3),
        ImageEnhance.Brightness(image).enhance(0.7),
        ImageEnhance.Contrast(image).enhance(1.3),
        image.crop((8, 5, 316, 314)),
    ):
        assert side(image, other) == 0
        assert side(other, image) == 0


@pytest.mark.parametrize("make", [picture, drawing])
@pytest.mark.parametrize("seed", range(3))
def test_find_marks_of_a_version_with_noise_never_prefers_it(make: Make, seed: int) -> None:
    image = make(seed)
    noise = np.random.default_rng(seed).normal(0, 8, (320, 320))
    noisy = np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8)
    for other in (ImageEnhance.Sharpness(image).enhance(2), Image.fromarray(noisy)):
        assert side(image, other) >= 0


def test_find_marks_of_a_moved_subject_returns_no_side() -> None:
    image = picture(5)
    frames = []
    for place in (60, 200):
        frame = image.copy()
        ImageDraw.Draw(frame).ellipse((place, 120, place + 60, 180), fill=20)
        frames.append(frame)
    assert side(*frames) == 0


def test_find_links_of_a_marked_copy_prefers_the_image() -> None:
    image = picture(1)
    assert gain(image, watermarked(image)) == pytest.approx(1.001)
    assert gain(watermarked(image), image) == pytest.approx(-1.001)
    assert best_first([SHARP._replace(detail=3e4), SHARP], [(1, 0, 1.001)]) == [1, 0]


@pytest.mark.parametrize("seed", [3, 4])
def test_find_links_of_a_marked_copy_that_fits_like_a_crop_prefers_the_image(seed: int) -> None:
    """By the place alone, the copy of seed 3 would be a crop, and so would the image of seed 4."""
    image = picture(seed)
    assert gain(image, titled(image)) == pytest.approx(1.001)
    assert gain(titled(image), image) == pytest.approx(-1.001)


def test_find_links_of_a_marked_copy_with_another_embedding_joins_it() -> None:
    image = picture(2)
    meme = image.copy()
    for y in (20, 250):
        ImageDraw.Draw(meme).text((40, y), "WHEN YOU", font=FONT, fill=255, stroke_width=3)
    assert kinds(image, meme, 0.55, fine=True) == [NEAR]
    assert kinds(image, meme, 0.45, fine=True) == []
    other = picture(3)
    ImageDraw.Draw(other).text((40, 20), "WHEN YOU", font=FONT, fill=255, stroke_width=3)
    assert kinds(image, other, 0.55, fine=True) == []
