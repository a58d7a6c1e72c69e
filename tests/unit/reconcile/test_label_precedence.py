"""The table "Which label counts" in docs/labels.md, cell by cell."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imgscore.reconcile.label_rules import Change, label_event
from imgscore.reconcile.rating_rules import Reading, grade_to_log
from imgscore.store.schema import Label, Source

PAGE = Path(__file__).parents[3] / "docs/labels.md"
BEFORE, ACT, OTHER = 0.3, 0.7, 0.9
"""The grade of the label before the act, of the act, and of what may give the label again."""
SOURCES: dict[str, Source] = {
    "place label": "place",
    "command label": "cli",
    "rating label": "rating",
}


def _decided(change: Change) -> float | str | None:
    """The new grade, "clear", or None if the label stays."""
    decision = label_event(change)
    if decision is None:
        return None
    return "clear" if decision.grade is None else decision.grade


def _appears(label: Label) -> float | str | None:
    return _decided(Change("appeared", "4 stars", label, standing=(ACT,)))


def _leaves(label: Label) -> float | str | None:
    """The label folder was the one that had given the label, so no folder has it any more."""
    change = Change("appeared", "inbox", label, in_inbox=True, moved_back=True)
    again = _decided(replace(change, rating=OTHER))
    assert again == (OTHER if label.source == "place" else None)
    return _decided(change)


def _reading(label: Label, **facts: float | bool | None) -> float | str | None:
    return grade_to_log(Reading(**{"rewritten": False, "label": label, **facts}))  # type: ignore[arg-type]


ACTS: dict[str, Callable[[Label], float | str | None]] = {
    "a file appears in a label folder": _appears,
    "a label by command": lambda label: ACT,  # The verb logs each label that differs.
    "a rating is set or changed": lambda label: _reading(
        label, grade=ACT, former=BEFORE, first=False
    ),
    "a rating is read that the file had before": lambda label: _reading(
        label, grade=ACT, former=None, first=True
    ),
    "a rating is removed": lambda label: _reading(label, grade=None, former=BEFORE, first=False),
    "the file moves from its label folder to the inbox": _leaves,
    "the file is deleted, or leaves the watch": lambda label: _decided(
        Change("left", "2 stars", label)
    ),
}


def _cells() -> list[tuple[str, str, str]]:
    (section,) = re.findall(r"## Which label counts\n(.*?)\n## ", PAGE.read_text(), re.DOTALL)
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    names = [name.strip() for name in rows[0][1:]]
    return [
        (row[0].strip(), name, cell.strip())
        for row in rows[2:]
        for name, cell in zip(names, row[1:], strict=True)
    ]


def test_acts_of_the_table_are_those_of_the_test() -> None:
    assert list(dict.fromkeys(act for act, _, _ in _cells())) == list(ACTS)


@pytest.mark.parametrize(("act", "kind", "cell"), _cells())
def test_act_does_what_its_cell_says(act: str, kind: str, cell: str) -> None:
    label = Label(BEFORE, 1, 0, SOURCES[kind], b"/in/a.jpg")
    expected = {"replaced": ACT, "stays": None, "cleared": "clear"}[cell.partition(";")[0]]
    assert ACTS[act](label) == expected


@pytest.mark.parametrize(("rating", "expected"), [(OTHER, OTHER), (None, None)])
def test_image_without_label_gets_its_folder_then_its_rating(
    rating: float | None, expected: float | None
) -> None:
    assert _decided(Change("appeared", "4 stars", None, standing=(ACT,), rating=rating)) == ACT
    assert grade_to_log(Reading(rating, None, first=True, rewritten=False, label=None)) == expected
