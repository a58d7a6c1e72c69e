"""decode() of broken, cut off, huge and other files: an ImageError, and no other error."""

import functools
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgscore.errors import ImageError
from imgscore.images.decode import Picture, decode
from imgscore.images.decode_errors import IncompleteImageError
from imgscore.images.signature import format_of, is_cut_off

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "ICO", "JPEG2000", "PPM", "QOI")


@functools.cache
def sample(kind: str, progressive: bool = False) -> bytes:
    """A small photograph-like picture with EXIF, in one format."""
    image = Image.effect_mandelbrot((96, 72), (-2, -1.5, 1, 1.5), 40).convert("RGB")
    exif = Image.Exif()
    exif[0x0110] = "A camera"
    exif.get_ifd(0x8769)[0x9003] = "2021:02:03 04:05:06"
    stream = io.BytesIO()
    options = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP", "TIFF") else {}
    image.save(stream, kind, progressive=progressive, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join((png_chunk(b"IHDR", header), *chunks))


def test_decode_empty_file_is_incomplete() -> None:
    with pytest.raises(IncompleteImageError, match=r"^empty file$") as caught:
        decode(b"")
    assert caught.value.remedy


@pytest.mark.parametrize(
    "data", [b"x", b"hello, I am a text\n" * 40, b"%PDF-1.7\n...", b"\0" * 5000, b"%!PS-Adobe-3.0"]
)
def test_decode_other_content_is_not_an_image(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^not an image") as caught:
        decode(data)
    assert not isinstance(caught.value, IncompleteImageError) and caught.value.remedy


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_decode_cut_off_file_is_incomplete(kind: str, part: float) -> None:
    data = sample(kind)
    with pytest.raises(IncompleteImageError, match=r"^incomplete: "):
        decode(data[: int(len(data) * part)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_decode_file_padded_with_zeros_is_incomplete(kind: str) -> None:
    data = sample(kind)
    half = len(data) // 2
    if kind == "WEBP":  # its header has the full size: zeros look like damage
        with pytest.raises(ImageError):
            decode(data[:half] + bytes(len(data) - half))
        return
    with pytest.raises(IncompleteImageError):
        decode(data[:half] + bytes(len(data) - half))


def test_decode_half_of_progressive_jpeg_is_incomplete() -> None:
    data = sample("JPEG", progressive=True)
    with pytest.raises(IncompleteImageError):
        decode(data[: len(data) // 2])


def test_decode_damage_in_the_middle_is_broken() -> None:
    data = bytearray(sample("PNG"))
    start = data.index(b"IDAT") + 4
    data[start : start + 400] = b"\x55" * 400
    with pytest.raises(ImageError, match=r"^broken PNG: ") as caught:
        decode(bytes(data))
    assert not isinstance(caught.value, IncompleteImageError)


def test_decode_huge_size_in_header_is_refused() -> None:
    with pytest.raises(ImageError, match=r"^too large: "):
        decode(png(50_000, 50_000, png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))))


def test_decode_huge_compressed_text_is_refused() -> None:
    text = zlib.compress(b"a" * (200 << 20), 9)
    with pytest.raises(ImageError):
        decode(png(4, 4, png_chunk(b"zTXt", b"Comment\0\0" + text)))


def test_decode_tiff_with_page_loop_terminates() -> None:
    data = bytearray(sample("TIFF"))
    folder = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[folder : folder + 2], "little")
    following = folder + 2 + 12 * entries
    data[following : following + 4] = data[4:8]
    assert isinstance(decode(bytes(data)), Picture)


def test_decode_postscript_starts_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would start Ghostscript for an EPS."""
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(ImageError, match="not an image"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")


def test_decode_without_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    monkeypatch.setitem(__import__("sys").modules, "pylibjxl", None)
    with pytest.raises(ImageError, match="unsupported: JPEG XL") as caught:
        decode(b"\xff\x0a" + bytes(40))
    assert "imgscore[jxl]" in caught.value.remedy
    with pytest.raises(ImageError) as caught:
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    assert "pillow-heif" in caught.value.remedy
    for raw in (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom"):
        with pytest.raises(ImageError) as caught:
            decode(raw)
        assert "imgscore[raw]" in caught.value.remedy


def test_format_of_ignores_file_names() -> None:
    """Formats are identified by content: there is no parameter for a name."""
    assert [format_of(sample(kind)) for kind in KINDS] == list(KINDS)
    assert not any(is_cut_off(sample(kind)) for kind in KINDS)


@settings(max_examples=400)
@given(st.sampled_from(KINDS), st.data())
def test_decode_mutated_file_gives_picture_or_image_error(kind: str, data: st.DataObject) -> None:
    """Mutations change a few bytes, cut out a piece or cut off the end."""
    damaged = bytearray(sample(kind))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        start = data.draw(st.integers(0, len(damaged) - 1))
        del damaged[start : start + data.draw(st.integers(1, 200))]
    check_outcome(bytes(damaged))


@settings(max_examples=150)
@given(st.sampled_from(KINDS), st.binary(max_size=300))
def test_decode_random_bytes_after_header_give_picture_or_image_error(
    kind: str, rubbish: bytes
) -> None:
    check_outcome(sample(kind)[:30] + rubbish)


def check_outcome(data: bytes) -> None:
    """Decode; any result but a Picture or an ImageError fails the test, a warning too."""
    for settled in (False, True):
        try:
            picture = decode(data, settled=settled)
        except ImageError as error:
            assert error.message and error.remedy
            assert not (settled and isinstance(error, IncompleteImageError)) or not data
        else:
            assert picture.pixels.ndim == 3 and min(picture.pixels.shape) >= 1
