"""Turn the exceptions of decoders into errors that say what is wrong with a file, and what to do.

Only workers import this module, because it imports Pillow.
"""

from PIL import Image, UnidentifiedImageError

from imgscore.errors import ImageError
from imgscore.images import memory, truncated
from imgscore.images import traits as facts
from imgscore.images.memory import REMEDY_TOO_LARGE, NeedsMemoryError
from imgscore.images.signature import format_of, is_cut_off
from imgscore.images.unsupported import REMEDY as REMEDY_UNSUPPORTED
from imgscore.images.unsupported import unsupported_kind

BOMBS = (Image.DecompressionBombWarning, Image.DecompressionBombError)
"""The exceptions of Pillow for an image with too many pixels."""
REMEDY_BROKEN = "open the file in an image viewer; if that also fails, the file is damaged"
REMEDY_INCOMPLETE = "wait until the file is fully written or downloaded, or download it again"
REMEDY_NOT_IMAGE = "if it is an image, give it the extension of its real type"


class IncompleteImageError(ImageError):
    """The error for a file whose end is missing, for example because it is still being written.

    Try the file again when it changes, or when it has not changed for a while.
    """


def may_be_cut_off(data: bytes, error: Exception) -> bool:
    """Return whether the end of a file that could not be decoded is missing."""
    return is_cut_off(data) or "truncated" in _text_of(error).lower()


def _text_of(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    return facts.clean(text.decode(errors="replace") if isinstance(text, bytes) else str(text))


def image_error(data: bytes, error: Exception, settled: bool) -> ImageError:
    """Return the ImageError that reports the exception of a decoder.

    `settled`: whether the file has not changed for so long that no program still writes it.
    """
    reason, name = _text_of(error), format_of(data)
    if not reason or isinstance(error, UnidentifiedImageError):
        reason = "its header is invalid"
    if isinstance(error, BOMBS):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        return ImageError(f"too large: more than {limit} megapixels", REMEDY_TOO_LARGE)
    # Decoders report a lack of memory by many different exceptions. A low-memory worker therefore
    # treats each failure as a lack of memory. A worker with more memory then tries the file again.
    # The result of this second worker is final.
    cut_off = may_be_cut_off(data, error)
    if isinstance(error, MemoryError) or (memory.is_low_memory() and not is_cut_off(data)):
        return NeedsMemoryError("too large: memory ran out while decoding", REMEDY_TOO_LARGE)
    if kind := unsupported_kind(data, name, reason):
        return ImageError(f"unsupported: {kind}", REMEDY_UNSUPPORTED)
    if cut_off and not settled:
        return IncompleteImageError(f"incomplete: {reason}", REMEDY_INCOMPLETE)
    if cut_off:
        return ImageError(f"damaged: the end of the file is missing: {reason}", truncated.REMEDY)
    return ImageError(f"broken {name}: {reason}", REMEDY_BROKEN)
