"""Find out whether a file is damaged, or whole but of a kind that no decoder here supports.

Only workers import this module, because it imports Pillow.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct

from PIL import Image, PsdImagePlugin

from imgscore.images import jpeg, tiff
from imgscore.images.signature import JPEG

REMEDY = "convert the file to JPEG, PNG or WebP with an image program"

_REFUSAL = re.compile(
    r"unsupported|not (yet )?supported|cannot handle|unknown (pixel mode|data organization)"
    r"|not available|not implemented|unable to determine \w+ image mode",
    re.IGNORECASE,
)
"""The texts by which Pillow and its plugins refuse a file that they cannot decode."""
_PSD_MODES = {
    0: "bitmap", 1: "grey", 2: "indexed", 3: "RGB", 4: "CMYK", 7: "multichannel", 8: "duotone",
    9: "Lab",
}  # fmt: skip


def unsupported_kind(data: bytes, name: str, reason: str) -> str | None:
    """Return what is unsupported in a file that could not be decoded, or None if it is damaged.

    `name`: the format of the file. `reason`: the text of the decoder's error.
    """
    with contextlib.suppress(Exception):  # untrusted bytes may cause any exception class
        if kind := _kind_in_header(data, name):
            return kind
    if _REFUSAL.search(reason):
        return f"{name}: {reason}"
    refusal = _refusal(data, name)
    return f"{name}: {refusal}" if refusal else None


def _kind_in_header(data: bytes, name: str) -> str | None:
    match name:
        case "JPEG":
            return jpeg.unsupported_kind(data)
        case "PNG":
            return "iOS variant of PNG" if data[12:16] == b"CgBI" else None
        case "PSD":
            version, channels, depth, mode = struct.unpack_from(">4xH6xH8xHH", data)
            if version == 2:
                return "PSB, the large document format of Photoshop"
            if (mode, depth) not in PsdImagePlugin.MODES:
                return f"{_PSD_MODES.get(mode, '')} PSD with {channels} channels of {depth} bits"
            return None
        case "TIFF":
            compression = tiff.unsupported_compression(data)
            return f"TIFF with compression {compression}" if compression else None
        case _:
            return None


def _refusal(data: bytes, name: str) -> str:
    """Return the text by which the plugin of a format refuses a file, or '' if it gives none.

    Image.open does not pass this text on.
    """
    if name not in Image.OPEN or name == JPEG:
        return ""
    try:
        Image.OPEN[name][0](io.BytesIO(data), "")
    except Exception as error:  # noqa: BLE001 - untrusted bytes may cause any exception class
        text = str(error)
        return text if _REFUSAL.search(text) else ""
    return ""
