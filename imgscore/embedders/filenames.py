"""File names as vectors: hashed runs of letters for the embedded model, UForm's text encoder else.

A name says what a camera or a person called a file, nothing of its pixels, so these vectors are
kept apart from the images'.
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
"""File names (no folder) → vectors [n, dim]."""

SHORTEST, LONGEST = 3, 5
"""Letters of a run, its word's edges included."""


def hashed(names: Sequence[bytes]) -> NDArray[np.float16]:
    """Vectors [n, HASHED_DIM] of unit length; zero for a name without letters.

    Runs of SHORTEST to LONGEST letters of each word fall on a column by their checksum, with a sign
    of their own so that collisions cancel (Weinberger et al. 2009).
    """
    result = np.zeros((len(names), HASHED_DIM), np.float32)
    for row, name in zip(result, names, strict=True):
        for word in words(name).split():
            edged = f" {word} "
            for size in range(SHORTEST, LONGEST + 1):
                for start in range(len(edged) - size + 1):
                    number = zlib.crc32(edged[start : start + size].encode())
                    row[number % HASHED_DIM] += 1.0 if number >> 31 else -1.0
    lengths = np.linalg.norm(result, axis=1, keepdims=True)
    result /= np.maximum(lengths, 1.0)
    return result.astype(np.float16)


def uform_encoder(folder: Folder) -> NameEncoder:
    """UForm's text encoder over names: → vectors [n, dim] of unit length, one name at a time.

    Raises ImgscoreError where the folder has no text encoder in ONNX.
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
