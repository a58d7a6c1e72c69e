"""The names of the JSON files that Google Photos and download programs put beside images.

The functions use only names, and read nothing from the disk.
"""

import re

_WORD = b"supplemental-metadata"
_MAX_STEM = 46
"""The largest number of bytes of the name before `.json`. Google cuts longer names off."""
_OF_IMAGE = re.compile(
    rb"(?P<stem>.+)(?P<suffix>\.[a-z0-9]{2,5})(?P<copy>\([0-9]+\))?",
    re.IGNORECASE | re.DOTALL,
)
_WITH_WORD = re.compile(
    rb"(?P<image>.+\.[a-z0-9]{2,5})\.(?P<word>s[a-z-]*)(?P<copy>\([0-9]+\))?",
    re.IGNORECASE | re.DOTALL,
)
_COPY = re.compile(rb"(?P<stem>.+)(?P<copy>\([0-9]+\))", re.DOTALL)


def image_of(name: bytes) -> bytes | None:
    """Return the name of the image that a JSON file describes, if its name contains this name.

    `name`: the name of the JSON file without `.json`. `a.jpg`, `a.jpg.supplemental-metadata` and
    `a.jpg.suppl` belong to `a.jpg`; `a.jpg(2)` belongs to `a(2).jpg`. For the name `a`, the result
    is None.
    """
    longer = _WITH_WORD.fullmatch(name)
    if longer is not None and _WORD.startswith(longer["word"].lower()):
        name = longer["image"] + (longer["copy"] or b"")
    parts = _OF_IMAGE.fullmatch(name)
    if parts is None:
        return None
    return parts["stem"] + (parts["copy"] or b"") + parts["suffix"]


def names_for(name: bytes) -> list[bytes]:
    """Return the possible names of the JSON files that describe the image `name`."""
    stem, dot, suffix = name.rpartition(b".")
    names = [name + b".json", stem + b".json", (name + b"." + _WORD)[:_MAX_STEM] + b".json"]
    copy = _COPY.fullmatch(stem)
    if copy is not None:
        plain = copy["stem"] + dot + suffix
        for before in (plain, (plain + b"." + _WORD)[:_MAX_STEM]):
            names.append(before + copy["copy"] + b".json")
    return names
