"""Turn file names into vectors: hashed n-grams for the built-in model, else UForm's text encoder.

Name vectors are stored apart from image vectors: a name belongs to a file, an image vector to its
bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.filename_spec import HASHED_DIM, words

if TYPE_CHECKING:
    from imgscore.embedders.uform_spec import Folder

NameEncoder = Callable[[Sequence[bytes]], NDArray[np.float16]]
"""File names (any bytes, no folder) → vectors float16 [n, dim]."""

MIN_NGRAM, MAX_NGRAM = 3, 5
"""Characters of an n-gram; the space at each end of a word counts."""


def hash_names(names: Sequence[bytes]) -> NDArray[np.float16]:
    """Vectors float16 [n, HASHED_DIM] of unit length; zero for a name without letters or digits.

    Feature hashing of character n-grams (Weinberger et al. 2009): an n-gram's CRC-32 selects its
    column, and the CRC's top bit its sign, so that collisions cancel on average.
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


def uform_encoder(folder: Folder) -> NameEncoder:
    """Load UForm's text encoder for names. Its vectors have unit length.

    It runs one name at a time, because a quantised model's vector depends on its batch. Raises
    ImgscoreError if the folder has no text encoder in ONNX.
    """
    from imgscore.embedders.onnx_session import make_session
    from imgscore.embedders.uform_spec import TOKENIZER
    from imgscore.errors import ImgscoreError

    weights = folder.text_weights
    if weights is None or weights.suffix != ".onnx":
        raise ImgscoreError(
            f"{folder.path} has no text encoder for file names",
            "copy text_encoder.onnx and tokenizer.json there, or set use_filename = false",
        )
    from uform.numpy_processors import TextProcessor

    processor = TextProcessor(str(folder.config), str(folder.path / TOKENIZER))
    session = make_session(weights)
    output = session.get_outputs()[-1].name

    def encode(names: Sequence[bytes]) -> NDArray[np.float16]:
        result = np.empty((len(names), folder.image.embedding_dim), np.float16)
        for row, name in zip(result, names, strict=True):
            vector = session.run([output], processor(words(name)))[0][0]
            row[:] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return result

    return encode
