"""decode() of files that are whole, but of a kind that no decoder supports; and of odd files."""

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgscore.errors import ImageError
from imgscore.images.decode import decode


def pixels() -> NDArray[np.uint8]:
    y, x = np.mgrid[0:60, 0:80]
    return np.dstack([x * 3, y * 4, (x + y) % 256]).astype(np.uint8)


def save(kind: str, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels()).convert(mode).save(stream, kind)
    return stream.getvalue()


def jpeg(*, marker: int = 0xC0, bits: int = 8) -> bytes:
    """A JPEG whose frame header names another coding or another depth."""
    data = bytearray(save("JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, bits
    return bytes(data)


def psd(*, version: int = 1, bits: int = 8, mode: int = 3) -> bytes:
    header = b"8BPS" + struct.pack(">H6xHIIHH", version, 3, 60, 80, bits, mode)
    planes = np.moveaxis(pixels(), 2, 0).astype(">u2" if bits == 16 else np.uint8)
    return header + bytes(12 if version == 1 else 16) + b"\0\0" + planes.tobytes()


def page(order: str, tags: dict[int, tuple[int, ...]], at: int) -> bytes:
    """A page of a TIFF that begins at offset `at`. Each tag has the type long."""
    count = len(tags)
    extra_at, entries, extra = at + 2 + 12 * count + 4, b"", b""
    for tag, values in sorted(tags.items()):
        value = values[0] if len(values) == 1 else extra_at + len(extra)
        entries += struct.pack(f"{order}HHII", tag, 4, len(values), value)
        if len(values) > 1:
            extra += struct.pack(f"{order}{len(values)}I", *values)
    return struct.pack(f"{order}H", count) + entries + bytes(4) + extra


def tiff_with_sub_page(order: str = "<", *, floats: bool = False) -> bytes:
    """A TIFF whose first page is a thumbnail of 8 × 6 pixels. The picture is below this page."""
    large = pixels().astype(f"{order}f4") if floats else pixels()
    small = np.ascontiguousarray(pixels()[::10, ::10])
    data = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4) + large.tobytes() + small.tobytes()

    def tags(picture: NDArray[np.generic], at: int) -> dict[int, tuple[int, ...]]:
        height, width, _ = picture.shape
        bits = (8 * picture.itemsize,) * 3
        return {
            256: (width,), 257: (height,), 258: bits, 259: (1,), 262: (2,), 273: (at,), 277: (3,),
            278: (height,), 279: (picture.nbytes,), 339: (3 if floats and bits[0] > 8 else 1,) * 3,
        }  # fmt: skip

    first_at = len(data)
    first = {254: (1,), 330: (0,)} | tags(small, 8 + large.nbytes)
    size = len(page(order, first, first_at))
    first[330] = (first_at + size,)
    data += page(order, first, first_at)
    data += page(order, {254: (0,)} | tags(large, 8), len(data))
    return data[:4] + struct.pack(f"{order}I", first_at) + data[8:]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (jpeg(bits=12), "12-bit JPEG"),
        (jpeg(marker=0xF7), "JPEG-LS"),
        (jpeg(marker=0xC5), "hierarchical JPEG"),
        (psd(bits=16), "RGB PSD with 3 channels of 16 bits"),
        (psd(version=2), "PSB"),
        (tiff_with_sub_page(floats=True), "TIFF: unknown pixel mode"),
        (save("PNG")[:8] + struct.pack(">I4sII", 4, b"CgBI", 0, 0) + save("PNG")[8:], "iOS"),
    ],
)
def test_decode_whole_file_of_unsupported_kind_says_unsupported(data: bytes, kind: str) -> None:
    for settled in (False, True):
        with pytest.raises(ImageError, match=r"^unsupported: ") as caught:
            decode(data, settled=settled)
        assert kind in caught.value.message and "convert" in caught.value.remedy


def test_decode_tiff_with_unknown_compression_says_unsupported() -> None:
    data = bytearray(save("TIFF"))
    entry = data.index(struct.pack("<HHI", 259, 3, 1))
    struct.pack_into("<H", data, entry + 8, 34887)
    with pytest.raises(ImageError, match="unsupported: TIFF with compression 34887"):
        decode(bytes(data))


@pytest.mark.parametrize("order", "<>")
def test_decode_tiff_with_picture_below_thumbnail_gives_picture(order: str) -> None:
    decoded = decode(tiff_with_sub_page(order))
    assert (decoded.traits.width, decoded.traits.height) == (80, 60)
    assert np.array_equal(decoded.pixels, pixels()) and decoded.traits.format == "TIFF"


def test_decode_tiff_with_loop_of_pages_terminates() -> None:
    data = bytearray(tiff_with_sub_page())
    entry = data.index(struct.pack("<HHI", 330, 4, 1))
    data[entry + 8 : entry + 12] = data[4:8]  # the picture is said to be in the first page itself
    with pytest.raises(ImageError):
        decode(bytes(data))


@pytest.mark.parametrize(
    "before", [b"\r\n", b"\xef\xbb\xbf\n", b"Content-Type: image/jpeg\r\n\r\n"]
)
def test_decode_jpeg_after_other_bytes_gives_pixels(before: bytes) -> None:
    assert np.array_equal(decode(before + save("JPEG")).pixels, decode(save("JPEG")).pixels)


def test_decode_jpeg_with_bytes_between_segments_gives_pixels() -> None:
    data = save("JPEG")
    for extra in (b"\0\0abc", b"\xff\xed\0\x04ab", b"\xff\xe2\0\x0fICC_PROFILE\0\1"):
        assert np.array_equal(decode(data[:20] + extra + data[20:]).pixels, decode(data).pixels)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_decode_tga_gives_pixels(mode: str) -> None:
    decoded = decode(save("TGA", mode))
    assert (decoded.traits.format, decoded.pixels.shape) == ("TGA", (60, 80, 3))
