"""File names that count as images. A file's content is identified by `signature.py`.

The idle daemon imports this: nothing heavy may be imported here.
"""

# HEIC and camera raw are listed without their extra installed, too: the file is then reported as
# failed with the extra to install as the remedy, instead of being skipped silently.
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
    """Whether a file's name (any bytes, no folder) is that of a finished, visible image.

    Dotfiles are not. Unfinished downloads (`.part`, `.crdownload`, `.download`, `.tmp`) are not
    either: their suffix comes last and is not an image's.
    """
    dot = name.rfind(b".")
    return dot > 0 and name[dot:].lower() in IMAGE_SUFFIXES and not name.startswith(b".")
