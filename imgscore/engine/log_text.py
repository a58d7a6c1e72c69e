"""Numbers and paths as the log's lines have them."""

import os


def counted(count: int, noun: str) -> str:
    """`1 image`, `1,024 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def short_path(path: bytes) -> str:
    """A path as text, with ~ for the home folder."""
    text, home = os.fsdecode(path), os.path.expanduser("~")
    return f"~{text[len(home) :]}" if text == home or text.startswith(f"{home}/") else text


def of_taste(taste: str) -> str:
    """` of taste memes`; nothing for the default taste."""
    return "" if taste == "default" else f" of taste {taste}"
