"""Which images belong together, by their vectors and grids."""

import numpy as np
from PIL import Image

from imgscore.groups.find import (
    BURST,
    MIRRORED,
    NEAR,
    PART,
    Bools,
    Bytes,
    Floats,
    Images,
    find_links,
    unit_rows,
)  # fmt: skip
from imgscore.groups.nearest import make_frame, nearest_pairs
from imgscore.groups.shots import NO_SHOT, Shot

ALL = np.array([[0, 1]], np.int64)


def picture(seed: int = 0) -> Image.Image:
    """A picture of 320 × 320 pixels with many tones."""
    random = np.random.default_rng(seed)
    total = np.zeros((320, 320), np.float32)
    for side, weight in ((3, 70), (8, 40), (20, 15)):
        noise = Image.fromarray(random.normal(0, weight, (side, side)).astype(np.float32))
        total += np.asarray(noise.resize((320, 320), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8))


def grid(image: Image.Image) -> Floats:
    small = image.resize((16, 16), Image.Resampling.BOX)
    return np.asarray(small, np.float32).reshape(256)


def kinds(
    first: Image.Image, second: Image.Image, cosine: float = 0.9, shots: tuple[Shot, Shot] = (
        NO_SHOT, NO_SHOT,
    ), fine: bool = False,
) -> list[int]:  # fmt: skip
    rows = np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)
    aspects = np.array([image.width / image.height for image in (first, second)])
    pixels = np.array([image.width * image.height for image in (first, second)], np.int64)
    grids = np.stack([grid(first), grid(second)])
    images = Images(rows, grids, aspects, shots, pixels=pixels)
    if fine:
        images = images._replace(
            fine=lambda rows: fine_grids([(first, second)[row] for row in rows])
        )
    return find_links(images, ALL).kinds.tolist()


def fine_grids(pictures: list[Image.Image]) -> tuple[Bytes, Bools]:
    small = [picture.resize((64, 64), Image.Resampling.BOX) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in small]), np.ones(len(small), np.bool_)


def test_find_links_of_changed_copies_finds_their_kind() -> None:
    image = picture()
    assert kinds(image, image.resize((90, 90))) == [NEAR]
    for box in ((0, 0, 270, 270), (50, 40, 320, 310), (20, 60, 280, 300)):
        assert kinds(image, image.crop(box), 0.92) == [PART], box
        assert kinds(image.crop(box), image, 0.92) == [PART], box
    screen = Image.new("L", (360, 640), 20)
    screen.paste(image, (20, 150))
    assert kinds(image, screen, 0.7) == [PART]
    assert kinds(image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 0.95) == [MIRRORED]


def test_find_links_of_a_part_without_a_frame_needs_alike_vectors() -> None:
    """The sky above hills of one landscape also fits into another landscape."""
    image = picture()
    assert kinds(image, image.crop((20, 60, 280, 300)), 0.85) == []
    assert kinds(image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 0.88) == []


def test_find_links_of_a_crop_with_fine_grids_finds_the_part() -> None:
    image = picture(4)
    for box in ((0, 0, 270, 270), (50, 40, 320, 310), (20, 60, 280, 300), (30, 10, 310, 230)):
        assert kinds(image, image.crop(box), 0.8, fine=True) == [PART], box
        assert kinds(image.crop(box), image, 0.8, fine=True) == [PART], box
        assert kinds(image, image.crop(box), 0.7, fine=True) == [], box


def test_find_links_of_a_crop_with_other_tones_in_a_part_finds_none() -> None:
    """Two drawn portraits with the same outlines, but other hair and skin, are not one picture."""
    rows, columns = np.mgrid[:320, :320]
    middle = np.exp(-(((columns - 160) / 120) ** 2) - ((rows - 110) / 120) ** 2)
    for darker, expected in ((40, [PART]), (80, [])):
        levels = 0.6 * (np.asarray(picture(1)) - darker * middle) + 90
        other = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).crop((10, 8, 300, 300))
        assert kinds(picture(1), other, 0.85, fine=True) == expected, darker


def test_find_links_of_a_screenshot_with_fine_grids_finds_the_part() -> None:
    """The grids alone are too coarse for a picture that is a fifth of the screenshot."""
    image = picture(4)
    screen = Image.new("L", (540, 1170), 20)
    screen.paste(Image.new("L", (540, 40), 90))
    screen.paste(image.resize((540, 360)), (0, 400))
    assert kinds(image.resize((480, 320)), screen, 0.6) == []
    assert kinds(image.resize((480, 320)), screen, 0.6, fine=True) == [PART]
    assert kinds(picture(5).resize((480, 320)), screen, 0.6, fine=True) == []


def test_find_links_of_two_landscapes_with_equal_grids_finds_none() -> None:
    """The sky above hills of one landscape also fits into another landscape."""
    height = 135 + 95 * np.cos(np.linspace(0, 5, 320, dtype=np.float32))[:, None]
    images = []
    for seed in (1, 2):
        noise = np.random.default_rng(seed).normal(0, 20, (40, 40)).astype(np.float32)
        detail = np.asarray(Image.fromarray(noise).resize((320, 320), Image.Resampling.BICUBIC))
        images.append(Image.fromarray(np.clip(height + detail, 0, 255).astype(np.uint8)))
    first, second = images[0], images[1].crop((20, 0, 300, 280))
    assert kinds(first, second, 0.92) == [PART]
    assert kinds(first, second, 0.92, fine=True) == []


def test_find_links_of_two_pages_with_one_layout_finds_none() -> None:
    pages = []
    for seed in (1, 2):
        page = np.full((320, 320), 240, np.uint8)
        text = np.random.default_rng(seed).integers(150, 240, (24, 24)).astype(np.uint8)
        page[:60], page[70:310, 70:310] = 20, text.repeat(10, 0).repeat(10, 1)
        page[60:, :40] = 60
        pages.append(Image.fromarray(page))
    assert kinds(*pages, 0.92) == [NEAR]
    assert kinds(*pages, 0.92, fine=True) == []
    assert kinds(pages[0], pages[0].resize((90, 90)), 0.92, fine=True) == [NEAR]


def test_find_links_of_different_images_finds_none() -> None:
    assert kinds(picture(1), picture(2), cosine=0.95) == []
    assert kinds(picture(1), picture(1), cosine=0.3) == []
    flat = Image.new("L", (320, 320), 255)
    assert kinds(flat, flat, cosine=1.0) == []
    assert kinds(flat, picture(1), cosine=0.99) == []


def test_find_links_of_photographs_tells_bursts_from_brackets_and_panoramas() -> None:
    one, other = Shot("C", 10.0, 0.0), Shot("C", 11.0, 0.0)
    assert kinds(picture(1), picture(2), 0.9, (one, other)) == [BURST]
    assert kinds(picture(1), picture(2), 0.7, (one, other)) == []
    bracket = Shot("C", 11.0, 2.0)
    assert kinds(picture(1), picture(1), 0.99, (one, bracket)) == []
    wide = picture(3)
    left, right = wide.crop((0, 0, 220, 320)), wide.crop((100, 0, 320, 320))
    assert kinds(left, right, 0.9, (one, other)) == []


def test_find_links_of_versions_of_one_photograph_finds_near_duplicates() -> None:
    image = picture(4)
    smaller = image.resize((200, 200))
    shots = Shot("C", 10.25), Shot("C", 10.25)
    assert kinds(image, smaller, 0.98, shots, fine=True) == [NEAR]
    whole_seconds = Shot("C", 10.0), Shot("C", 10.0)
    assert kinds(image, smaller, 0.98, whole_seconds, fine=True) == [NEAR]
    moved = image.crop((0, 0, 312, 312)), image.crop((8, 8, 320, 320))
    assert kinds(*moved, 0.98, whole_seconds, fine=True) == [BURST]
    assert kinds(image, smaller, 0.98, (Shot("C", 10.25), Shot("C", 10.5)), fine=True) == [BURST]


def test_find_links_of_edited_photographs_with_their_times_finds_no_burst() -> None:
    """An editor or a screenshot tool copies the EXIF data, whose times often have no fraction."""
    image = picture(6)
    shots = Shot("C", 10.0), Shot("C", 10.0)
    screen = Image.new("L", (640, 480), 20)
    screen.paste(image, (200, 100))
    marked = image.copy()
    marked.paste(255, (40, 150, 280, 156))
    for other in (screen, image.crop((20, 10, 300, 290)), image.crop((0, 0, 320, 250)), marked):
        for cosine in (0.8, 0.9, 0.98):
            assert kinds(image, other, cosine, shots, fine=True) in ([NEAR], [PART])
    crops = image.crop((0, 0, 290, 290)), image.crop((60, 60, 320, 320))
    assert kinds(*crops, 0.95, shots, fine=True) in ([NEAR], [PART])
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert kinds(image, mirrored, 0.95, shots, fine=True) == [MIRRORED]
    frame = picture(7).resize((320, 240))
    assert kinds(picture(7), frame, 0.9, (Shot("C", 10.0), Shot("C", 11.0)), fine=True) == [BURST]


def test_find_links_of_windows_that_show_different_pictures_finds_no_pair() -> None:
    windows = []
    for seed in (8, 9):
        window = Image.new("L", (320, 320), 230)
        window.paste(60, (0, 0, 320, 30))
        for row in range(60, 300, 20):
            window.paste(120 + row % 60, (10, row, 60, row + 12))
        window.paste(picture(seed).resize((60, 60)), (170, 150))
        windows.append(window)
    assert kinds(*windows, 0.98, fine=True) == []
    assert kinds(windows[0], windows[0].resize((200, 200)), 0.98, fine=True) == [NEAR]


def test_find_links_of_blank_photographs_finds_no_burst() -> None:
    noise = np.random.default_rng(0).integers(0, 4, (2, 320, 320)).astype(np.uint8)
    blank = [Image.fromarray(pixels) for pixels in noise]
    assert kinds(*blank, 0.99, (Shot("C", 10.0), Shot("C", 11.0))) == []


def test_unit_rows_of_any_embeddings_have_unit_length_or_are_zero() -> None:
    embeddings = np.array([[4, 9, 5], [0, 0, 7]], np.float16)
    rows = unit_rows(embeddings, 2)
    assert np.allclose(rows, [[2 / np.sqrt(13), 3 / np.sqrt(13)], [0, 0]])


def test_nearest_pairs_of_a_library_contain_the_similar_images() -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(1500, 64))
    rows = np.concatenate([centres, centres[:200] + random.normal(0, 0.3, (200, 64))])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    frame = make_frame(rows, len(rows))
    sketches = frame.sketches(rows)
    pairs = set(map(tuple, nearest_pairs(sketches, frame.cells(sketches)).tolist()))
    found = sum((row, 1500 + row) in pairs for row in range(200))
    assert found >= 195
    assert all(first < second for first, second in pairs)


def test_nearest_pairs_of_few_or_no_images_are_found() -> None:
    for count in (0, 1, 2):
        rows = np.eye(max(count, 1), 8, dtype=np.float32)[:count]
        frame = make_frame(rows, count)
        sketches = frame.sketches(rows)
        assert nearest_pairs(sketches, frame.cells(sketches)).shape == (0, 2)
