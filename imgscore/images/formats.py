"""Recognise image files by their names. `signature.py` recognises image files by their bytes.

The idle daemon imports this module. It must therefore import no heavy modules.
"""

# HEIC and camera raw need extras of the package imgscore. The suffixes of these formats are
# accepted even if the extras are not installed. Without the extra, the file is reported as failed,
# and the remedy names the extra.
HEIF_SUFFIXES = frozenset({b".heic", b".heif", b".hif"})
RAW_SUFFIXES = frozenset(
    {b".arw", b".cr2", b".cr3", b".dng", b".nef", b".nrw", b".orf", b".pef", b".raf", b".rw2"}
    | {b".srw", b".x3f"}
)
PLAIN_SUFFIXES = frozenset(
    {b".jpg", b".jpeg", b".jpe", b".jfif", b".png", b".apng", b".gif", b".webp", b".avif"}
    | {b".bmp", b".dib", b".tif", b".tiff", b".ico", b".jp2", b".j2k", b".jpx", b".psd", b".qoi"}
    | {b".ppm", b".pgm", b".pbm", b".pnm"}
)
IMAGE_SUFFIXES = PLAIN_SUFFIXES | HEIF_SUFFIXES | RAW_SUFFIXES


def is_image_name(name: bytes) -> bool:
    """Return whether `name` is the name of a finished, visible image.

    `name`: the name of the file without its folder. The bytes need not be valid UTF-8.

    The names of hidden files start with a dot and are not accepted. The names of unfinished
    downloads (`.part`, `.crdownload`, `.download`, `.tmp`) are not accepted, because their last
    suffix is not an image suffix.
    """
    dot = name.rfind(b".")
    return dot > 0 and name[dot:].lower() in IMAGE_SUFFIXES and not name.startswith(b".")
