"""What is known of name encoders without loading one, and what a file's name says in words."""

import re
import unicodedata

HASHED = "hashed-1"
"""Id of the hashed encoder; raise its number when its vectors change."""
HASHED_DIM = 256
SECTION = "name"
"""Name of the section that names fill in what a head sees."""

_SEPARATORS = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DIGITS = re.compile(r"\d+")


def words(name: bytes) -> str:
    """A file's name (no folder, any bytes) as words: `MyCat_0042.jpg` → "my cat 0".

    Digits say nothing alone and are all read as one: IMG_0001, IMG_0002.
    """
    text = unicodedata.normalize("NFKC", name.decode("utf-8", "replace"))
    stem = text.rpartition(".")[0] or text
    spaced = _SEPARATORS.sub(" ", _CAMEL.sub(" ", stem)).strip().lower()
    return _DIGITS.sub("0", spaced)
