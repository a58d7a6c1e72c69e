"""HEIC, JPEG XL and camera raw: with the extra if it is installed, else with a stand-in for it."""

import io
import struct
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgscore.errors import ImageError
from imgscore.images.decode import decode
from imgscore.images.memory import NeedsMemoryError

RAW_FILE = b"II*\0\x10\0\0\0CR\x02\0" + bytes(40)


class StandIn:
    """The part of rawpy that decode uses."""

    LibRawError = type("LibRawError", (Exception,), {})
    LibRawUnsufficientMemoryError = type("LibRawUnsufficientMemoryError", (LibRawError,), {})
    LibRawMemPoolOverflowError = type("LibRawMemPoolOverflowError", (LibRawError,), {})
    ThumbFormat = SimpleNamespace(JPEG="jpeg", BITMAP="bitmap")

    def __init__(self, preview: bytes | None, flip: int = 0, file: bytes = RAW_FILE) -> None:
        self.preview = preview
        self.file = file
        self.sizes = SimpleNamespace(flip=flip)

    def imread(self, stream: io.BytesIO) -> "StandIn":
        assert stream.read() == self.file
        return self

    def __enter__(self) -> "StandIn":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def extract_thumb(self) -> SimpleNamespace:
        if self.preview is None:
            raise self.LibRawError(b"No thumbnail")
        return SimpleNamespace(format="jpeg", data=self.preview)

    def postprocess(self, **options: Any) -> Any:
        assert options == {"half_size": True, "use_camera_wb": True}
        return np.full((30, 40, 3), 77, np.uint8)


def preview(size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    image = Image.new("RGB", size)
    image.paste((250, 250, 250), (0, 0, size[0] // 2, size[1]))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def test_decode_raw_has_the_size_of_its_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", StandIn(preview(size=(4000, 3000))))
    picture = decode(RAW_FILE)
    assert (picture.traits.width, picture.traits.height) == (4000, 3000)
    assert picture.pixels.shape == (375, 500, 3)


@pytest.mark.parametrize(("flip", "white"), [(0, "left"), (3, "right"), (6, "top"), (5, "bottom")])
def test_decode_raw_turns_its_preview_upright(
    monkeypatch: pytest.MonkeyPatch, flip: int, white: str
) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", StandIn(preview(), flip))
    picture = decode(RAW_FILE)
    assert picture.traits.format == "RAW"
    upright = (40, 30) if white in ("left", "right") else (30, 40)
    assert (picture.traits.width, picture.traits.height) == upright
    half = {
        "left": picture.pixels[:, :10],
        "right": picture.pixels[:, -10:],
        "top": picture.pixels[:10],
        "bottom": picture.pixels[-10:],
    }[white]
    assert half.min() > 200 and np.median(picture.pixels) < 250


def test_decode_raw_preview_with_orientation_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    stand_in = StandIn(preview(exif=exif), flip=6)
    monkeypatch.setitem(sys.modules, "rawpy", stand_in)
    assert decode(RAW_FILE).pixels[:, -10:].min() > 200


def test_decode_raw_without_preview_is_developed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", StandIn(None))
    picture = decode(RAW_FILE)
    assert picture.pixels.shape == (30, 40, 3) and (picture.pixels == 77).all()


@pytest.mark.parametrize("name", ["LibRawUnsufficientMemoryError", "LibRawMemPoolOverflowError"])
def test_decode_raw_out_of_memory_raises_needs_memory(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A worker without a soft limit then tries the file: see workers/pool.py."""
    stand_in = StandIn(None)

    def too_much(**_: Any) -> Any:
        raise getattr(StandIn, name)(b"too much")

    monkeypatch.setattr(stand_in, "postprocess", too_much)
    monkeypatch.setitem(sys.modules, "rawpy", stand_in)
    with pytest.raises(NeedsMemoryError, match="memory"):
        decode(RAW_FILE)


def tiff(tags: dict[int, int], byte_order: str = "<") -> bytes:
    """A TIFF of 40 × 30 samples of 16 bits, with `tags` as longs."""
    first = {256: 40, 257: 30, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 30, 279: 2400}
    samples = np.arange(1200, dtype=np.uint16).tobytes()
    entries = b"".join(
        struct.pack(f"{byte_order}HHII", tag, 4, 1, value)
        for tag, value in sorted((first | tags).items())
    )
    begin = b"II*\0" if byte_order == "<" else b"MM\0*"
    head = begin + struct.pack(f"{byte_order}I", 8 + len(samples))
    count = struct.pack(f"{byte_order}H", len(first | tags))
    return head + samples + count + entries + bytes(4)


CFA, LINEAR_RAW, DNG_VERSION = {262: 32803}, {262: 34892}, {50706: 0x0401}


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("tags", [CFA | DNG_VERSION, CFA, LINEAR_RAW, DNG_VERSION])
def test_decode_raw_with_sensor_data_in_first_page_is_raw(
    monkeypatch: pytest.MonkeyPatch, tags: dict[int, int], byte_order: str
) -> None:
    file = tiff(tags, byte_order)
    monkeypatch.setitem(sys.modules, "rawpy", StandIn(preview((400, 300)), file=file))
    traits = decode(file).traits
    assert (traits.format, traits.width, traits.height) == ("RAW", 400, 300)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(ImageError, match="needs an extra") as caught:
        decode(file)
    assert caught.value.remedy == "pip install 'imgscore[raw]'"


def test_decode_plain_tiff_is_not_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    assert decode(tiff({})).traits.format == "TIFF"
    with pytest.raises(ImageError, match="unsupported: TIFF: unknown pixel mode"):
        decode(tiff({262: 32000}))
    with pytest.raises(ImageError, match="broken TIFF"):
        decode(b"II*\0" + bytes(range(200)))


def test_decode_broken_raw_raises_image_error() -> None:
    pytest.importorskip("rawpy", reason="pip install rawpy")
    with pytest.raises(ImageError, match="broken RAW"):
        decode(RAW_FILE)


def test_decode_heic_gives_pixels_and_traits() -> None:
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Phone", 6
    stream = io.BytesIO()
    image = Image.new("RGB", (80, 60))
    image.paste((250, 250, 250), (0, 0, 40, 60))
    image.save(stream, "HEIF", quality=95, exif=exif.tobytes())
    picture = decode(stream.getvalue())
    traits = picture.traits
    assert (traits.format, traits.camera) == ("HEIF", "Phone")
    assert (traits.width, traits.height) == (60, 80)
    assert picture.pixels[:30].min() > 200 and picture.pixels[50:].max() < 60


def jxl(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    pylibjxl = pytest.importorskip("pylibjxl", reason="pip install pylibjxl")
    return bytes(pylibjxl.encode(pixels, lossless=True, **options))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_decode_jpeg_xl_gives_pixels_and_traits(channels: int) -> None:
    pixels = np.full((60, 80, channels), 255, np.uint8)
    pixels[:, :40, :3] = 10
    picture = decode(jxl(pixels.squeeze(-1) if channels == 1 else pixels))
    assert (picture.traits.format, picture.pixels.shape) == ("JXL", (60, 80, 3))
    assert picture.pixels[:, :35].max() == 10 and picture.pixels[:, 45:].min() == 255
    assert not picture.traits.alpha and not picture.traits.animated


def test_decode_jpeg_xl_with_exif_gives_camera_and_is_not_turned() -> None:
    """A JPEG XL is turned by its own header. The orientation in its EXIF has no meaning."""
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Phone", 6
    picture = decode(jxl(np.zeros((60, 80, 3), np.uint8), exif=exif.tobytes()))
    assert (picture.traits.camera, picture.pixels.shape) == ("Phone", (60, 80, 3))


@pytest.mark.parametrize("keep", [0.5, 0.95])
def test_decode_cut_off_jpeg_xl_is_not_decoded(keep: float) -> None:
    data = jxl(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    with pytest.raises(ImageError):
        decode(data[: int(len(data) * keep)], settled=True)


def test_decode_jpeg_xl_of_too_many_pixels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgscore.images.decode.MAX_PIXELS", 4000)
    with pytest.raises(ImageError, match="too large"):
        decode(jxl(np.zeros((60, 80, 3), np.uint8)))
