"""The image that shows more of the picture gets the gain of a pair."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from imgscore.groups.best import Quality, best_first
from imgscore.groups.containment import gains
from imgscore.groups.find import Images, find_links
from imgscore.groups.shots import NO_SHOT
from tests.unit.groups.test_find import fine_grids, grid, picture

WHOLE = [0.0, 0.0, 1.0, 1.0]
SHARP = Quality(pixels=12_000_000, bytes=4_000_000, sharpness=2.0, detail=2e4, noise=1.0, step=2.0)


def gain(first: Image.Image, second: Image.Image, cosine: float = 0.9) -> float:
    rows = np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)
    both = (first, second)
    aspects = np.array([image.width / image.height for image in both])
    images = Images(rows, np.stack([grid(image) for image in both]), aspects, (NO_SHOT, NO_SHOT))
    images = images._replace(fine=lambda rows: fine_grids([both[row] for row in rows]))
    links = find_links(images, np.array([[0, 1]], np.int64))
    assert len(links.rows) == 1
    return float(links.gains[0])


def crop(image: Image.Image, share: float) -> Image.Image:
    side = int(image.width * share**0.5)
    return image.crop((10, 6, 10 + side, 6 + side))


@pytest.mark.parametrize("share", [0.9, 0.8, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_find_links_of_a_crop_says_which_image_is_whole(share: float, seed: int) -> None:
    image = picture(seed)
    part = crop(image, share)
    assert gain(image, part) == pytest.approx(share**0.5, abs=0.04)
    assert gain(part, image) == pytest.approx(-(share**0.5), abs=0.04)
    enlarged = part.resize(image.size, Image.Resampling.BICUBIC)
    assert gain(image, enlarged) > 0


def test_find_links_of_versions_of_one_size_prefers_none() -> None:
    image = picture(3)
    assert gain(image, image.resize((150, 150))) == 0
    assert gain(image, image.point(lambda level: min(255, level + 12))) == 0


def test_find_links_of_a_framed_image_prefers_the_image_without_its_frame() -> None:
    image = picture(2)
    framed = ImageOps.expand(image, 30, fill="black")
    assert gain(image, framed, 0.8) > 1
    assert gain(framed, image, 0.8) < -1


def drawing(seed: int = 0) -> Image.Image:
    """Discs on white, with a white margin."""
    image, random = Image.new("L", (320, 320), "white"), np.random.default_rng(seed)
    pen = ImageDraw.Draw(image)
    for x, y in random.integers(60, 220, (40, 2)):
        level, side = int(random.integers(0, 200)), int(random.integers(15, 50))
        pen.ellipse((x, y, x + side, y + side), fill=level, outline=0)
    return image


def screen(image: Image.Image, side_bar: int = 0) -> Image.Image:
    """A viewer with a bar and text above, a side bar, and the image on grey."""
    shown = Image.new("L", (640 + side_bar, 480), 48)
    pen = ImageDraw.Draw(shown)
    pen.rectangle((0, 0, 640 + side_bar, 30), fill=200)
    pen.text((10, 10), "12:34 picture.png", fill=0)
    for y in range(50, 450, 40):
        pen.rectangle((10, y, side_bar - 10, y + 25), fill=y // 2) if side_bar else None
    shown.paste(image, (side_bar + 160, 80))
    return shown


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fill", [0, 120, 255])
def test_find_links_of_a_framed_drawing_prefers_the_drawing(seed: int, fill: int) -> None:
    image = drawing(seed)
    assert gain(image, ImageOps.expand(image, 40, fill=fill), 0.8) > 1


@pytest.mark.parametrize("make", [drawing, picture])
@pytest.mark.parametrize("side_bar", [0, 80])
def test_find_links_of_a_screenshot_prefers_the_image_that_it_shows(
    make: Callable[[int], Image.Image], side_bar: int
) -> None:
    image = make(2)
    assert gain(image, screen(image, side_bar), 0.8) > 1
    assert gain(screen(image, side_bar), image, 0.8) < -1


def test_find_links_of_a_drawing_with_less_margin_prefers_the_whole_drawing() -> None:
    image = drawing(1)
    assert 0 < gain(image, image.crop((30, 10, 310, 300))) < 1


def test_gains_of_equal_windows_are_zero() -> None:
    windows = np.array([WHOLE, [0.01, 0.0, 0.985, 0.99]])
    fine, _ = fine_grids([picture(1), picture(2)])
    assert gains(windows, fine).tolist() == [0, 0]


def test_best_first_puts_a_crop_behind_its_whole_image() -> None:
    part = SHARP._replace(detail=2.2e4, highlights=0.0, bytes=9_000_000)
    whole = SHARP._replace(highlights=0.1)
    assert best_first([part, whole]) == [0, 1]
    assert best_first([part, whole], [(1, 0, 0.9)]) == [1, 0]


def test_best_first_puts_an_image_before_a_framed_copy_with_more_edges() -> None:
    soft = SHARP._replace(detail=200.0)
    framed = SHARP._replace(pixels=15_000_000)
    assert best_first([framed, soft]) == [0, 1]
    assert best_first([framed, soft], [(1, 0, 1.1)]) == [1, 0]
    thumbnail = soft._replace(pixels=400_000)
    assert best_first([framed, thumbnail], [(1, 0, 1.1)]) == [0, 1]


def test_best_first_puts_a_compressed_version_behind_a_framed_copy_without_its_traces() -> None:
    framed = SHARP._replace(pixels=15_000_000)
    compressed = SHARP._replace(detail=5e3, step=26.0)
    assert best_first([framed, compressed], [(1, 0, 1.118)]) == [0, 1]
    assert best_first([framed._replace(step=26.0), compressed], [(1, 0, 1.118)]) == [1, 0]
    assert best_first([framed, compressed], [(1, 0, 1.3)]) == [1, 0], "the copy was scaled"


def test_best_first_puts_a_crop_before_a_whole_image_with_much_less_detail() -> None:
    small = SHARP._replace(pixels=750_000, detail=5e3)
    assert best_first([small, SHARP], [(0, 1, 0.9)]) == [1, 0]
    unmeasured = [Quality(pixels=750_000), Quality(pixels=9_000_000)]
    assert best_first(unmeasured, [(0, 1, 0.9)]) == [1, 0]


def test_best_first_with_crops_of_crops_puts_the_whole_image_first() -> None:
    members = [SHARP._replace(detail=2e4 + 100 * step) for step in range(3)]
    assert best_first(members) == [2, 1, 0]
    assert best_first(members, [(1, 2, 0.95), (0, 1, 0.95)]) == [0, 1, 2]


def test_best_first_with_images_that_are_parts_of_each_other_ends() -> None:
    circle = [(0, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0)]
    assert sorted(best_first([SHARP] * 3, circle)) == [0, 1, 2]
