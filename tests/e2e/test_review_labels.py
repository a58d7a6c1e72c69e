"""`imgscore review`: labels of siblings, and labels of an older version with a move."""

import hashlib
import time
from pathlib import Path

from imgscore import paths
from imgscore.store import labels
from imgscore.store.schema import LabelEvent, pack
from imgscore.store.store import Store
from tests.conftest import put
from tests.support.commands import imgscore
from tests.support.reviews import history, review


class MovedLabelEvent(LabelEvent, array_like=True, frozen=True):
    """A label event as versions with `review --move` stored it."""

    moved: tuple[tuple[bytes, bytes], ...] = ()


def append_label_with_move(source: Path, target: Path) -> str:
    """Store that an older version labelled a file keep and moved it; returns its sha256."""
    digest = hashlib.sha256(target.read_bytes())
    event = MovedLabelEvent(
        time.time_ns(),
        "default",
        digest.digest(),
        "keep",
        "place",
        bytes(target),
        ((bytes(source), bytes(target)),),
    )
    assert pack(event)[0] == 0x97  # an array of seven
    with Store(paths.store_folder()) as store:
        store.commit(lambda txn: labels.append(txn, event))
    return digest.hexdigest()


def test_undo_label_of_a_moved_file_clears_the_label_and_moves_no_file(
    labelled_inbox: Path,
) -> None:
    assert imgscore("scan").code == 0
    path = labelled_inbox / "sun-005.jpg"
    kept = path.rename(labelled_inbox / "keep" / path.name)
    append_label_with_move(path, kept)
    assert history()[0]["label"] == "keep" and history()[0]["path"] == str(kept)
    assert imgscore("score", kept, "--json").row["label"] == "keep"

    undone = imgscore("undo", "label", "--json")
    assert (undone.code, undone.row["was"], undone.row["label"]) == (0, "keep", None)
    assert kept.exists() and not path.exists()
    assert imgscore("db", "check").code == 0


def test_review_undo_of_a_moved_file_clears_the_label_and_moves_no_file(
    labelled_inbox: Path,
) -> None:
    assert imgscore("scan").code == 0
    path = labelled_inbox / "sun-005.jpg"
    kept = path.rename(labelled_inbox / "keep" / path.name)
    sha256 = append_label_with_move(path, kept)
    row = review(sha256=sha256, path=str(kept), undo=history()[0]["number"])
    assert (row["label"], row["error"]) == (None, None)
    assert kept.exists() and not path.exists()


def test_review_undo_gives_a_sibling_its_own_label_back(inbox: Path) -> None:
    """Both files get one label; before it, the sibling had another."""
    raw, jpeg = inbox / "pair.nef", inbox / "pair.jpg"
    first, second = put(inbox, "sun", 2)
    first.rename(raw)
    assert imgscore("scan").code in (0, 1)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (raw, second)]
    review(sha256=digests[0], path=str(raw), label="trash")
    second.rename(jpeg)
    assert imgscore("scan").code in (0, 1)
    row = review(sha256=digests[1], path=str(jpeg), label="keep")
    assert labels_of(digests) == ["keep", "keep"]
    review(sha256=digests[1], path=str(jpeg), undo=row["number"])
    assert labels_of(digests) == ["trash", None]


def labels_of(digests: list[str]) -> list[str | None]:
    """The current labels."""
    with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
        events = [labels.current(txn, "default", bytes.fromhex(digest)) for digest in digests]
    return [event.label if event else None for event in events]


def test_review_stars_are_set_and_undone(inbox: Path) -> None:
    (path,) = put(inbox, "sun", 1)
    assert imgscore("scan").code == 0
    sha256 = imgscore("score", path, "--json").row["sha256"]
    numbers = []
    for text, name, grade in (("4", "keep", 0.7), ("3", "undecided", 0.5), ("-1", "trash", 0.0)):
        row = review(sha256=sha256, path=str(path), label=text)
        assert (row["label"], row["grade"], row["error"]) == (name, grade, None)
        numbers.append(row["number"])
    for number, grade in zip(reversed(numbers), (0.5, 0.7, None), strict=True):
        row = review(sha256=sha256, path=str(path), undo=number)
        assert (row["grade"], row["error"]) == (grade, None)
