"""Functions that format numbers, paths and tastes for the log."""

import os


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 image` or `1,024 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def short_path(path: bytes) -> str:
    """Return a path as text, with ~ for the home folder."""
    text, home = os.fsdecode(path), os.path.expanduser("~")
    return f"~{text[len(home) :]}" if text == home or text.startswith(f"{home}/") else text


def of_taste(taste: str) -> str:
    """Return a text such as ` of taste memes`, or "" for the default taste."""
    return "" if taste == "default" else f" of taste {taste}"
