"""The UForm models that `imgscore model download` offers, with their origin and size.

This module contains only data. A folder with a user's own model needs no entry here.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One published model.

    `repository`: the name of the model's repository on the hub.
    `revision`: a commit of the repository, or "main". If it is "main", the first download uses the
    newest commit. The download stores this commit with the checksums of the files (trust on first
    use).
    `dim`: the number of values in a vector of the model.
    `megabytes`: the approximate size of the download.
    `languages`: the languages that the text encoder supports.
    """

    repository: str
    revision: str
    dim: int
    megabytes: int
    languages: str


# The commit of the small model is the commit that another public project uses. The dimensions are
# published by the makers of the models. The sizes of the larger models are estimates with one byte
# for each parameter.
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
