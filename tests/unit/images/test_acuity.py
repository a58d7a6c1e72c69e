"""The facts of full-resolution pixels: each degradation of a picture changes the fact it should."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from PIL.JpegImagePlugin import JpegImageFile

from imgscore.groups.best import Quality, best_first
from imgscore.images import jpeg
from imgscore.images.acuity import Acuity, measure
from tests.conftest import draw

SIDE = 512


def picture() -> Image.Image:
    """A picture with flat parts, edges and texture, which no camera has softened."""
    chance = np.random.default_rng(5)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pixels = np.full((SIDE, SIDE), 90.0)
    for _ in range(40):
        x, y, radius = (
            int(chance.integers(low, high)) for low, high in ((0, SIDE), (0, SIDE), (10, 60))
        )
        pixels[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = chance.integers(40, 220)
    waves = 20 * np.sin(columns[:200, :200] / 1.7) * np.sin(rows[:200, :200] / 2.3)
    pixels[100:300, 100:300] += waves
    return Image.fromarray(np.clip(pixels, 20, 235).astype(np.uint8)).convert("RGB")


def photograph() -> Image.Image:
    """Clouds with structure of all sizes, as a photograph has."""
    chance = np.random.default_rng(7)
    waves = np.fft.rfftfreq(640), np.fft.fftfreq(480)[:, None]
    size = np.hypot(*waves) + 1 / 640
    cloud = np.fft.irfft2(np.fft.rfft2(chance.normal(size=(480, 640))) / size**1.2, (480, 640))
    pixels = 128 + 40 * cloud / cloud.std()
    return Image.fromarray(np.clip(pixels, 5, 250).astype(np.uint8)).convert("RGB")


def noisy(image: Image.Image, deviation: float) -> Image.Image:
    """The image with the same noise in all channels, so that the luma has this deviation."""
    noise = np.random.default_rng(6).normal(0, deviation, (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise + 0.5, 0, 255).astype(np.uint8))


def compressed(image: Image.Image, quality: int) -> JpegImageFile:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    file.seek(0)
    return JpegImageFile(file)


def measured(image: Image.Image) -> Acuity:
    return measure(np.asarray(image.convert("RGB")))


def test_measure_of_blurred_copies_finds_less_detail_the_more_they_are_blurred() -> None:
    copies = [picture().filter(ImageFilter.GaussianBlur(sigma)) for sigma in (0, 0.5, 1, 2, 3)]
    details = [measured(copy).detail for copy in copies]
    assert details == sorted(details, reverse=True)
    assert details[-1] < 0.5 * details[0]


@pytest.mark.parametrize("angle", [0, 90, 45])
def test_measure_of_a_copy_blurred_by_motion_finds_less_detail(angle: int) -> None:
    turned = picture().rotate(angle)
    width = 9
    pixels = np.asarray(turned, np.float32)
    moved = sum(np.roll(pixels, step, 1) for step in range(width)) / width
    blurred = Image.fromarray(np.asarray(moved).astype(np.uint8)).rotate(-angle)
    assert measured(blurred).detail < 0.8 * measured(turned.rotate(-angle)).detail


def test_measure_of_noisy_copies_finds_the_noise_and_no_more_detail() -> None:
    clean = measured(picture())
    results = [measured(noisy(picture(), deviation)) for deviation in (3, 6, 12, 20)]
    assert clean.noise < 0.5
    for deviation, result in zip((3, 6, 12, 20), results, strict=True):
        assert result.noise == pytest.approx(deviation, rel=0.25)
    details = [clean.detail, *(result.detail for result in results)]
    assert details == sorted(details, reverse=True)


@pytest.mark.parametrize("factor", [0.5, 0.25])
def test_measure_of_an_enlarged_copy_finds_less_detail_than_the_original(factor: float) -> None:
    whole = picture()
    small = whole.resize((int(SIDE * factor), int(SIDE * factor)), Image.Resampling.LANCZOS)
    enlarged = small.resize(whole.size, Image.Resampling.BICUBIC)
    assert measured(enlarged).detail < 0.8 * measured(whole).detail
    assert measured(small).detail < 0.8 * measured(whole).detail


@pytest.mark.parametrize("quality", [30, 60, 75])
@pytest.mark.parametrize("again", ["no", "PNG", "JPEG"])
def test_measure_of_a_compressed_copy_finds_the_steps_also_if_it_was_saved_again(
    quality: int, again: str
) -> None:
    copy = compressed(photograph(), quality)
    table = copy.quantization[0]
    expected = np.mean([table[place] for place in (1, 8, 9, 2, 16)])
    result = measured(compressed(copy.convert("RGB"), 92) if again == "JPEG" else copy)
    assert result.step == pytest.approx(expected, rel=0.3)


def test_measure_of_an_image_without_compression_finds_no_steps() -> None:
    assert measured(photograph()).step == 1
    small = compressed(photograph(), 30).convert("RGB").resize((300, 200))
    assert measured(small).step == 1


def test_measure_of_a_clipped_image_counts_the_clipped_pixels() -> None:
    pixels = np.full((64, 64, 3), 128, np.uint8)
    pixels[:16] = 255
    pixels[16:32] = 0
    result = measure(pixels)
    assert (result.highlights, result.shadows) == (0.25, 0.25)


def test_measure_of_blurred_text_on_white_finds_nearly_as_many_clipped_pixels() -> None:
    page = draw("text", 3).resize((900, 700))
    blurred = page.filter(ImageFilter.GaussianBlur(1.5))
    assert measured(blurred).highlights == pytest.approx(measured(page).highlights, abs=0.05)


@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 900), (7, 7), (8, 8), (9, 40), (3000, 10), (257, 33)]
)
@pytest.mark.parametrize("fill", ["white", "noise"])
def test_measure_of_any_size_gives_finite_numbers(shape: tuple[int, int], fill: str) -> None:
    pixels: NDArray[np.uint8] = np.full((*shape, 3), 255, np.uint8)
    if fill == "noise":
        pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    result = measure(pixels)
    assert result.ringing is None or 0 <= result.ringing <= 32
    assert all(np.isfinite(value) and value >= 0 for value in result._replace(ringing=0.0))


def drawing(side: int) -> Image.Image:
    """Black and red figures with smooth edges on white paper."""
    large = Image.new("RGB", (1000, 1000), "white")
    pen = ImageDraw.Draw(large)
    for at in range(6):
        box = (60 + 110 * at, 90 + 70 * at, 350 + 110 * at, 380 + 90 * at)
        pen.ellipse(box, outline=("black", "red")[at % 2], width=14)
    pen.polygon([(500, 40), (930, 200), (760, 330)], fill=(20, 60, 150))
    return large.resize((side, side), Image.Resampling.LANCZOS)


@pytest.mark.parametrize("side", [200, 700])
@pytest.mark.parametrize("again", ["PNG", "JPEG"])
def test_measure_of_a_compressed_drawing_finds_more_rings_also_if_it_was_saved_again(
    side: int, again: str
) -> None:
    original = drawing(side)
    copies = [compressed(original, quality).convert("RGB") for quality in (92, 75, 40)]
    if again == "JPEG":
        copies[1:] = [compressed(copy, 90).convert("RGB") for copy in copies[1:]]
    rings = [measured(copy).ringing or 0.0 for copy in (original, *copies)]
    assert rings == sorted(rings)
    assert 1.5 * rings[0] < rings[1] < rings[3] / 1.5


def test_measure_of_a_flat_image_finds_no_rings_because_it_has_no_edges() -> None:
    assert measure(np.full((200, 300, 3), 90, np.uint8)).ringing is None


def test_measure_of_a_clean_drawing_finds_no_large_step_in_its_straight_edges() -> None:
    flag = Image.new("RGB", (900, 600), (20, 90, 160))
    pen = ImageDraw.Draw(flag)
    pen.rectangle((100, 0, 250, 600), fill=(200, 200, 40))
    pen.rectangle((0, 210, 900, 390), fill=(190, 30, 60))
    assert measured(flag).step == 1
    assert measured(compressed(flag, 95)).step < 8


@pytest.mark.parametrize("side", [100, 400])
def test_best_first_of_a_drawing_and_its_worse_copies_prefers_the_drawing(side: int) -> None:
    original = drawing(side)
    small = original.resize((side // 2, side // 2), Image.Resampling.LANCZOS)
    copies = [
        compressed(compressed(original, 40).convert("RGB"), 90),
        original.filter(ImageFilter.GaussianBlur(1)),
        noisy(original, 5),
        small,
        small.resize(original.size, Image.Resampling.BICUBIC),
    ]
    right = Quality(pixels=side**2, **measured(original)._asdict())
    for copy in copies:
        wrong = Quality(pixels=copy.width * copy.height, **measured(copy)._asdict())
        assert best_first([wrong, right]) == [1, 0]


def test_best_first_of_a_photograph_and_its_smaller_copies_prefers_the_photograph() -> None:
    sharp = photograph()
    original = sharp.filter(ImageFilter.GaussianBlur(3))
    original.paste(sharp.crop((200, 150, 280, 230)), (200, 150))
    right = Quality(pixels=original.width * original.height, **measured(original)._asdict())
    for scale in (0.9, 0.75, 0.5, 0.25):
        size = round(scale * original.width), round(scale * original.height)
        small = original.resize(size, Image.Resampling.LANCZOS)
        wrong = Quality(pixels=small.width * small.height, **measured(small)._asdict())
        assert best_first([wrong, right]) == [1, 0]


@pytest.mark.parametrize("quality", [25, 30, 50, 75, 90, 99])
def test_quality_of_a_jpeg_is_that_of_its_encoder(quality: int) -> None:
    file = io.BytesIO()
    picture().save(file, "JPEG", quality=quality)
    assert abs((jpeg.quality(file.getvalue()) or 0) - quality) <= 1


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff\xdb\x00\x05\x00ab", b"\xff\xd8\xff\xdb\x00\x02"]
)
def test_quality_of_a_jpeg_without_a_whole_table_is_none(data: bytes) -> None:
    assert jpeg.quality(data) is None


@pytest.mark.parametrize("stops", [-1.5, -1.0, 1.0, 1.5])
def test_best_first_of_exposures_prefers_the_one_with_most_tones(stops: float) -> None:
    right = photograph()
    levels = np.asarray(right, np.float32) / 255
    other = np.clip((levels**2.2 * 2**stops), 0, 1) ** (1 / 2.2)
    wrong = Image.fromarray((255 * other).astype(np.uint8))
    members = [Quality(**measure(np.asarray(image))._asdict()) for image in (wrong, right)]
    assert best_first(members) == [1, 0]


def test_measure_of_a_noisy_or_small_picture_finds_the_same_tones() -> None:
    image = photograph()
    tones = measure(np.asarray(image)).tones
    noise = np.random.default_rng(3).normal(0, 8, (*image.size[::-1], 3))
    noisy = np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8)
    small = image.resize((image.width // 2, image.height // 2))
    assert measure(noisy).tones == pytest.approx(tones, abs=0.15)
    assert measure(np.asarray(small)).tones == pytest.approx(tones, abs=0.15)


def test_measure_of_a_drawing_finds_the_white_of_its_paper() -> None:
    paper = np.full((400, 600, 3), 255, np.uint8)
    paper[100:300, 200:400] = 30
    noise = np.random.default_rng(4).normal(0, 5, paper.shape)
    assert measure(paper).white == 1
    assert measure((paper * 0.7).astype(np.uint8)).white == pytest.approx(0.7, abs=0.01)
    noisy = np.clip(paper * 0.7 + noise, 0, 255).astype(np.uint8)
    assert measure(noisy).white == pytest.approx(0.7, abs=0.02)
