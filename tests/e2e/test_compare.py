"""`imgscore compare`: proposals, answers of scripts, undo and history."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from imgscore.cli.path_text import columns
from imgscore.testing import Completed, Sandbox
from tests.conftest import put
from tests.support.commands import BIN, Start, imgscore
from tests.support.terminals import terminal

SWAPPED = {"first": "second", "second": "first"}


def compare(*arguments: str | Path) -> Completed:
    return imgscore("compare", *arguments, "--json")


def pair_of(row: dict[str, Any]) -> frozenset[str]:
    return frozenset(image["sha256"] for image in row["images"])


def history() -> list[dict[str, Any]]:
    """The comparisons of `imgscore history`, newest first."""
    return [
        row for row in imgscore("history", "-n", "1000", "--json").rows if row["what"] == "compare"
    ]


@pytest.mark.parametrize("with_daemon", [False, True])
def test_compare_answers_are_recorded_and_no_pair_comes_twice(
    labelled_inbox: Path, start: Start, with_daemon: bool
) -> None:
    if with_daemon:
        start().settle()
    else:
        assert imgscore("scan").code == 0
    before = sorted(path for path in labelled_inbox.rglob("*.*"))
    asked: set[frozenset[str]] = set()
    for turn, answer in enumerate(("first", "second", "same", "skip")):
        proposals = compare("-n", "3").rows
        assert len(proposals) == 3 and all(row["why"] and row["error"] is None for row in proposals)
        assert not asked & {pair_of(row) for row in proposals}, "a pair is proposed twice"
        first, second = (image["path"] for image in proposals[0]["images"])
        asked.add(pair_of(proposals[0]))
        row = compare(first, second, "--answer", answer).row
        assert (row["first"], row["second"], row["answer"]) == (first, second, answer)
        assert row["answers"] == min(turn + 1, 3), "a skipped pair teaches nothing"
        again = compare(second, first, "--answer", SWAPPED.get(answer, answer))
        assert (again.code, again.row["number"]) == (0, None), "the pair has this answer already"
    assert [row["answer"] for row in history()][:4].count("skip") == 1
    assert sorted(path for path in labelled_inbox.rglob("*.*")) == before, "no file was moved"


def test_compare_four_proposes_four_different_images(labelled_inbox: Path) -> None:
    assert imgscore("scan").code == 0
    rows = compare("-n", "2", "--four").rows
    assert rows and all(len(pair_of(row)) == 4 for row in rows)


def test_compare_without_a_label_proposes_pairs(inbox: Path) -> None:
    put(inbox, "sun", 4)
    assert imgscore("scan").code == 0
    (row, *_) = compare().rows
    assert [image["score"] for image in row["images"]] == [None, None]
    listed = imgscore("compare", "--list", "-n", "1")
    assert listed.code == 0
    reason, first, second = listed.out.splitlines()
    assert "uncertainty" in reason and first.startswith("  1  ") and second.startswith("  2  ")


@pytest.mark.parametrize("mode", ["--list", "--list --four", "--terminal"])
def test_compare_long_paths_in_a_terminal_fit_its_width(inbox: Path, mode: str) -> None:
    folder = inbox / "a trip to the northern islands" / "the second week on the sailing boat"
    folder.mkdir(parents=True)
    put(folder, "sun", 8)
    assert imgscore("scan").code == 0
    command = f"{BIN / 'imgscore'} compare {mode} --no-thumbnails; echo the end"
    with terminal("sh", "-c", command, kind="dumb") as screen:
        if mode == "--terminal":
            screen.shows("  |  ")
            screen.press(b"q")
        screen.shows("the end")
        lines = screen.text.splitlines()
    assert any("…" in line for line in lines), screen.text
    assert all(columns(line) <= 80 for line in lines), screen.text


@pytest.mark.parametrize("count", [0, 1])
def test_compare_with_too_few_images_lists_nothing(inbox: Path, count: int) -> None:
    put(inbox, "sun", count)
    assert imgscore("scan").code == 0
    listed = imgscore("compare", "--list")
    assert (listed.code, listed.out) == (0, "") and "nothing left to compare" in listed.err


def test_compare_folder_limits_the_proposals(labelled_inbox: Path) -> None:
    trip = labelled_inbox / "trip"
    trip.mkdir()
    for path in sorted(labelled_inbox.glob("sun*"))[:4]:
        path.rename(trip / path.name)
    assert imgscore("scan").code == 0
    rows = compare(trip).rows
    assert rows and all(Path(i["path"]).parent == trip for row in rows for i in row["images"])
    assert compare(labelled_inbox.parent).code == 2


def test_compare_hostile_names_are_recorded(inbox: Path) -> None:
    images = put(inbox, "sun", 2)
    names = [b"--answer.png", b"new\nline \xff it's.png"]
    for image, name in zip(images, names, strict=True):
        image.rename(os.fsdecode(os.path.join(os.fsencode(inbox), name)))
    assert imgscore("scan").code == 0
    files = [os.path.join(inbox, os.fsdecode(name)) for name in names]
    row = compare(*files, "--answer", "second").row
    assert (row["first"], row["second"], row["answer"]) == (*files, "second")
    assert imgscore("compare", *files, "--answer", "first").out.count("\n") == 1
    assert "\n" not in imgscore("history").out.strip().splitlines()[0]


def test_compare_wrong_arguments_exit_with_2(labelled_inbox: Path, tmp_path: Path) -> None:
    assert imgscore("scan").code == 0
    first, second = sorted(labelled_inbox.glob("sun*"))[:2]
    for arguments in (
        (first, "--answer", "first"),
        (first, second, second, "--answer", "first"),
        (first, second),
        (first, second, "--answer", "better"),
        (tmp_path / "missing",),
        ("--terminal",),
        ("-n", "0"),
        ("--taste", "nonsense", "--list"),
    ):
        done = imgscore("compare", *arguments)
        assert done.code == 2 and done.err, (arguments, done)


def test_compare_a_file_that_cannot_be_read_is_an_error_row(labelled_inbox: Path) -> None:
    assert imgscore("scan").code == 0
    (first, *_) = sorted(labelled_inbox.glob("sun*"))
    copy = labelled_inbox / "copy.png"
    shutil.copy(first, copy)
    missing = compare(first, labelled_inbox / "missing.png", "--answer", "first")
    assert missing.code == 1 and "missing.png" in missing.row["error"]
    assert (missing.row["answer"], missing.row["second_sha256"]) == (None, None)
    same = compare(first, copy, "--answer", "first")
    assert same.code in (1, 2) and "same image" in same.out + same.err
    assert not history()


def test_compare_answers_survive_a_killed_daemon(labelled_inbox: Path, sandbox: Sandbox) -> None:
    files = sorted(labelled_inbox.glob("sun*"))
    with sandbox:
        sandbox.start()
        sandbox.settle()
        for number, second in enumerate(files[1:4], start=1):
            assert compare(files[0], second, "--answer", "first").row["answers"] == number
        sandbox.kill()
        assert compare(files[0], files[4], "--answer", "first").row["answers"] == 4
        sandbox.start()
        assert compare(files[0], files[5], "--answer", "first").row["answers"] == 5
        assert imgscore("undo", "compare").code == 0
        assert sandbox.stop() == 0
    assert [row["answer"] for row in history()] == ["clear", *["first"] * 5]
    assert imgscore("db", "check").code == 0


def test_undo_compare_withdraws_answers_last_first(labelled_inbox: Path) -> None:
    assert imgscore("scan").code == 0
    first, second, third = sorted(labelled_inbox.glob("sun*"))[:3]
    assert imgscore("undo", "compare").code == 1
    compare(first, second, "--answer", "first")
    compare(second, first, "--answer", "first")
    compare(first, third, "--answer", "same")
    planned = imgscore("undo", "compare", "--dry-run", "--json").row
    assert (planned["was"], planned["answer"]) == ("same", None)
    undone = [imgscore("undo", "compare", "--json").row for _ in range(3)]
    assert [row["was"] for row in undone] == ["same", "first", "first"]
    assert [row["answer"] for row in undone] == [None, "first", None]
    assert undone[1]["first"] == str(second)
    assert imgscore("undo", "compare").code == 1
    assert len(history()) == 6
    assert compare(first, second, "--answer", "clear").row["number"] is None
    assert imgscore("db", "check").code == 0


def test_compare_files_of_two_tastes_need_the_option(inbox: Path, tmp_path: Path) -> None:
    memes = tmp_path / "memes"
    assert imgscore("init", memes, "--taste", "memes").code == 0
    (first,) = put(inbox, "sun", 1)
    (second,) = put(memes, "text", 1)
    assert imgscore("scan").code == 0
    mixed = compare(first, second, "--answer", "first")
    assert mixed.code == 1 and "--taste" in mixed.row["error"]
    chosen = compare(first, second, "--answer", "first", "--taste", "memes").row
    assert (chosen["taste"], chosen["answer"]) == ("memes", "first")
    assert history()[0]["taste"] == "memes"
