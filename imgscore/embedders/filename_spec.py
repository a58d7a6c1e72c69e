"""Facts about name encoders (ids and sizes), and the words of a file name.

Apart from `filenames.py` because the idle daemon needs them, and filenames imports numpy.
"""

import re
import unicodedata

HASHED_ENCODER = "hashed-1"
"""Id of the hashed encoder; raise its number when its vectors change."""
HASHED_DIM = 256
"""Length of its vectors."""
NAME_SECTION = "name"
"""Name of the section of a head's input that holds the vector of the file name."""

_SEPARATORS = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DIGITS = re.compile(r"\d+")


def words(name: bytes) -> str:
    """Split a file's name (any bytes, no folder) into words: `MyCat_0042.jpg` → "my cat 0".

    Each run of digits becomes "0", so that IMG_0001 and IMG_0002 have the same words.
    """
    text = unicodedata.normalize("NFKC", name.decode("utf-8", "replace"))
    stem = text.rpartition(".")[0] or text
    spaced = _SEPARATORS.sub(" ", _CAMEL.sub(" ", stem)).strip().lower()
    return _DIGITS.sub("0", spaced)
