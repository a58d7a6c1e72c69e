"""decode(): an intact image of any kind becomes upright, opaque 8-bit RGB, with its traits."""

import io
import os
import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image

from imgscore.errors import ImageError
from imgscore.images import decode as decoding
from imgscore.images.decode import Picture, decode
from imgscore.images.pixels import GREY, WHITE
from imgscore.images.traits import Traits, camera_name, clean, iso_time
from imgscore.images.views import layout

RED, GREEN = (200, 30, 40), (20, 180, 60)


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def two_halves(width: int = 80, height: int = 60) -> Image.Image:
    """Red on the left, green on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    return image


def corners(picture: Picture) -> list[list[int]]:
    """The colours near the top left, top right, bottom left and bottom right."""
    pixels = picture.pixels
    return [pixels[y, x].tolist() for y in (2, -3) for x in (2, -3)]


def close(
    actual: list[int] | NDArray[np.uint8], expected: tuple[int, ...], tolerance: int = 12
) -> bool:
    return bool(np.abs(np.asarray(actual, int) - np.asarray(expected, int)).max() <= tolerance)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
        ("JPEG2000", {}),
        ("ICO", {"sizes": [(80, 60)]}),
        ("AVIF", {"quality": 95}),
        ("QOI", {}),
    ],
)
def test_decode_each_format_gives_pixels_and_traits(kind: str, options: dict[str, Any]) -> None:
    data = save(two_halves(), kind, **options)
    picture = decode(data)
    assert picture.pixels.dtype == np.uint8 and picture.pixels.shape == (60, 80, 3)
    assert close(corners(picture)[0], RED) and close(corners(picture)[3], GREEN)
    traits = picture.traits
    assert (traits.width, traits.height, traits.format) == (80, 60, kind)
    assert traits.bytes_per_pixel == pytest.approx(len(data) / 4800)
    assert not traits.alpha and not traits.animated


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "CMYK", "YCbCr", "RGB", "RGBA"])
def test_decode_white_image_in_each_mode_is_white(mode: str) -> None:
    """TIFF can store each of these modes."""
    image = Image.new("L" if mode == "LA" else "RGB", (40, 40), "white").convert(mode)
    pixels = decode(save(image, "TIFF")).pixels
    assert pixels.shape == (40, 40, 3) and pixels.min() >= 250


def test_decode_cmyk_jpeg_keeps_colours() -> None:
    picture = decode(save(two_halves().convert("CMYK"), "JPEG", quality=95))
    assert close(corners(picture)[0], RED, 25) and close(corners(picture)[3], GREEN, 25)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_decode_16_bits_uses_the_full_range(kind: str) -> None:
    """Pillow's own conversion clips at 255, which makes nearly all of such an image white."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (32, 1))
    pixels = decode(save(Image.fromarray(ramp), kind)).pixels[..., 0]
    assert np.abs(pixels[0].astype(int) - np.arange(256)).max() <= 1


def test_decode_16_bits_with_transparent_value_is_opaque() -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (32, 1))
    picture = decode(save(Image.fromarray(ramp), "PNG", transparency=65535))
    assert picture.pixels[0, :, 0].tolist() == list(range(256)) and not picture.traits.alpha


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1, 256, dtype=np.float32), np.arange(256)),
        (np.linspace(-5, 20, 256, dtype=np.float32), np.arange(256)),
        (np.linspace(0, 65535, 256).astype(np.int32), np.arange(256)),
        (np.linspace(-1e6, 3e6, 256).astype(np.int32), np.arange(256)),
        (np.full(256, 7, np.int32), np.zeros(256, int)),
    ],
)
def test_decode_floats_and_wide_integers_are_scaled(
    values: NDArray[Any], expected: NDArray[Any]
) -> None:
    pixels = decode(save(Image.fromarray(np.tile(values, (32, 1))), "TIFF")).pixels[..., 0]
    assert np.abs(pixels[0].astype(int) - expected).max() <= 1


def test_decode_float_image_with_nan_and_infinity_succeeds() -> None:
    values = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (16, 1))
    values[3, 3] = np.nan
    values[4, 4] = np.inf
    assert decode(save(Image.fromarray(values), "TIFF")).pixels.shape == (16, 64, 3)


def test_decode_transparent_pixels_hide_their_colour() -> None:
    image = Image.new("RGBA", (2000, 1500), (0, 0, 255, 0))
    image.paste((255, 255, 0, 255), (0, 0, 1000, 1500))
    picture = decode(save(image, "PNG"))
    assert picture.traits.alpha
    assert picture.pixels[:, -1].tolist() == [list(WHITE)] * picture.pixels.shape[0]
    # Pixels on the border, which average both halves, contain none of the hidden blue.
    assert picture.pixels[..., 0].min() == 255


@pytest.mark.parametrize(
    ("ink", "background"), [(0, WHITE), (128, WHITE), (200, WHITE), (255, GREY)]
)
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_decode_drawing_with_transparency_contrasts_with_background(
    mode: str, ink: int, background: tuple[int, int, int]
) -> None:
    """The background is white, or grey for a white drawing."""
    drawing = Image.new("RGBA", (640, 480), (*[255 - ink] * 3, 0))
    drawing.paste((ink, ink, ink, 255), (0, 230, 640, 250))
    pixels = decode(save(drawing.convert(mode), "PNG")).pixels
    assert pixels[0, 0].tolist() == list(background)
    assert pixels[pixels.shape[0] // 2, 0].tolist() == [ink] * 3


def test_decode_fully_transparent_image_is_white() -> None:
    assert (decode(save(Image.new("RGBA", (40, 40), (9, 9, 9, 0)), "PNG")).pixels == 255).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_decode_transparent_colour_without_alpha_channel_is_transparent(mode: str) -> None:
    """PNG stores the transparent colour of palette, grey and RGB images beside the pixels."""
    image = two_halves().convert(mode)
    first = image.getpixel((0, 0))
    picture = decode(save(image, "PNG", transparency=first))
    assert close(corners(picture)[0], WHITE, 0) and picture.traits.alpha
    assert not close(corners(picture)[1], WHITE, 3)


def test_decode_opaque_alpha_channel_is_not_alpha() -> None:
    assert not decode(save(two_halves().convert("RGBA"), "PNG")).traits.alpha


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_each_exif_orientation_is_upright(kind: str, orientation: int) -> None:
    """The picture has red on the left and a black top, for each stored orientation."""
    upright = two_halves(80, 60)
    upright.paste((0, 0, 0), (0, 0, 80, 20))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(save(stored, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {})))
    assert (picture.traits.width, picture.traits.height) == (80, 60)
    top_left, top_right, bottom_left, bottom_right = corners(picture)
    assert close(top_left, (0, 0, 0)) and close(top_right, (0, 0, 0))
    assert close(bottom_left, RED, 20) and close(bottom_right, GREEN, 20)


def test_decode_exif_gives_camera_date_and_place() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Canon\0", "Canon EOS 5D ", "firmware 1"
    exif.get_ifd(0x8769)[0x9003] = "2021:02:03 04:05:06"
    exif.get_ifd(0x8825)[1] = "N"
    traits = decode(save(two_halves(), "JPEG", exif=exif)).traits
    assert (traits.camera, traits.software) == ("Canon EOS 5D", "firmware 1")
    assert (traits.taken, traits.located) == ("2021-02-03T04:05:06", True)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(traits), type=Traits) == traits


@pytest.mark.parametrize("block", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"junk" * 9])
def test_decode_broken_exif_is_ignored(block: bytes) -> None:
    picture = decode(save(two_halves(), "JPEG", exif=block, quality=95))
    assert picture.traits.camera == picture.traits.taken == ""
    assert close(corners(picture)[0], RED)


def test_decode_broken_colour_profile_is_ignored() -> None:
    assert decode(save(two_halves(), "PNG", icc_profile=b"no profile")).pixels.shape == (60, 80, 3)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_decode_animation_gives_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in (GREEN, RED, (0, 0, 0))]
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = decode(save(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert picture.traits.animated and close(corners(picture)[0], GREEN)


def test_decode_avif_uses_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder's default, a thread a CPU, needs memory for each."""
    thread_counts: list[int] = []
    real = AvifImagePlugin._avif.AvifDecoder

    def decoder(data: bytes, codec: str, threads: int) -> Any:
        thread_counts.append(threads)
        return real(data, codec, threads)

    monkeypatch.setattr(AvifImagePlugin._avif, "AvifDecoder", decoder)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert decode(save(two_halves(), "AVIF", quality=95)).traits.format == "AVIF"
    assert thread_counts == [1]


def test_decode_animation_does_not_count_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(_: object) -> int:
        raise AssertionError("counting frames reads the whole file")

    frames = [Image.new("L", (8, 8), value) for value in (0, 100, 200)]
    data = save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.n_frames", property(count))
    assert decode(data).traits.animated


@pytest.mark.parametrize("size", [(4000, 3000), (3000, 500), (700, 9000), (640, 480), (1, 1)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_decode_large_image_is_reduced_to_working_size(size: tuple[int, int], kind: str) -> None:
    """Each side has OVERSAMPLING to 4 times the pixels of the views, if the original has them."""
    picture = decode(save(Image.new("RGB", size, RED), kind))
    assert (picture.traits.width, picture.traits.height) == size
    for actual, full, needed in zip(
        picture.pixels.shape[1::-1], size, layout(*size).canvas, strict=True
    ):
        assert min(full, int(decoding.OVERSAMPLING * needed)) <= actual <= 4 * needed
    assert close(picture.pixels[0, 0], RED)


def test_decode_12_megapixel_jpeg_is_drafted_at_an_eighth() -> None:
    picture = decode(save(Image.new("RGB", (4000, 3000), RED), "JPEG"))
    assert picture.pixels.shape == (375, 500, 3)


def test_decode_huge_jpeg_takes_little_memory() -> None:
    """252 megapixels, above Pillow's own limit, decoded at an eighth."""
    data = save(Image.new("L", (18_000, 14_000), 90), "JPEG", quality=30)
    tracemalloc.start()
    picture = decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (picture.traits.width, picture.traits.height) == (18_000, 14_000)
    assert max(picture.pixels.shape) < 1200 and peak < 64 << 20


def test_decode_huge_progressive_jpeg_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """draft() does not reduce its memory: libjpeg holds all its coefficients."""
    data = save(two_halves(2000, 2000), "JPEG", progressive=True)
    monkeypatch.setattr(decoding, "MAX_BYTES", 8 << 20)
    with pytest.raises(ImageError, match="too large"):
        decode(data)
    assert decode(save(two_halves(2000, 2000), "JPEG")).traits.width == 2000


def test_decode_small_bands_give_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1500, 1700, 3), np.uint8)
    data = save(Image.fromarray(noise), "PNG")
    whole = decode(data).pixels
    monkeypatch.setattr("imgscore.images.pixels.BAND_PIXELS", 5000)
    assert np.array_equal(decode(data).pixels, whole)


def test_decode_computes_light_and_colour() -> None:
    grey = decode(save(Image.new("L", (64, 64), 51), "PNG")).traits
    assert grey.brightness == pytest.approx(0.2, abs=0.01)
    assert grey.contrast == pytest.approx(0, abs=1e-5) and grey.colourfulness == 0
    red = decode(save(Image.new("RGB", (64, 64), (255, 0, 0)), "PNG")).traits
    assert red.colourfulness == 1
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    assert decode(save(noise, "PNG")).traits.sharpness > 10 * red.sharpness + 0.1


def test_traits_exif_texts_are_cleaned() -> None:
    assert clean("\0 a\x07b \n") == "ab" and clean(b"x") == "" and len(clean("x" * 999)) == 100
    assert camera_name("NIKON", "NIKON D5") == "NIKON D5"
    assert camera_name("SONY", "A7") == "SONY A7" and camera_name("", "") == ""
    assert iso_time("0000:00:00 00:00:00") == "" and iso_time("yesterday") == ""
    assert iso_time("2021:02:03 04:05:06") == "2021-02-03T04:05:06" and iso_time("") == ""
