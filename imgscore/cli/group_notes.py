"""Prints the notes that follow the rows of `groups`: how many groups it has, and what is missing.

The notes go to stderr, because stdout is only for results.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from imgscore.cli.output import print_note
from imgscore.messages import Message, Progress, Result
from imgscore.verbs.groups import UNCOMPARED, GroupRow, Response

NAMES = {
    "bursts": ("burst", "bursts"),
    "near-duplicates": ("group of near-duplicates", "groups of near-duplicates"),
    "copies": ("group of copies", "groups of copies"),
}
"""The name of a group of each kind, and that of several."""


class GroupNotes:
    """Counts the groups of an answer, and the images that are not compared yet."""

    def __init__(self) -> None:
        self._groups: Counter[str] = Counter()
        self._uncompared = 0
        self._is_complete = False

    def counted(self, messages: Iterable[Message[Response]]) -> Iterator[Message[Response]]:
        """Count the messages, and yield all but the number of images that are not compared."""
        for message in messages:
            match message:
                case Progress(what, _, total) if what == UNCOMPARED:
                    self._uncompared = total
                    continue
                case Result(GroupRow(kind=kind)):
                    self._groups[kind] += 1
            yield message
        self._is_complete = True

    def print(self, *, as_json: bool) -> None:
        """Print the notes. `as_json`: leave out the numbers of groups.

        They are also left out if not all groups were read, because `head` has closed the pipe.
        """
        counts = [f"{count:,} {NAMES[kind][count > 1]}" for kind, count in self._groups.items()]
        if self._is_complete and self._groups.total() > 1 and not as_json:
            print_note(", ".join(counts))
        if self._uncompared:
            images = "1 image is" if self._uncompared == 1 else f"{self._uncompared:,} images are"
            print_note(
                f"{images} not compared with the others yet, so groups may be missing. "
                "To see what imgscore waits for: imgscore status"
            )
