"""Decode JPEG XL with the optional package pylibjxl.

The package's own plugin for Pillow is not used: it starts a thread for each CPU, and it applies the
EXIF orientation to pixels that libjxl has turned upright already.
"""

from PIL import ExifTags, Image

from imgscore.errors import ImageError
from imgscore.images import memory

DECODER_BYTES_PER_PIXEL = 12
"""The largest number of bytes that libjxl and the copies of its result need for each pixel, in
addition to the decoded image. 6 were measured for RGB; with alpha there are 4 more."""
REMEDY = "pip install 'imgscore[jxl]'"


def read(data: bytes, max_pixels: int) -> Image.Image:
    """Decode the first frame of a JPEG XL file. The image is upright.

    Raises ImageError if pylibjxl is not installed, or if the image has more than `max_pixels`
    pixels. Raises NeedsMemoryError if this process may not use enough memory.
    """
    try:
        import pylibjxl
    except ImportError:
        raise ImageError(
            "unsupported: JPEG XL needs an extra that is not installed", REMEDY
        ) from None
    about = pylibjxl.probe(data)
    width, height = int(about["width"]), int(about["height"])
    if width * height > max_pixels:
        raise ImageError(
            f"too large: more than {max_pixels // 1_000_000} megapixels", memory.REMEDY_TOO_LARGE
        )
    memory.check(width * height * (4 + DECODER_BYTES_PER_PIXEL), f"{width} × {height} pixels")
    with pylibjxl.JXL(threads=1) as decoder:
        pixels, metadata = decoder.decode(data, metadata=True)
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[2:] == (1,) else pixels)
    if "exif" in metadata:
        exif = Image.Exif()
        exif.load(metadata["exif"])
        exif.pop(ExifTags.Base.Orientation, None)
        image.info["exif"] = exif.tobytes()
    vars(image)["is_animated"] = bool(about.get("have_animation"))
    return image
