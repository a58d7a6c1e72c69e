"""`imgscore apply`: labelled files move into keep/ and trash/, and back."""

import fcntl
import os
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import Start, imgscore


def tree(folder: Path) -> dict[bytes, bytes]:
    """The bytes of all files below a folder, by relative path."""
    return {
        os.fsencode(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def labels() -> dict[str, str]:
    """The label of each file in the inbox, by its digest."""
    rows = imgscore("history", "--json", "-n", "100000").rows
    newest: dict[str, str] = {}
    for row in rows:
        if row["what"] == "label":
            newest.setdefault(row["sha256"], row["label"])
    return {digest: label for digest, label in newest.items() if label != "clear"}


def test_apply_moves_labelled_files_and_undo_moves_them_back(inbox: Path) -> None:
    (inbox / "holiday").mkdir()
    kept = [*put(inbox, "sun", 2), *put(inbox / "holiday", "sun", 2, first=10)]
    trashed, plain = put(inbox, "text", 2), put(inbox, "text", 1, first=50)
    assert imgscore("label", "keep", *kept).code == 0
    assert imgscore("label", "trash", *trashed).code == 0
    before, labelled = tree(inbox), labels()

    dry = imgscore("apply", "--dry-run", "--json")
    assert (dry.code, len(dry.rows)) == (0, 6)
    assert tree(inbox) == before
    done = imgscore("apply", "--json")
    assert done.code == 0, done.err
    assert [{**row, "dry_run": True} for row in done.rows] == dry.rows
    moved = {row["path"]: row["target"] for row in done.rows}
    assert moved[str(inbox / "holiday/sun-010.png")] == str(inbox / "keep/holiday/sun-010.png")
    assert {row["label"] for row in done.rows} == {"keep", "trash"}
    assert all(Path(target).exists() and not Path(path).exists() for path, target in moved.items())
    assert plain[0].exists()
    assert imgscore("scan").code == 0
    assert labels() == labelled

    undone = imgscore("apply", "--undo", "--json")
    assert undone.code == 0, undone.err
    assert {row["target"]: row["path"] for row in undone.rows} == moved
    assert tree(inbox) == before
    assert not (inbox / "keep/holiday").exists()
    assert imgscore("scan").code == 0
    assert labels() == labelled
    assert imgscore("apply", "--undo", "--json").rows == []
    assert imgscore("apply", "--undo").err == "no move to undo\n"


def test_apply_in_a_running_daemon_restores_the_date_and_undo_orders_again(
    inbox: Path, start: Start
) -> None:
    for folder, kind in ((inbox / "keep", "sun"), (inbox / "trash", "text")):
        put(folder, kind, 6)
    files = [*put(inbox, "sun", 3, first=20), *put(inbox, "text", 3, first=20)]
    original = 1_200_000_000
    for path in files:
        os.utime(path, (original, original))
    sandbox = start()
    sandbox.settle()

    def ordered(paths: list[Path]) -> bool:  # One file of equal dates can keep its date.
        return sum(path.stat().st_mtime != original for path in paths) >= len(paths) - 1

    eventually(lambda: ordered(files))
    assert imgscore("label", "keep", *files[:3]).code == 0
    sandbox.settle()
    labelled = labels()

    assert imgscore("apply").code == 0
    moved = [inbox / "keep" / path.name for path in files[:3]]
    eventually(lambda: all(path.stat().st_mtime == original for path in moved))
    sandbox.settle()
    assert labels() == labelled
    assert imgscore("apply", "--undo").code == 0
    sandbox.settle()
    eventually(lambda: ordered(files))
    assert labels() == labelled
    assert imgscore("restore-times").code == 0
    assert all(path.stat().st_mtime == original for path in files)


def test_apply_and_undo_at_once_in_a_running_daemon_keep_the_labels(
    inbox: Path, start: Start
) -> None:
    files = put(inbox, "sun", 12)
    sandbox = start()
    sandbox.settle()
    assert imgscore("label", "keep", *files).code == 0
    for _ in range(3):
        assert imgscore("apply").code == 0
        assert imgscore("apply", "--undo").code == 0
    sandbox.settle()
    assert all(path.exists() for path in files)
    assert [imgscore("score", path, "--json").row["label"] for path in files] == ["keep"] * 12


def test_apply_after_a_move_back_by_hand_finds_no_label(inbox: Path) -> None:
    """A move out of keep/ by hand clears the label, also after apply."""
    (path,) = put(inbox, "sun", 1)
    assert imgscore("label", "keep", path).code == 0
    assert imgscore("apply").code == 0
    assert imgscore("scan").code == 0
    (inbox / "keep" / path.name).rename(path)
    assert imgscore("scan").code == 0
    assert labels() == {}
    assert imgscore("apply", "--json").rows == []
    assert imgscore("apply", "--undo", "--json").rows == []


def test_apply_moves_raw_jpeg_and_sidecars_together(inbox: Path) -> None:
    (jpeg,) = put(inbox, "sun", 1, first=1)
    beside = [inbox / f"sun-001.{end}" for end in ("CR2", "xmp", "jpg.xmp", "CR2.xmp", "CR2.pp3")]
    for number, path in enumerate(beside):
        path.write_bytes(b"%d" % number)
    foreign = inbox / "sun-0011.xmp"
    foreign.write_bytes(b"another")
    before = tree(inbox)
    assert imgscore("label", "trash", jpeg).code == 0
    done = imgscore("apply", "--json")
    assert done.code == 0, done.err
    assert sorted(Path(row["target"]) for row in done.rows) == sorted(
        inbox / "trash" / path.name for path in (jpeg, *beside)
    )
    assert tree(inbox).keys() == {
        b"sun-0011.xmp",
        *(b"trash/" + os.fsencode(path.name) for path in (jpeg, *beside)),
    }
    late = inbox / "trash" / "sun-001.jpg.dop"
    late_bytes = b"written by a RAW converter after the move"
    late.write_bytes(late_bytes)
    assert imgscore("scan").code in (0, 1)
    assert imgscore("apply", "--undo").code == 0
    assert tree(inbox) == before | {b"sun-001.jpg.dop": late_bytes}
    assert imgscore("scan").code in (0, 1)
    assert imgscore("score", jpeg, "--json").row["label"] == "trash"


def test_apply_to_a_name_that_exists_numbers_the_whole_group(inbox: Path) -> None:
    (jpeg,) = put(inbox, "sun", 1, first=1)
    (inbox / "sun-001.NEF").write_bytes(b"raw")
    (inbox / "sun-001.jpg.xmp").write_bytes(b"xmp")
    taken = inbox / "keep" / "sun-001.NEF"
    taken.write_bytes(b"another raw")
    (inbox / "keep" / "sun-001 (2).jpg").symlink_to("nowhere")
    before = tree(inbox)
    assert imgscore("label", "keep", jpeg).code == 0
    assert imgscore("apply").code == 0
    kept = {path.name for path in (inbox / "keep").iterdir()}
    assert kept == {
        "sun-001.NEF", "sun-001 (2).jpg", "sun-001 (3).jpg", "sun-001 (3).NEF",
        "sun-001 (3).jpg.xmp",
    }  # fmt: skip
    assert taken.read_bytes() == b"another raw"
    assert imgscore("apply", "--undo").code == 0
    assert tree(inbox) == before


@pytest.mark.parametrize(
    "name",
    [
        b"new\nline.jpg",
        b"-n.jpg",
        b"not-utf8-\xff\xfe.jpg",
        "é".encode() * 125 + b".jpg",
        b"a" * 251 + b".jpg",
        b" leading and trailing .jpg",
    ],
)
def test_apply_of_an_odd_name_moves_and_undoes(inbox: Path, name: bytes) -> None:
    (plain,) = put(inbox, "sun", 1, first=1)
    path = os.path.join(os.fsencode(inbox), name)
    os.rename(plain, path)
    taken = os.path.join(os.fsencode(inbox), b"keep", name)
    with open(taken, "wb") as file:
        file.write(b"another file")
    before = tree(inbox)
    assert imgscore("label", "keep", "--", Path(os.fsdecode(path))).code == 0
    done = imgscore("apply", "--json")
    assert done.code == 0, done.err
    assert os.fsencode(done.row["path"]) == path
    target = os.fsencode(done.row["target"])
    assert b" (2)" in target and os.path.exists(target) and not os.path.exists(path)
    assert imgscore("apply", "--undo").code == 0
    assert tree(inbox) == before


def test_apply_of_a_file_that_was_changed_since_leaves_it(inbox: Path) -> None:
    changed, touched, replaced = put(inbox, "sun", 3)
    assert imgscore("label", "keep", changed, touched, replaced).code == 0
    changed.write_bytes(changed.read_bytes() + b"edited")
    os.utime(touched, (1, 1))
    replaced.unlink()
    replaced.symlink_to(touched)
    done = imgscore("apply", "--json")
    assert done.code == 1
    by_path = {Path(row["path"]).name: row["error"] for row in done.rows}
    assert "changed" in by_path[changed.name] and by_path[touched.name] is None
    assert changed.exists() and replaced.is_symlink() and not touched.exists()


def test_undo_of_a_file_that_was_changed_or_deleted_leaves_it(inbox: Path) -> None:
    changed, deleted, clash, good = put(inbox, "sun", 4)
    assert imgscore("label", "keep", changed, deleted, clash, good).code == 0
    assert imgscore("apply").code == 0
    kept = inbox / "keep"
    (kept / changed.name).write_bytes((kept / changed.name).read_bytes() + b"edited")
    (kept / deleted.name).unlink()
    clash.write_bytes(b"another file")
    undone = imgscore("apply", "--undo", "--json")
    assert undone.code == 1
    errors = {Path(row["path"]).name: row["error"] for row in undone.rows}
    assert "changed" in errors[changed.name] and "no longer there" in errors[deleted.name]
    assert "old name" in errors[clash.name] and errors[good.name] is None
    assert good.exists() and (kept / changed.name).exists() and (kept / clash.name).exists()
    assert clash.read_bytes() == b"another file"
    clash.unlink()
    assert imgscore("apply", "--undo", "--json").row["path"] == str(kept / clash.name)
    assert imgscore("apply", "--undo", "--json").rows == []


def test_apply_to_a_folder_on_another_file_system_moves_nothing(
    inbox: Path, tmp_path: Path
) -> None:
    other = Path("/dev/shm") / f"test-of-imgscore-{os.getpid()}"
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == inbox.stat().st_dev:
        pytest.skip("cannot use a second file system in /dev/shm")
    text = paths.config_file().read_text()
    paths.config_file().write_text(text.replace("[[watch]]\n", f'[[watch]]\nkeep = "{other}"\n', 1))
    (path,) = put(inbox, "sun", 1)
    try:
        other.mkdir()
        assert imgscore("label", "keep", path).code == 0
        for options in (["--dry-run"], []):
            done = imgscore("apply", "--json", *options)
            assert (done.code, done.row["error"][:31]) == (1, "the folder is on another file s")
        assert path.exists() and not [*other.iterdir()]
        other.rmdir()
        missing = imgscore("apply", "--json")
        assert (missing.code, "is not there" in missing.row["error"]) == (1, True)
    finally:
        if other.exists():
            other.rmdir()


def test_apply_to_a_folder_that_is_a_link_or_a_file_moves_nothing(
    inbox: Path, tmp_path: Path
) -> None:
    first, second = put(inbox, "sun", 2)
    assert imgscore("label", "keep", first).code == 0
    (inbox / "other").mkdir()
    second = second.rename(inbox / "other" / second.name)
    assert imgscore("label", "trash", second).code == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (inbox / "sub").mkdir()
    (sub,) = put(inbox / "sub", "text", 1)
    assert imgscore("label", "keep", sub).code == 0
    (inbox / "keep" / "sub").symlink_to(elsewhere)
    (inbox / "trash" / "other").write_bytes(b"a file")
    done = imgscore("apply", "--json")
    assert done.code == 1
    errors = {Path(row["path"]).name: row["error"] for row in done.rows}
    assert errors[first.name] is None
    assert "symbolic link" in errors[sub.name]
    assert "has the name of the folder" in errors[second.name]
    assert sub.exists() and second.exists() and not [*elsewhere.iterdir()]


def test_apply_at_the_same_time_is_refused(inbox: Path) -> None:
    (path,) = put(inbox, "sun", 1)
    assert imgscore("label", "keep", path).code == 0
    folder = paths.moves_folder()
    folder.mkdir(mode=0o700)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for options in ([], ["--undo"]):
            done = imgscore("apply", *options)
            assert done.code == 1 and "another imgscore apply is moving files" in done.err
        assert imgscore("apply", "--dry-run").code == 0
    assert path.exists()
    assert imgscore("apply").code == 0 and not path.exists()


def test_apply_of_a_grade_moves_it_only_to_the_folder_of_this_grade(inbox: Path) -> None:
    good = inbox / "good"
    text = paths.config_file().read_text()
    paths.config_file().write_text(
        text.replace("[[watch]]\n", f'[[watch]]\ngrades = {{ "4" = "{good}" }}\n', 1)
    )
    four, five, three, kept = files = put(inbox, "sun", 4)
    for label, path in zip(("4", "5", "3", "keep"), files, strict=True):
        assert imgscore("label", label, path).code == 0
    done = imgscore("apply")
    assert done.code == 0
    assert done.err.startswith("2 labelled files stay, because no folder has exactly their grade")
    assert (good / four.name).exists() and (inbox / "keep" / kept.name).exists()
    assert five.exists() and three.exists()
    assert imgscore("scan").code == 0
    moved = [good / four.name, five, three, inbox / "keep" / kept.name]
    grades = [0.7, 0.9, 0.5, 1.0]
    assert [imgscore("score", path, "--json").row["grade"] for path in moved] == grades
    assert imgscore("apply", "--undo").code == 0
    assert imgscore("scan").code == 0
    assert [imgscore("score", path, "--json").row["grade"] for path in files] == grades
