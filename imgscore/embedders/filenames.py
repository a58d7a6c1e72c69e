"""Turn file names into vectors.

The built-in model uses hashed n-grams. Other models use their own text encoders. The vectors of
names are stored separately from the vectors of images: two files with equal bytes share the vector
of the image, but they can have different names.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.filename_spec import HASHED_DIM, words

if TYPE_CHECKING:
    from imgscore.embedders import uform_spec
    from imgscore.embedders.onnx_spec import OnnxFolder

NameEncoder = Callable[[Sequence[bytes]], NDArray[np.float16]]
"""The type of a function that maps n file names to vectors float16 [n, dim]. The names are bytes
without the folder, and need not be valid UTF-8."""

MIN_NGRAM, MAX_NGRAM = 3, 5
"""The smallest and the largest number of characters in an n-gram. A word has a space at each end,
and n-grams include these spaces."""


def hash_names(names: Sequence[bytes]) -> NDArray[np.float16]:
    """Return vectors float16 [n, HASHED_DIM] of unit length for n file names.

    The vector of a name without letters and digits is zero. The method is feature hashing of
    character n-grams (Weinberger et al. 2009). The CRC-32 of an n-gram selects the column. The top
    bit of the CRC selects the sign, so that collisions cancel on average.
    """
    result = np.zeros((len(names), HASHED_DIM), np.float32)
    for row, name in zip(result, names, strict=True):
        for word in words(name).split():
            padded = f" {word} "
            for size in range(MIN_NGRAM, MAX_NGRAM + 1):
                for start in range(len(padded) - size + 1):
                    checksum = zlib.crc32(padded[start : start + size].encode())
                    row[checksum % HASHED_DIM] += 1.0 if checksum >> 31 else -1.0
    lengths = np.linalg.norm(result, axis=1, keepdims=True)
    result /= np.maximum(lengths, 1.0)
    return result.astype(np.float16)


def text_encoder(folder: uform_spec.Folder | OnnxFolder) -> NameEncoder:
    """Load the text encoder of a model, and return a function that maps file names to unit vectors.

    Raises ImgscoreError if the model has no text encoder.
    """
    from imgscore.embedders.text_encoder import load

    encode = load(folder)

    def encode_names(names: Sequence[bytes]) -> NDArray[np.float16]:
        return encode([words(name) for name in names]).astype(np.float16)

    return encode_names
