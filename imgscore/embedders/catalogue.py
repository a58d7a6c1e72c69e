"""The UForm models that `imgscore model download` offers: their origin and size. Data only.

A folder with a user's own model needs no entry here.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One published model.

    revision: the hub's commit. For "main", the first download looks the commit up and records it
    with the files' checksums (trust on first use). dim: length of its vectors. megabytes: size of
    the download, about.
    """

    repository: str
    revision: str
    dim: int
    megabytes: int
    languages: str


# Sources: another public project pins the small model's commit. Dimensions are the makers' figures.
# Sizes other than the small model's are estimates: a byte for each parameter.
UFORM = {
    "uform3-small": Entry(
        "unum-cloud/uform3-image-text-english-small",
        "a8d990ed0dc6340b9c25cb47f06f86b9ecb67fa6",
        256,
        61,
        "English",
    ),
    "uform3-base": Entry("unum-cloud/uform3-image-text-english-base", "main", 256, 143, "English"),
    "uform3-large": Entry(
        "unum-cloud/uform3-image-text-english-large", "main", 768, 365, "English"
    ),
    "uform3-multilingual-base": Entry(
        "unum-cloud/uform3-image-text-multilingual-base", "main", 256, 206, "21 languages"
    ),
}
