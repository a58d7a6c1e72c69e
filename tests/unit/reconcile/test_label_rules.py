"""The label rules, case by case."""

import pytest

from imgscore.reconcile.label_rules import MOVE_WINDOW_NS, Appearance, label_event
from imgscore.store.schema import Label, LabelName, Source


def label(name: LabelName, source: Source = "place", path: bytes = b"/keep/a") -> Label:
    return Label(name, 1, 0, source, path)


@pytest.mark.parametrize("role", ["keep", "trash"])
def test_a_place_that_teaches_labels(role: LabelName) -> None:
    assert label_event(Appearance(b"/x", role, None)) == role
    assert label_event(Appearance(b"/x", role, label(role), label_file_exists=True)) is None
    other: LabelName = "trash" if role == "keep" else "keep"
    assert label_event(Appearance(b"/x", role, label(other), label_file_exists=True)) == role


def test_a_label_follows_a_file_that_moves_within_keep() -> None:
    assert label_event(Appearance(b"/keep/sub/a", "keep", label("keep"))) == "keep"


def test_moved_back_is_cleared() -> None:
    back = Appearance(b"/inbox/a", "inbox", label("keep"))
    assert label_event(back) == "clear"


def test_a_copy_in_the_inbox_clears_nothing() -> None:
    copy = Appearance(b"/inbox/a", "inbox", label("keep"), label_file_exists=True)
    assert label_event(copy) is None
    elsewhere = Appearance(b"/inbox/a", "inbox", label("keep"), taught_elsewhere=True)
    assert label_event(elsewhere) is None


def test_deleted_long_ago_and_brought_anew_keeps_its_label() -> None:
    anew = Appearance(b"/inbox/a", "inbox", label("trash"), label_file_missed_ns=MOVE_WINDOW_NS + 1)
    assert label_event(anew) is None
    same = Appearance(
        b"/inbox/a",
        "inbox",
        label("trash"),
        label_file_missed_ns=MOVE_WINDOW_NS + 1,
        same_file=True,
    )
    assert label_event(same) == "clear"


@pytest.mark.parametrize("source", ["cli", "import"])
def test_a_label_that_was_said_is_not_cleared_by_a_move(source: Source) -> None:
    assert label_event(Appearance(b"/inbox/b", "inbox", label("keep", source))) is None
    assert label_event(Appearance(b"/inbox/b", "inbox", None)) is None
