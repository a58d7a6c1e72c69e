"""The names of the sidecars of an image, and the images of a sidecar. This module reads no files.

`a.jpg.xmp` is the sidecar of `a.jpg`, as digiKam and darktable write it. `a.xmp` is the sidecar of
`a.CR2`, as Adobe's programs write it.
"""

import os

from imgscore.images.formats import IMAGE_SUFFIXES, RAW_SUFFIXES, is_image_name

SUFFIX = b".xmp"
_SPELLINGS = (b".xmp", b".XMP", b".Xmp")


def is_sidecar(name: bytes) -> bool:
    """Return whether a file name is the name of an XMP sidecar."""
    return name[-4:].lower() == SUFFIX and not name.startswith(b".") and len(name) > 4


def exact_sidecars(image: bytes) -> list[bytes]:
    """Return the possible paths of the sidecar with the whole name of the image: `a.jpg.xmp`."""
    return [image + spelling for spelling in _SPELLINGS]


def stem_sidecars(image: bytes) -> list[bytes]:
    """Return the possible paths of the sidecar with the name without its suffix: `a.xmp`.

    The list is empty if the name of the image has no suffix of an image format.
    """
    stem = _stem(image)
    return [] if stem is None else [stem + spelling for spelling in _SPELLINGS]


def raw_siblings(image: bytes) -> list[bytes]:
    """Return the possible paths of RAW files with the stem of an image that is no RAW file.

    If one of them exists, `a.xmp` belongs to the RAW file.
    """
    stem = _stem(image)
    if stem is None or image[len(stem) :].lower() in RAW_SUFFIXES:
        return []
    return [
        stem + spelling
        for suffix in sorted(RAW_SUFFIXES)
        for spelling in (suffix, suffix.upper(), suffix.title())
    ]


def images_of(sidecar: bytes) -> list[bytes]:
    """Return the possible paths of the images that a sidecar belongs to.

    The names are compared in their usual spellings: a suffix in lower or upper case.
    """
    described = sidecar[: -len(SUFFIX)]
    if is_image_name(os.path.basename(described)):
        return [described]
    return [
        described + spelling
        for suffix in sorted(IMAGE_SUFFIXES)
        for spelling in (suffix, suffix.upper(), suffix.title())
    ]


def _stem(image: bytes) -> bytes | None:
    dot = image.rfind(b".")
    suffix = image[dot:].lower()
    return image[:dot] if suffix in IMAGE_SUFFIXES and dot > image.rfind(b"/") + 1 else None
