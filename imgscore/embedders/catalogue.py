"""The UForm models that `imgscore model download` offers, with their origin and size.

This module contains only data. A folder with a user's own model needs no entry here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Entry(NamedTuple):
    """One published model.

    `repository`: the name of the model's repository on the hub.
    `revision`: a commit of the repository, or "main". If it is "main", the first download uses the
    newest commit. The download stores this commit with the checksums of the files (trust on first
    use).
    `dim`: the number of values in a vector of the model: the embedding, and the mean and the
    deviation of the tokens.
    `megabytes`: the size of the download, or None if it is not known.
    `languages`: the languages that the text encoder supports.
    `sha256`: the sha256 of files, as another public project has published them. They are a second
    witness: a download must fit both the hub and these.
    """

    repository: str
    revision: str
    dim: int
    megabytes: int | None
    languages: str
    sha256: Mapping[str, str] = MappingProxyType({})


# The commit of the small model is the commit that another public project uses. The widths of the
# tokens are those of ViT-S (384), ViT-B (768) and ViT-L (1024).
UFORM = {
    "uform3-small": Entry(
        "unum-cloud/uform3-image-text-english-small",
        "a8d990ed0dc6340b9c25cb47f06f86b9ecb67fa6",
        256 + 2 * 384,
        61,
        "English",
    ),
    "uform3-base": Entry(
        "unum-cloud/uform3-image-text-english-base",
        "main",
        256 + 2 * 768,
        83,
        "English",
        MappingProxyType(
            {
                "image_encoder.onnx": (
                    "54b479c5f73afcf2d020c10169bd7b51e892c7dcca2635390cea949a1093437e"
                ),
                "text_encoder.onnx": (
                    "ac4e7765b4951b4ebe9001f35d7deb1dadf77cde697c363ba90d2c44f71c052b"
                ),
                "tokenizer.json": (
                    "19a57dcc34c9491ae5049f69d49db9081ecf2556f728b31f24aafadfdc2025de"
                ),
            }
        ),
    ),
    "uform3-large": Entry(
        "unum-cloud/uform3-image-text-english-large", "main", 768 + 2 * 1024, None, "English"
    ),
    "uform3-multilingual-base": Entry(
        "unum-cloud/uform3-image-text-multilingual-base",
        "main",
        256 + 2 * 768,
        None,
        "21 languages",
    ),
}
