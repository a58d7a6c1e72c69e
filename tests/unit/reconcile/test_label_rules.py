"""The label rules, row by row of the table in docs/labels.md."""

import re
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from imgscore import grades
from imgscore.reconcile.label_rules import FROM_FOLDER, Change, Decision, What, label_event
from imgscore.store.schema import Label, Source, StoredGrade
from imgscore.watches import Role

PAGE = Path(__file__).parents[3] / "docs/labels.md"
KEEP, TRASH = (grades.KEEP,), (grades.TRASH,)


def label(value: StoredGrade = "keep", source: Source = "place") -> Label:
    return Label(value, 1, 0, source, b"/keep/a")


CASES: list[tuple[int, Change, Decision | None]] = [
    (1, Change("appeared", "keep", None, KEEP), Decision(grades.KEEP)),
    (1, Change("appeared", "keep", label(), KEEP), None),
    (1, Change("appeared", "trash", label(), KEEP + TRASH), Decision(grades.TRASH)),
    (1, Change("appeared", "keep", label(source="cli"), KEEP), Decision(grades.KEEP)),
    (1, Change("appeared", "keep", label("trash", "import"), KEEP), Decision(grades.KEEP)),
    (1, Change("appeared", "keep", label(), KEEP, label_file_lost=True), Decision(grades.KEEP)),
    (2, Change("appeared", "inbox", label(), moved_back=True), Decision(None)),
    (2, Change("appeared", "inbox", label(), TRASH, moved_back=True), Decision(grades.TRASH)),
    (2, Change("appeared", "inbox", label(), moved_back=True, rating=0.3), Decision(0.3, "rating")),
    (2, Change("appeared", "inbox", label(), TRASH, moved_back=True, rating=0.3), Decision(0.0)),
    (3, Change("appeared", "inbox", label(), KEEP, moved_back=True), None),
    (3, Change("appeared", "inbox", label("trash"), KEEP + TRASH), None),
    (4, Change("appeared", "inbox", label()), None),
    (5, Change("left", "keep", label(), KEEP, in_inbox=True), None),
    (5, Change("left", "trash", label(), KEEP), None),
    (6, Change("left", "trash", label("trash"), KEEP), Decision(grades.KEEP)),
    (6, Change("appeared", "inbox", label("trash"), KEEP, moved_back=True), Decision(grades.KEEP)),
    (6, Change("replaced", "trash", label("trash"), KEEP), Decision(grades.KEEP)),
    (6, Change("left", "5 stars", label(0.9), (0.3, 1.0, 0.0)), Decision(0.3)),
    (1, Change("appeared", "3 stars", label(0.7), (0.5, 0.7)), Decision(0.5)),
    (1, Change("appeared", "3 stars", label(0.5), (0.5,)), None),
    (5, Change("left", "3 stars", label(0.5), (1.0, 0.5)), None),
    (7, Change("left", "keep", label(), in_inbox=True), Decision(None)),
    (7, Change("left", "keep", label(), in_inbox=True, rating=0.3), Decision(0.3, "rating")),
    (7, Change("replaced", "keep", label(), in_inbox=True, rating=0.3), Decision(0.3, "rating")),
    (8, Change("left", "keep", label()), None),
    (8, Change("left", "keep", label(), rating=0.3), None),
    (8, Change("left", "trash", label("trash", "xdg_trash")), None),
    (9, Change("appeared", "inbox", label(source="cli"), moved_back=True), None),
    (9, Change("left", "keep", label(source="import"), in_inbox=True), None),
    (10, Change("rewritten", "keep", None, KEEP, former=label()), Decision(grades.KEEP)),
    (10, Change("rewritten", "keep", None, KEEP, former=None), Decision(grades.KEEP)),
    (
        10,
        Change("rewritten", "trash", label(), TRASH, former=label("trash")),
        Decision(grades.TRASH),
    ),
    (
        11,
        Change("rewritten", "inbox", None, former=label(source="cli")),
        Decision(grades.KEEP, "cli"),
    ),
    (
        11,
        Change("rewritten", "trash", None, TRASH, former=label(source="cli")),
        Decision(grades.KEEP, "cli"),
    ),
    (11, Change("rewritten", "inbox", label("trash", "import"), former=label()), None),
    (12, Change("rewritten", "inbox", None, former=label()), Decision(grades.KEEP, "place")),
    (12, Change("rewritten", "inbox", None, former=label(), former_stands=True), None),
    (13, Change("replaced", "keep", label()), Decision(None, "rewrite")),
    (13, Change("replaced", "keep", label(), in_inbox=True), Decision(None, "rewrite")),
    (13, Change("replaced", "inbox", label(source="cli")), Decision(None, "rewrite")),
    (14, Change("replaced", "keep", label(), KEEP), None),
    (14, Change("replaced", "inbox", label(source="cli"), in_inbox=True), None),
    (14, Change("replaced", "inbox", label(), in_inbox=True), None),
    (15, Change("appeared", "inbox", label(), moved_back=True, folder_renamed=True), None),
    (15, Change("left", "keep", label(), in_inbox=True, folder_renamed=True), None),
]


@pytest.mark.parametrize(("row", "change", "decision"), CASES)
def test_label_event_in_a_row_of_the_table_returns_its_event(
    row: int, change: Change, decision: Decision | None
) -> None:
    assert label_event(change) == decision


def test_label_event_rows_of_the_table_all_have_a_case() -> None:
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)}
    assert rows == {row for row, _, _ in CASES}


def test_label_event_for_a_label_by_command_only_ends_with_its_last_bytes() -> None:
    """No move, copy or deletion changes a label by command; only a label folder and a save do."""
    for what, role, source, back, inbox in product(
        get_args(What),
        get_args(Role),
        set(get_args(Source)) - FROM_FOLDER,
        (True, False),
        (True, False),
    ):
        change = Change(
            what, role, label(source=source), in_inbox=inbox, moved_back=back
        )  # fmt: skip
        decision = label_event(change)
        if (what in ("left", "appeared") and role == "inbox") or what == "left":
            assert decision is None
        if what == "replaced":
            assert (decision is None) == inbox
