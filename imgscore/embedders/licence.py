"""Find the licence that a model's folder states."""

from __future__ import annotations

import re
from pathlib import Path

# The model cards of the hub begin with a block of YAML between two lines of three dashes.
_CARD = re.compile(r"\A---\s*\n(.*?)\n---\s*\n", re.DOTALL)
_FIELD = re.compile(r"^(license|license_name):[ \t]*['\"]?([^'\"#\n]+)", re.MULTILINE)
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
MAX_BYTES = 1 << 20
"""The number of bytes that are read from a file. Model cards and licences are much smaller."""


def licence_of(folder: Path) -> str | None:
    """Return the licence of a model, or None if the folder does not state one.

    The result is the licence in the model card (README.md), or the first line of the licence file.
    """
    card = _CARD.match(_text(folder / "README.md"))
    if card is not None:
        found = _FIELD.findall(card[1])
        fields: dict[str, str] = {key: value.strip() for key, value in found}
        # The card of a model with its own licence says "other", and has the name beside it.
        named = fields.get("license_name") if fields.get("license") == "other" else None
        stated = named or fields.get("license")
        if stated:
            return stated[:80]
    for name in _FILES:
        lines = [line.strip() for line in _text(folder / name).splitlines() if line.strip()]
        if lines:
            return lines[0][:80]
    return None


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return ""
