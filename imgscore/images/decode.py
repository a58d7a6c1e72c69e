"""Decode the bytes of an image file to pixels and traits. All embedders use these pixels.

Only workers import this module, because it imports Pillow. Files are untrusted. Each failure raises
an ImageError with a reason and a remedy (`decode_errors`).

If you change the results of this module, increase `version.DECODER_VERSION`. Files that failed are
then tried again. Increase the PREPROCESSING_VERSION of each embedder, too.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    PsdImagePlugin,
    QoiImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from imgscore.errors import ImageError
from imgscore.images import jpeg, jxl, memory, png, tiff, truncated
from imgscore.images import traits as facts
from imgscore.images.decode_errors import (
    BOMBS,
    REMEDY_INCOMPLETE,
    REMEDY_NOT_IMAGE,
    IncompleteImageError,
    image_error,
    may_be_cut_off,
)
from imgscore.images.memory import REMEDY_TOO_LARGE
from imgscore.images.pixels import colourfulness, luma_grids, working_pixels
from imgscore.images.signature import HEIF, JPEG, JXL, RAW, format_of
from imgscore.images.traits import Exif, Traits
from imgscore.images.views import layout

# Import only these plugins of Pillow. Without this import, Pillow imports all its forty plugins
# when it opens the first WebP file. Other formats are not supported: for an EPS file, for example,
# Pillow would start Ghostscript.
_PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Jpeg2KImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    PsdImagePlugin,
    QoiImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
MAX_BYTES = min(1 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
"""The largest memory for one decoded image in bytes: a quarter of the machine's memory, and at most
1 GB (268 megapixels)."""
BYTES_PER_PIXEL = 4
"""The number of bytes for each pixel of a decoded image. Pillow uses 4 bytes even for an RGB
pixel."""
MAX_PIXELS = MAX_BYTES // BYTES_PER_PIXEL
# Set the limit of Pillow's own size check, too. Pillow also checks the images inside an ICO file.
# The sizes of these images are unknown before they are read.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# By default, the AVIF decoder starts one thread for each CPU, and each thread needs its own memory.
# A worker uses one CPU.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# Switch Pillow's log off. Each problem in the log also raises an exception, which is reported.
logging.getLogger("PIL").setLevel(logging.CRITICAL)
OVERSAMPLING = 1.4
"""The number of working pixels for each pixel of a view, along each side. Working pixels are the
pixels of the reduced image. With 1.4, the embedding of the reduced image is almost equal to the
embedding of the full-size image: the median cosine is 0.9996 (bench/RESULTS.md)."""

TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that turns an image upright, for each EXIF orientation. Orientation 1 is upright
and needs no operation."""
SWAPPED_SIDES = frozenset({5, 6, 7, 8})
"""The EXIF orientations that swap the sides: the width of the stored image is the height of the
upright image."""
RAW_ORIENTATIONS = {3: 3, 5: 8, 6: 6}
"""The EXIF orientation for each value of LibRaw's `flip`."""
ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP", "AVIF", JXL})


@dataclass(frozen=True)
class Picture:
    """A decoded image that is upright, opaque, 8-bit RGB and reduced to the working size.

    `pixels`: uint8 [h, w, 3].
    `traits`: the traits of the full-size image.
    """

    pixels: NDArray[np.uint8]
    traits: Traits


def decode(data: bytes, min_side: int = 0, *, settled: bool = False) -> Picture:
    """Decode the bytes of an image file to its first frame, uncropped, upright and opaque.

    The image is reduced by whole factors. If the original has enough pixels, each side has at least
    OVERSAMPLING times the pixels that `views` needs.

    `min_side`: the number of pixels that the embedder needs at the shorter side. If the original
    has enough pixels, the shorter side has at least OVERSAMPLING times as many.

    Colour profiles are not applied, because a profile is untrusted data that would have to be
    parsed. A Display P3 photograph is therefore read as sRGB. This error changes the embedding less
    than JPEG compression with quality 75 does.

    `settled`: whether the file has not changed for so long that no program still writes it. If the
    end of a settled JPEG or PNG is missing, and nearly all rows are there, the image is decoded.

    Raises IncompleteImageError if the end of a file is missing that is not settled. Raises
    NeedsMemoryError if decoding needs more memory than this process may use. Raises ImageError for
    any other problem.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decode(data, min_side, settled)
        except ImageError:
            raise
        # For damaged input, decoders raise almost any exception class, even KeyError.
        except Exception as error:
            raise image_error(data, error, settled) from error


def _decode(data: bytes, min_side: int, settled: bool) -> Picture:
    if not data:
        raise IncompleteImageError("empty file", REMEDY_INCOMPLETE)
    name = format_of(data)
    if not name:
        start = jpeg.start_of(data)
        if start is None:
            raise ImageError("not an image", REMEDY_NOT_IMAGE)
        return _decode(data[start:], min_side, settled)
    if name == "TIFF":
        if tiff.is_raw(data):
            name = RAW
        elif (offset := tiff.picture_page(data)) is not None:
            data = tiff.with_first_page(data, offset)
    if name == RAW:
        return _decode_raw(data, min_side)
    return _decode_plain(data, name, min_side, settled)


def _decode_plain(data: bytes, name: str, min_side: int, settled: bool) -> Picture:
    """Decode a file that is not camera raw.

    If this fails, try again without the parts that the pixels do not need. Viewers skip such parts
    when they are broken. If the end of a settled file is missing, decode what is there.
    """
    tried, failure = b"", Exception("the end is missing, and zeros are in its place")
    if name != JPEG or not jpeg.ends_in_zeros(data):
        for prepare in (_unchanged, _without_unused_parts):
            content = prepare(data, name)
            if content == tried:
                break
            try:
                return _picture(_open(content, name), name, len(data), min_side)
            except (ImageError, MemoryError, *BOMBS):
                raise
            except Exception as error:  # noqa: BLE001 - see `decode`
                tried, failure = content, error
    if settled and name in truncated.FORMATS and may_be_cut_off(data, failure):
        image = _open(truncated.complete(tried or data, name), name)
        return _picture(image, name, len(data), min_side, load=truncated.load)
    raise image_error(data, failure, settled) from failure


def _unchanged(data: bytes, name: str) -> bytes:
    return data


def _without_unused_parts(data: bytes, name: str) -> bytes:
    """Return the file without the parts that the pixels do not need, and that may be broken."""
    match name:
        case "JPEG":
            return jpeg.without_unused_segments(data)
        case "PNG":
            return png.without_unused_chunks(data)
        case _:
            return data


def _open(data: bytes, name: str) -> Image.Image:
    """Open an image: read the header, but not the pixels."""
    stream = io.BytesIO(data)
    if name == JPEG:
        # Do not use Image.open for a JPEG. It would check for a decompression bomb before draft()
        # reduces the size. It would also open the further frames of an MPO.
        return JpegImagePlugin.JpegImageFile(stream)
    if name == HEIF:
        try:
            import pillow_heif
        except ImportError:
            raise ImageError(
                "unsupported: HEIC needs a package that is not installed",
                "pip install pillow-heif",
            ) from None
        pillow_heif.register_heif_opener()
    if name == JXL:
        return jxl.read(data, MAX_PIXELS)
    return Image.open(stream, formats=(name,))


def _load(image: Image.Image) -> None:
    image.load()


def _picture(
    image: Image.Image,
    name: str,
    size: int,
    min_side: int,
    orientation: int = 1,
    load: Callable[[Image.Image], None] = _load,
) -> Picture:
    """Load an opened image, reduce it, turn it upright, and compute its traits.

    `name`: the format of the image.
    `size`: the size of the file in bytes.
    `min_side`: the number of pixels that the embedder needs at the shorter side.
    `orientation`: the orientation that is used if the image has no EXIF orientation.
    `load`: the function that loads the pixels.
    """
    full_width, full_height = image.size
    image.draft(None, _working_size(full_width, full_height, min_side))
    needed = image.width * image.height * BYTES_PER_PIXEL + _coefficient_bytes(
        image, full_width * full_height
    )
    if needed > MAX_BYTES:
        raise ImageError(
            f"too large: {full_width} × {full_height} pixels need {needed >> 20} MB to decode",
            REMEDY_TOO_LARGE,
        )
    needed += image.width * image.height * memory.DECODER_BYTES_PER_PIXEL.get(name, 0)
    memory.check(needed, f"{full_width} × {full_height} pixels")
    load(image)
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        # Use the size after loading. Pillow turns a TIFF upright while it loads the image. The
        # image in an ICO file may have another size than the size in the header of the file.
        full_width, full_height = image.size
    exif = _exif(image)
    pixels, transparent = working_pixels(image, _working_size(full_width, full_height, min_side))
    if exif.orientation in TRANSPOSES:
        orientation = exif.orientation
    if orientation in TRANSPOSES:
        pixels = np.asarray(Image.fromarray(pixels).transpose(TRANSPOSES[orientation]))
    if orientation in SWAPPED_SIDES:
        full_width, full_height = full_height, full_width
    luma = pixels[::2, ::2].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    grid, fine_grid = luma_grids(pixels)
    return Picture(
        pixels,
        Traits(
            width=full_width,
            height=full_height,
            format=name,
            bytes_per_pixel=size / (full_width * full_height),
            camera=exif.camera,
            software=exif.software,
            taken=exif.taken,
            located=exif.located,
            subseconds=exif.subseconds,
            exposure_bias=exif.exposure_bias,
            alpha=transparent,
            animated=_is_animated(image, name),
            brightness=float(luma.mean()),
            contrast=float(luma.std()),
            colourfulness=colourfulness(pixels[::4, ::4]),
            sharpness=float(np.abs(np.diff(luma, axis=1)).mean()) if luma.shape[1] > 1 else 0.0,
            grid=grid,
            fine_grid=fine_grid,
        ),
    )


def _working_size(full_width: int, full_height: int, min_side: int) -> tuple[int, int]:
    """Return the smallest size, in pixels, to which an image of this full size may be reduced.

    `min_side`: the number of pixels that the embedder needs at the shorter side.
    """
    width, height = layout(full_width, full_height).canvas
    if min_side:
        ratio = min_side / min(full_width, full_height)
        width = max(width, round(full_width * ratio))
        height = max(height, round(full_height * ratio))
    return int(width * OVERSAMPLING), int(height * OVERSAMPLING)


def _coefficient_bytes(image: Image.Image, pixels: int) -> int:
    """Return the bytes that libjpeg allocates for the coefficients of a progressive JPEG.

    libjpeg stores 2 bytes for each coefficient of the full-size image, even after draft(). The
    result is 0 for all other images.
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not image.info.get("progressive"):
        return 0
    samples = [layer[1] * layer[2] for layer in image.layer]
    return int(2 * pixels * sum(samples) / max(samples))


def _exif(image: Image.Image) -> Exif:
    """Return the EXIF fields of an image.

    A broken EXIF block is treated like a missing block, because the pixels can be decoded without
    EXIF.
    """
    try:
        tags = image.getexif()
        camera = facts.camera_name(
            facts.clean(tags.get(facts.MAKE)), facts.clean(tags.get(facts.MODEL))
        )
        orientation = tags.get(facts.ORIENTATION)
        details = tags.get_ifd(facts.EXIF_IFD)
        return Exif(
            camera=camera,
            software=facts.clean(tags.get(facts.SOFTWARE)),
            taken=facts.iso_time(facts.clean(details.get(facts.TAKEN))),
            subseconds=facts.fraction(details.get(facts.SUBSECONDS)),
            exposure_bias=facts.stops(details.get(facts.EXPOSURE_BIAS)),
            located=facts.GPS_IFD in tags,
            orientation=orientation if isinstance(orientation, int) else 1,
        )
    except Exception:  # noqa: BLE001 - untrusted bytes may cause any exception class
        return Exif()


def _is_animated(image: Image.Image, name: str) -> bool:
    """Return whether the image has a second frame.

    The function does not count the frames, because this would read the whole file.
    """
    if name not in ANIMATED_FORMATS:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - the first frame is usable even if the second is damaged
        return False


def _decode_raw(data: bytes, min_side: int) -> Picture:
    """Decode a camera raw file.

    The function decodes the preview that is embedded in the file, as image viewers do. If there is
    no preview, it develops the raw data.
    """
    try:
        import rawpy
    except ImportError:
        raise ImageError(
            "unsupported: camera raw needs an extra that is not installed",
            "pip install 'imgscore[raw]'",
        ) from None
    with rawpy.imread(io.BytesIO(data)) as raw:
        try:
            preview = raw.extract_thumb()
        except rawpy.LibRawError:
            preview = None
        if preview is not None and preview.format == rawpy.ThumbFormat.JPEG:
            # Most previews have no EXIF orientation. The orientation of the raw file is then used.
            orientation = RAW_ORIENTATIONS.get(raw.sizes.flip, 1)
            return _picture(_open(preview.data, JPEG), RAW, len(data), min_side, orientation)
        try:
            developed = raw.postprocess(half_size=True, use_camera_wb=True)
        except (rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawMemPoolOverflowError) as error:
            raise MemoryError from error
    return _picture(Image.fromarray(developed), RAW, len(data), min_side)
