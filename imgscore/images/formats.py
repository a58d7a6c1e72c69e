"""Which file names are taken for images. Names only: what a file really is, `signature.py` says.

The idle daemon uses this, so nothing heavy is imported.
"""

# Camera raw and HEIC are listed whether or not their extra is installed: without it the user is
# told what to install, which is better than a file silently left out.
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
    """Whether a file's name (no folder; any bytes) is that of a finished, visible image.

    Dotfiles are not; nor are unfinished downloads (`.part`, `.crdownload`, `.download`, `.tmp`),
    because those suffixes come last and are no image's.
    """
    dot = name.rfind(b".")
    return dot > 0 and name[dot:].lower() in IMAGE_SUFFIXES and not name.startswith(b".")
