"""Removes names from texts, so that a user can publish the texts.

A word stays only if imgscore's own messages or the system's error messages contain it. Each other
word is hidden. A name that is known, such as the path of an inbox, becomes a hash with a random
key. The hash is the same in the whole bundle, and nobody can compute it from a guessed name.
"""

import ast
import builtins
import errno
import hashlib
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import imgscore
from imgscore import errors
from imgscore.escape import printable

HIDDEN = "<…>"
HASH_BYTES = 4
"""The number of bytes of a hash. With four bytes, two of 1,000 names have the same hash with a
probability of 0.01 %."""
MIN_NAME = 2
"""The smallest number of characters of a name that is searched in texts."""
PLAIN = frozenset({"default", "imgscore", "imgscored", "inbox", "keep", "trash"})
"""Names that imgscore gives by itself, so they reveal nothing."""
_LETTERS = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:[.,:]\d+){0,3}(?:%|[A-Za-z]{1,3})?")
_TIME = re.compile(r"(?:<\d>)?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d+)? ")
_FRAME = re.compile(r'(\s*)File "(.+)", line (\d+), in ([\w<>]+)')
_ENDS = "()[]{}\"'`,.;:!?…–=→×"
_MARK = "\x00"


class Scrubber:
    """Scrubs the texts of one bundle. `salt`: the key of the hashes.

    `names`: pairs (kind, name) of the known names. The kinds are "path", "folder", "taste", "word",
    "user" and "host". The names in a path are hidden alone, too; a "folder" is one of imgscore's
    own folders, whose names reveal nothing. `public`: words that stay although they are not in the
    vocabulary, such as the id of a model.
    """

    def __init__(
        self, salt: bytes, names: Iterable[tuple[str, str]], public: Iterable[str] = ()
    ) -> None:
        self._salt = salt
        self._vocabulary = vocabulary()
        self._public = {*public, *_file_systems()}
        given = [(form, kind) for kind, name in names for form in (name, printable(name))]
        known = {name: kind for name, kind in given if _is_searched(name)}
        for name in [name for name, kind in known.items() if kind == "path"]:
            for part in name.split("/"):
                if _is_searched(part):
                    known.setdefault(part, "name")
        self._kinds = {name.casefold(): kind for name, kind in known.items()}
        longest_first = sorted(known, key=len, reverse=True)
        # \w on both sides: a taste `cat` is not replaced in the word `category`.
        pattern = "|".join(re.escape(name) for name in longest_first)
        self._known = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE) if known else None

    def hashed(self, name: str, kind: str) -> str:
        """Return the hash of a name. `kind`: what the name stands for, such as "taste"."""
        return f"<{kind} {self._hash(name)}>"

    def path(self, path: str) -> str:
        """Return a path in which each name is hashed, so that equal folders can be recognised."""
        return "/".join(
            part if part in PLAIN or not part else f"<{self._hash(part)}>"
            for part in path.split("/")
        )

    def text(self, text: str) -> str:
        """Return a text in which all names are hashed or hidden."""
        return "\n".join(map(self._line, text.split("\n")))

    def _hash(self, name: str) -> str:
        data = name.casefold().encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._salt, digest_size=HASH_BYTES).hexdigest()

    def _line(self, line: str) -> str:
        if frame := _FRAME.fullmatch(line):
            indent, file, number, function = frame.groups()
            known = _module_file(file)
            return f"{indent}File {known or HIDDEN}, line {number}, in {function if known else ''}"
        time = _TIME.match(line)
        start = time[0] if time else ""
        rest = line[len(start) :].replace(_MARK, "")
        hashes: list[str] = []

        def replace(match: re.Match[str]) -> str:
            hashes.append(self.hashed(match[0], self._kinds.get(match[0].casefold(), "name")))
            return f"{_MARK}{len(hashes) - 1}{_MARK}"

        if self._known is not None:
            rest = self._known.sub(replace, rest)
        words = [self._word(word, hashes) for word in rest.split()]
        shown = [
            word for at, word in enumerate(words) if word != HIDDEN or words[at - 1 : at] != [word]
        ]
        return start + " ".join(shown)

    def _word(self, word: str, hashes: list[str]) -> str:
        if _MARK in word:
            parts = word.split(_MARK)  # every second part is the number of a hash
            return "".join(
                hashes[int(part)] if at % 2 else ("…" if part.strip(_ENDS) else part)
                for at, part in enumerate(parts)
            )
        core = word.strip(_ENDS)
        if not core or core in self._public or _NUMBER.fullmatch(core):
            return word
        is_path = core.startswith(("/", "~")) or "\\" in core
        plain = core.isascii() and not is_path and not any(c.isdigit() for c in core)
        if plain and all(run.lower() in self._vocabulary for run in _LETTERS.findall(core)):
            return word
        return HIDDEN


def _is_searched(name: str) -> bool:
    return len(name) >= MIN_NAME and name not in PLAIN and bool(name.strip(_ENDS + " "))


def _file_systems() -> list[str]:
    """Return the names of the file systems that the kernel supports, such as ext4."""
    with suppress(OSError):
        return Path("/proc/filesystems").read_text(encoding="ascii").split()
    return []


def _module_file(file: str) -> str | None:
    """Return the path of a module in its package; None if the file is in no package folder."""
    roots = [str(Path(imgscore.__file__).parent.parent)]
    roots += [sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")]
    for root in roots:
        if file.startswith(f"{root}/") and file.endswith(".py"):
            return file[len(root) + 1 :]
    return None


def vocabulary() -> set[str]:
    """Return the words of all messages of imgscore and of the system, in lower case.

    The words come from the string constants of the source, without the docstrings and without the
    demo, whose texts are examples.
    """
    words: set[str] = set()
    for file in _sources():
        for text in _constants(ast.parse(file.read_text(encoding="utf-8"))):
            words.update(run.lower() for run in _LETTERS.findall(text))
    for number in errno.errorcode:
        words.update(run.lower() for run in _LETTERS.findall(os.strerror(number)))
    kinds = [*vars(builtins).values(), *vars(errors).values()]
    words.update(kind.__name__.lower() for kind in kinds if isinstance(kind, type))
    return words


def _sources() -> Iterator[Path]:
    """Yield the source files of imgscore and of the daemon. An incomplete installation has none."""
    folder = Path(imgscore.__file__).parent
    daemon = [folder.parent / "imgscored", folder.parent / "daemon/imgscored"]
    for root in (folder, *daemon):
        for file in sorted(root.rglob("*.py")):
            if "demo" not in file.relative_to(root).parts:
                yield file


def _constants(tree: ast.AST) -> Iterator[str]:
    """Yield the string constants of a module that are no docstrings."""
    skipped = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
        ):
            yield node.value
