"""Finds folders in an inbox whose names show that they contain sorted images, such as Rejected/.

For a new watch, it also asks the user whether images in them get a label.
"""

import os
import shlex
import sys
import unicodedata
from collections.abc import Iterable
from typing import Literal, NamedTuple

import typer

from imgscore.cli.output import printable, wrapped
from imgscore.reconcile.inbox_survey import Survey
from imgscore.watches import within

KEEP_NAMES = frozenset((
    "keep", "keeps", "keeper", "keepers", "kept", "select", "selects", "selected", "pick", "picks",
    "picked", "best", "best of", "favorite", "favorites", "favourite", "favourites", "faves",
    "favs", "good", "liked", "likes", "favoriten", "beste", "behalten", "auswahl", "garder",
    "conservar", "selección", "selecionadas", "tenere", "bewaren", "spara", "behold",
))  # fmt: skip
"""Common names of folders of images to keep, in lower case, in English and other languages."""
TRASH_NAMES = frozenset((
    "trash", "reject", "rejects", "rejected", "delete", "deleted", "to delete", "discard",
    "discarded", "disliked", "outtakes", "bad", "recycle bin", "papierkorb", "gelöscht",
    "ausschuss", "corbeille", "rejetées", "papelera", "rechazadas", "lixeira", "rejeitadas",
    "cestino", "scartate", "prullenbak", "papperskorg", "papirkurv",
))  # fmt: skip
"""Common names of folders of images to delete, in lower case, in English and other languages."""


Label = Literal["keep", "trash"]
_MAX_NAMED = 3
"""The largest number of folders that a question names. It must stay readable on a terminal."""


class SortedFolders(NamedTuple):
    """The folders in an inbox that probably contain sorted images, relative to the inbox."""

    keep: list[str]
    trash: list[str]


def find(inbox: bytes, folders: Iterable[bytes]) -> SortedFolders:
    """Return those of `folders` that probably contain images to keep or to delete.

    The folders `keep` and `trash` of the inbox are left out: imgscore uses these without a setting.
    Folders below a found folder are left out, too: its label is also theirs.
    """
    found = SortedFolders([], [])
    above: set[bytes] = set()
    for folder in sorted(folders):
        if folder == inbox:
            continue
        parent = os.path.dirname(folder)
        label = "default" if _is_default(inbox, folder) else label_of(os.path.basename(folder))
        if parent in above or label is not None:
            above.add(folder)
        if parent not in above and label in ("keep", "trash"):
            getattr(found, label).append(os.fsdecode(os.path.relpath(folder, inbox)))
    return found


def label_of(name: bytes) -> Label | None:
    """Return the label that the name of a folder promises, such as `_Rejected` or `2 Selects`.

    Case, and digits and punctuation around the words, do not matter.
    """
    text = unicodedata.normalize("NFC", os.fsdecode(name)).casefold()
    words = "".join(letter if letter.isalpha() else " " for letter in text).split()
    plain = " ".join(words)
    return "keep" if plain in KEEP_NAMES else "trash" if plain in TRASH_NAMES else None


def _is_default(inbox: bytes, folder: bytes) -> bool:
    """Return whether a folder is the folder `keep` or `trash` of the inbox.

    If the file system ignores the case of names, `Keep` is the folder `keep`.
    """
    name = os.path.basename(folder)
    if os.path.dirname(folder) != inbox or name.lower() not in (b"keep", b"trash"):
        return False
    try:
        return os.path.samefile(os.path.join(inbox, name.lower()), folder)
    except OSError:
        return False


class Choice(NamedTuple):
    """The label folders of a new watch, as the options give them, and notes for the user."""

    keep: list[str] | None
    trash: list[str] | None
    notes: list[str]


def choose(
    inbox: bytes,
    contents: Survey,
    keep: list[str] | None,
    trash: list[str] | None,
    *,
    yes: bool,
    asks: bool,
) -> Choice:
    """Return the label folders of a new watch.

    If a folder such as Rejected/ exists and the option for its label is not given, ask the user
    whether to use it. If no question can be asked, a note names the option.

    `keep`, `trash`: the options. `yes`: use the folders without a question. `asks`: whether a
    question can be asked.
    """
    notes: list[str] = []
    chosen: dict[str, list[str] | None] = {"keep": keep, "trash": trash}
    for label, names in find(inbox, contents.images)._asdict().items():
        if not names or chosen[label]:
            continue
        count = sum(contents.count_in(os.path.join(inbox, os.fsencode(name))) for name in names)
        if yes or (asks and _agrees(names, count, label)):
            # Without a folder beside the images, the label's own folder is used, too.
            own = os.path.isdir(os.path.join(inbox, label.encode()))
            own = own or all("/" in name for name in names)
            chosen[label] = [*([label] if own else []), *names]
        elif not asks:
            notes.append(_note(inbox, names, label))
    return Choice(chosen["keep"], chosen["trash"], notes)


def unused(inbox: bytes, contents: Survey, used: Iterable[bytes]) -> list[str]:
    """Return a note for each label with folders such as Rejected/ that a watched inbox does not
    use.

    `used`: the label folders of the watch. The config stays as it is: an option changes it.
    """
    folders = set(used)
    notes: list[str] = []
    for label, names in find(inbox, contents.images)._asdict().items():
        rest = [
            name
            for name in names
            if not any(within(os.path.join(inbox, os.fsencode(name)), folder) for folder in folders)
        ]
        if rest:
            notes.append(
                f"the folder is watched already, so its settings stay: {_note(inbox, rest, label)}"
            )
    return notes


def _note(inbox: bytes, names: list[str], label: str) -> str:
    """Return a note that folders are not used for a label, and how to use them."""
    options = " ".join(f"--{label} {shlex.quote(name)}" for name in names)
    return (
        f"{_listed(names)} in the inbox {'is' if len(names) == 1 else 'are'} not used for "
        f"the label {label}; to use {'it' if len(names) == 1 else 'them'}: imgscore init "
        f"{shlex.quote(os.fsdecode(inbox))} {options}"
    )


def _agrees(names: list[str], count: int, label: str) -> bool:
    images = f"the {count} images" if count > 1 else "the image" if count else "images"
    question = f"Give {images} in {_listed(names)} the label {label} [y/N]:"
    text = wrapped(question, sys.stderr)
    return typer.confirm(text, show_default=False, prompt_suffix=" ", err=True)


def _listed(names: list[str]) -> str:
    """Return the names of folders as text. Of many folders, only the first ones are named."""
    first = [f"{printable(name)}/" for name in names[:_MAX_NAMED]]
    more = len(names) - len(first)
    if more:
        return f"{', '.join(first)} and {more} other {'folder' if more == 1 else 'folders'}"
    return " and ".join([", ".join(first[:-1]), first[-1]] if len(first) > 1 else first)
