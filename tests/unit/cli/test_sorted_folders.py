"""Folders whose names show that they contain sorted images."""

from pathlib import Path

import pytest

from imgscore.cli.sorted_folders import choose, find, label_of
from imgscore.reconcile.inbox_survey import survey


def made(inbox: Path, *folders: str) -> bytes:
    for folder in folders:
        (inbox / folder).mkdir(parents=True)
    return bytes(inbox)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Rejected", "trash"),
        ("_REJECTS", "trash"),
        ("03 - to delete", "trash"),
        ("gelo\u0308scht", "trash"),
        ("Selects (2)", "keep"),
        ("Best_of", "keep"),
        ("❤ Favourites", "keep"),
        ("best friends", None),
        ("2024", None),
        ("", None),
    ],
)
def test_label_of_a_folder_name(name: str, label: str | None) -> None:
    assert label_of(name.encode()) == label


def test_find_folders_at_any_depth_but_not_below_a_label_folder(tmp_path: Path) -> None:
    inbox = made(
        tmp_path, "2024/Rejected/bad", "2025/wedding/selects", "Trash", "keep/best", ".x/keep"
    )
    found = find(inbox, survey(inbox).images)
    assert found == (["2025/wedding/selects"], ["2024/Rejected", "Trash"])


def test_choose_folders_below_the_inbox_keeps_the_default_folder(tmp_path: Path) -> None:
    inbox = made(tmp_path, "2024/Rejected", "2025/Rejected", "Selected")
    chosen = choose(inbox, survey(inbox), None, None, yes=True, asks=False)
    assert chosen == (["Selected"], ["trash", "2024/Rejected", "2025/Rejected"], [])


def test_choose_many_folders_names_only_the_first_in_the_note(tmp_path: Path) -> None:
    inbox = made(tmp_path, *(f"{year}/Rejected" for year in range(2000, 2020)))
    chosen = choose(inbox, survey(inbox), None, None, yes=False, asks=False)
    assert chosen.trash is None
    assert len(chosen.notes) == 1 and "2002/Rejected/ and 17 other folders" in chosen.notes[0]
    assert chosen.notes[0].count("--trash ") == 20
