"""Ids and sizes of the encoders of file names, and a function that splits a name into words.

This module is separate from `filenames.py`, because the idle daemon needs the ids and sizes but
must not import numpy, as `filenames.py` does.
"""

import re
import unicodedata

HASHED_ENCODER = "hashed-1"
"""The id of the hashed encoder. Increase the number at the end of the id if the vectors of the
encoder change."""
HASHED_DIM = 256
"""The number of values in a vector of the hashed encoder."""
NAME_SECTION = "name"
"""The name of the section that contains the vector of the file name. Sections are parts of the
input of a head."""

_SEPARATORS = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DIGITS = re.compile(r"\d+")


def words(name: bytes) -> str:
    """Split the name of a file into words: `MyCat_0042.jpg` → "my cat 0".

    `name`: the name of the file without its folder. The bytes need not be valid UTF-8.

    Each run of digits becomes "0". Thus IMG_0001 and IMG_0002 have equal words.
    """
    text = unicodedata.normalize("NFKC", name.decode("utf-8", "replace"))
    stem = text.rpartition(".")[0] or text
    spaced = _SEPARATORS.sub(" ", _CAMEL.sub(" ", stem)).strip().lower()
    return _DIGITS.sub("0", spaced)
