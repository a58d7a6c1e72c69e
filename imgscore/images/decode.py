"""Bytes → picture: our own preprocessing, the same for every embedder, safe on hostile files.

Only workers import this: it loads Pillow. Every failure is an ImageError with a reason and a
remedy; an IncompleteImageError is worth another try once the file has changed. When a change here
alters results, raise `version.DECODER_VERSION` (failures) and each embedder's
PREPROCESSING_VERSION.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
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
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from imgscore.errors import ImageError
from imgscore.images import memory
from imgscore.images import traits as facts
from imgscore.images.memory import REMEDY_TOO_LARGE, NeedsMemoryError
from imgscore.images.pixels import working_pixels
from imgscore.images.signature import HEIF, JPEG, RAW, format_of, is_cut_off
from imgscore.images.traits import Exif, Traits
from imgscore.images.views import layout

# Naming the plugins keeps Pillow from importing all forty when it meets its first WebP; the
# formats below are the only ones ever tried, so nothing reaches Ghostscript (EPS) or its like.
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
    TiffImagePlugin,
    WebPImagePlugin,
)
# Memory one decoded image may take: a quarter of the machine's, at most 1 GB (268 megapixels).
MAX_BYTES = min(1 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
BYTES_PER_PIXEL = 4  # of Pillow's own storage for RGB and RGBA alike
MAX_PIXELS = MAX_BYTES // BYTES_PER_PIXEL
# Pillow's own guard, for the images inside images (ICO) that ours does not see.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# One thread a worker: the decoder would take as many as there are CPUs, with memory for each.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# What Pillow logs it also raises, and then we say it better.
logging.getLogger("PIL").setLevel(logging.CRITICAL)
# Photometric interpretations of a DNG: colour filter array, and the same demosaiced.
_SENSOR = frozenset({32803, 34892})
# Working pixels for each pixel a view needs, along each side.
OVERSAMPLING = 1.4

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})
RAW_FLIPS = {3: 3, 5: 8, 6: 6}  # LibRaw's numbers as EXIF's
ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})

REMEDY_BROKEN = "open it in an image viewer; if that fails too, the file is damaged"
REMEDY_INCOMPLETE = "wait until it is fully written or downloaded, or fetch it again"
REMEDY_NOT_IMAGE = "remove it, or give it the extension of what it is"


class IncompleteImageError(ImageError):
    """The file's end is missing: it may still be being written. Try again when it has changed."""


@dataclass(frozen=True)
class Picture:
    """An image as embedders take it: upright, opaque, 8-bit sRGB-like, reduced to working size."""

    pixels: NDArray[np.uint8]  # [h, w, 3]
    traits: Traits


def decode(data: bytes) -> Picture:
    """A file's bytes as a picture: the first frame, whole, upright, opaque.

    The pixels are a whole fraction of the original, OVERSAMPLING times what `views` needs or more.
    Colour profiles are not applied: a Display P3 photograph taken for sRGB moves its embedding by
    less than saving it as a JPEG of quality 75 does, and is one more foreign file to parse.
    Raises IncompleteImageError where the end is missing, ImageError for all else that is wrong.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decode(data)
        except ImageError:
            raise
        # Decoders fed with damage raise nearly every class there is, KeyError included.
        except Exception as error:
            raise _failure(data, error) from error


def _decode(data: bytes) -> Picture:
    if not data:
        raise IncompleteImageError("empty file", REMEDY_INCOMPLETE)
    name = format_of(data)
    if not name:
        raise ImageError("not an image", REMEDY_NOT_IMAGE)
    if name == RAW or (name == "TIFF" and _is_raw(data)):
        return _decode_raw(data)
    return _picture(_open(data, name), name, len(data))


def _open(data: bytes, name: str) -> Image.Image:
    """The image with its header read, its pixels not yet."""
    stream = io.BytesIO(data)
    if name == JPEG:
        # Not Image.open, whose bomb check knows nothing of draft(); and no MPO, so no frames.
        return JpegImagePlugin.JpegImageFile(stream)
    if name == HEIF:
        try:
            import pillow_heif
        except ImportError:
            raise ImageError(
                "HEIC needs an extra that is not installed", "pip install 'imgscore[heic]'"
            ) from None
        pillow_heif.register_heif_opener()
    return Image.open(stream, formats=(name,))


def _picture(image: Image.Image, name: str, size: int, orientation: int = 1) -> Picture:
    """Loads, reduces, turns upright and describes an opened image of a file of `size` bytes.

    `orientation` is EXIF's, for images that carry none.
    """
    full_width, full_height = image.size
    image.draft(None, _working_size(full_width, full_height))
    needed = image.width * image.height * BYTES_PER_PIXEL + _coefficient_bytes(
        image, full_width * full_height
    )
    if needed > MAX_BYTES:
        raise ImageError(
            f"too large: {full_width} × {full_height} pixels need {needed >> 20} MB to decode",
            REMEDY_TOO_LARGE,
        )
    beside = image.width * image.height * memory.OF_DECODERS.get(name, 0)
    memory.check(needed + beside, f"{full_width} × {full_height} pixels")
    image.load()
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        # Loading turns a TIFF upright by itself, and an ICO may hold another size than it says.
        full_width, full_height = image.size
    exif = _exif(image)
    pixels, see_through = working_pixels(image, _working_size(full_width, full_height))
    if exif.orientation in TURNS:
        orientation = exif.orientation
    if orientation in TURNS:
        pixels = np.asarray(Image.fromarray(pixels).transpose(TURNS[orientation]))
    if orientation in SIDEWAYS:
        full_width, full_height = full_height, full_width
    luma = pixels[::2, ::2].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
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
            alpha=see_through,
            animated=_is_animated(image, name),
            brightness=float(luma.mean()),
            contrast=float(luma.std()),
            colourfulness=_colourfulness(pixels[::4, ::4]),
            sharpness=float(np.abs(np.diff(luma, axis=1)).mean()) if luma.shape[1] > 1 else 0.0,
        ),
    )


def _colourfulness(pixels: NDArray[np.uint8]) -> float:
    """The mean distance between the strongest and the weakest channel, from 0 to 1.

    Channel by channel: numpy takes sixteen times as long over an axis of three.
    """
    red, green, blue = (pixels[..., channel] for channel in range(3))
    strongest = np.maximum(np.maximum(red, green), blue)
    weakest = np.minimum(np.minimum(red, green), blue)
    return float((strongest - weakest).mean()) / 255


def _working_size(full_width: int, full_height: int) -> tuple[int, int]:
    """Width and height in pixels below which an image of this full size is not reduced."""
    width, height = layout(full_width, full_height).canvas
    return int(width * OVERSAMPLING), int(height * OVERSAMPLING)


def _coefficient_bytes(image: Image.Image, pixels: int) -> int:
    """What libjpeg holds of a progressive JPEG, whatever draft() asks: 2 bytes a coefficient."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not image.info.get("progressive"):
        return 0
    samples = [layer[1] * layer[2] for layer in image.layer]
    return int(2 * pixels * sum(samples) / max(samples))


def _exif(image: Image.Image) -> Exif:
    """EXIF facts; a broken block is as none, since the pixels do not depend on it."""
    try:
        tags = image.getexif()
        camera = facts.camera_name(
            facts.clean(tags.get(facts.MAKE)), facts.clean(tags.get(facts.MODEL))
        )
        orientation = tags.get(facts.ORIENTATION)
        return Exif(
            camera=camera,
            software=facts.clean(tags.get(facts.SOFTWARE)),
            taken=facts.iso_time(facts.clean(tags.get_ifd(facts.EXIF_FOLDER).get(facts.TAKEN))),
            located=facts.GPS_FOLDER in tags,
            orientation=orientation if isinstance(orientation, int) else 1,
        )
    except Exception:  # noqa: BLE001 - foreign bytes in a parser that raises anything
        return Exif()


def _is_animated(image: Image.Image, name: str) -> bool:
    """Whether more frames follow. Never their number: counting walks a hostile file to its end."""
    if name not in ANIMATED_FORMATS:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - a damaged second frame does not harm the first
        return False


def _is_raw(data: bytes) -> bool:
    """Whether a TIFF is a camera raw file: DNG's own tag, or a first page that is a thumbnail or
    holds what the sensor saw, which Pillow does not open."""
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if b"+" in data[2:4] else 8])
    stream = io.BytesIO(data)
    stream.seek(tags.next)
    tags.load(stream)
    return 50706 in tags or tags.get(262) in _SENSOR or (330 in tags and tags.get(254) == 1)


def _decode_raw(data: bytes) -> Picture:
    """A camera raw file by its embedded preview, which is what viewers show; developed if none."""
    try:
        import rawpy
    except ImportError:
        raise ImageError(
            "camera raw needs an extra that is not installed", "pip install 'imgscore[raw]'"
        ) from None
    with rawpy.imread(io.BytesIO(data)) as raw:
        try:
            preview = raw.extract_thumb()
        except rawpy.LibRawError:
            preview = None
        if preview is not None and preview.format == rawpy.ThumbFormat.JPEG:
            # Most previews carry no orientation of their own, and lie as the sensor did.
            turn = RAW_FLIPS.get(raw.sizes.flip, 1)
            return _picture(_open(preview.data, JPEG), RAW, len(data), turn)
        try:
            developed = raw.postprocess(half_size=True, use_camera_wb=True)
        except (rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawMemPoolOverflowError) as error:
            raise MemoryError from error
    return _picture(Image.fromarray(developed), RAW, len(data))


def _failure(data: bytes, error: Exception) -> ImageError:
    """What a decoder's exception means for the user."""
    said = error.args[0] if error.args else ""
    reason = facts.clean(said.decode(errors="replace") if isinstance(said, bytes) else str(said))
    if not reason or isinstance(error, UnidentifiedImageError):
        reason = "its header makes no sense"
    if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        limit = MAX_PIXELS // 1_000_000
        return ImageError(f"too large: more than {limit} megapixels", REMEDY_TOO_LARGE)
    # Decoders that run out of memory have many words for it, so here the verdict is another's.
    if isinstance(error, MemoryError) or (memory.is_modest() and not is_cut_off(data)):
        return NeedsMemoryError("too large: memory ran out while decoding", REMEDY_TOO_LARGE)
    if is_cut_off(data) or "truncated" in reason.lower():
        return IncompleteImageError(f"incomplete: {reason}", REMEDY_INCOMPLETE)
    return ImageError(f"broken {format_of(data)}: {reason}", REMEDY_BROKEN)
