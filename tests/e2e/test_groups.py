"""`imgscore groups`: bursts, near-duplicates and copies, with a daemon and without."""

import os
import shutil
from pathlib import Path

from tests.conftest import put
from tests.support.commands import Start, imgscore


def listed(*arguments: str | Path) -> list[tuple[str, list[str]]]:
    answer = imgscore("groups", *arguments, "--json")
    assert answer.code == 0, answer.err
    return sorted(
        (row["kind"], sorted(os.path.basename(path) for path in row["files"]))
        for row in answer.rows
    )


def test_groups_lists_copies_with_their_facts(inbox: Path) -> None:
    first, second, *_ = put(inbox, "sun", 2)
    (inbox / "sub").mkdir()
    shutil.copy2(first, inbox / "sub" / "copy\n.png")
    shutil.copy2(second, inbox / "trash" / "thrown.jpg")
    assert imgscore("scan").code == 0
    (row,) = imgscore("groups", "--json").rows
    assert row["kind"] == "copies" and row["why"] == "The bytes of these files are equal."
    assert row["files"] == [str(inbox / "sub" / "copy\n.png"), str(first)]
    assert [member["path"] for member in row["members"]] == row["files"]
    member = row["members"][1]
    assert member["bytes"] == first.stat().st_size and member["width"] > 0
    assert (member["score"], member["label"], member["taken"]) == (None, None, None)
    printed = imgscore("groups").out
    assert printed.startswith("copies of 2: The bytes") and "\\n.png" in printed
    assert max(line.find("/") for line in printed.splitlines()) <= 40
    (first.parent / "sub" / "copy\n.png").unlink()
    assert imgscore("scan").code == 0
    none = imgscore("groups")
    assert (none.code, none.out) == (0, "") and "no groups found" in none.err


def test_groups_counts_only_files_of_the_given_folder(inbox: Path) -> None:
    first, second, *_ = put(inbox, "sun", 2)
    for folder in ("sub", "trash"):
        (inbox / folder).mkdir(exist_ok=True)
        shutil.copy2(first, inbox / folder / "a.png")
        shutil.copy2(first, inbox / folder / "b.png")
    shutil.copy2(second, inbox / "sub" / "c.jpg")
    assert imgscore("scan").code == 0
    assert listed() == [
        ("copies", ["a.png", "b.png", first.name]),
        ("copies", ["c.jpg", second.name]),
    ]
    assert listed(inbox / "sub") == [("copies", ["a.png", "b.png"])]
    assert listed(inbox / "trash") == [("copies", ["a.png", "b.png"])]
    assert listed("--kind", "bursts") == []


def test_groups_with_a_wrong_argument_says_what_to_do(inbox: Path, tmp_path: Path) -> None:
    outside = imgscore("groups", tmp_path)
    assert outside.code == 2 and "not in a watched folder" in outside.err
    kind = imgscore("groups", "--kind", "twins")
    assert kind.code == 2 and "bursts, near-duplicates, copies" in kind.err


def test_groups_under_the_daemon_lists_the_same(inbox: Path, start: Start) -> None:
    first, *_ = put(inbox, "sun", 3)
    for number in range(300):
        shutil.copy2(first, inbox / f"copy-{number:03}.png")
    assert imgscore("scan").code == 0
    before = listed()
    assert [len(files) for _, files in before] == [301]
    daemon = start()
    daemon.settle()
    assert listed() == before
