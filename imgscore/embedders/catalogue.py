"""The UForm models that `imgscore model download` knows: where they come from, how large they are.

Only data. A folder of one's own needs no entry here.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One published model. Dimension of its vectors; megabytes to download, about.

    `revision` is the hub's commit. Where it is "main", the commit is looked up at the first
    download and recorded with the files' sums: trust on first use.
    """

    repository: str
    revision: str
    dim: int
    megabytes: int
    languages: str


# The makers' hub could not be reached when this was written. The small model's commit is the one
# that a public project pins; dimensions are the makers' own, and sizes but the small one's are a
# byte for each of the parameters that they count.
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
