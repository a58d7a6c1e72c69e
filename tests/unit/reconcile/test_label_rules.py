"""The label rules, case by case."""

import pytest

from imgscore.reconcile.label_rules import MOVE_WINDOW_NS, Appearance, label_event
from imgscore.store.schema import Label, LabelName, Source


def label(name: LabelName, source: Source = "place", path: bytes = b"/keep/a") -> Label:
    return Label(name, 1, 0, source, path)


@pytest.mark.parametrize("role", ["keep", "trash"])
def test_label_event_in_a_keep_or_trash_folder_labels(role: LabelName) -> None:
    assert label_event(Appearance(b"/x", role, None)) == role
    assert label_event(Appearance(b"/x", role, label(role), label_file_exists=True)) is None
    other: LabelName = "trash" if role == "keep" else "keep"
    assert label_event(Appearance(b"/x", role, label(other), label_file_exists=True)) == role


def test_label_event_moved_between_keep_folders_logs_the_new_path() -> None:
    assert label_event(Appearance(b"/keep/sub/a", "keep", label("keep"))) == "keep"


def test_label_event_moved_back_to_the_inbox_clears() -> None:
    back = Appearance(b"/inbox/a", "inbox", label("keep"))
    assert label_event(back) == "clear"


def test_label_event_copy_in_the_inbox_clears_nothing() -> None:
    copy = Appearance(b"/inbox/a", "inbox", label("keep"), label_file_exists=True)
    assert label_event(copy) is None
    elsewhere = Appearance(b"/inbox/a", "inbox", label("keep"), taught_elsewhere=True)
    assert label_event(elsewhere) is None


def test_label_event_new_copy_long_after_deletion_keeps_the_label() -> None:
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
def test_label_event_moved_file_with_a_label_by_command_clears_nothing(source: Source) -> None:
    assert label_event(Appearance(b"/inbox/b", "inbox", label("keep", source))) is None
    assert label_event(Appearance(b"/inbox/b", "inbox", None)) is None
