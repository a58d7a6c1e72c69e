"""A folder of links: only files that imgscore has made are changed or removed."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from imgscore.errors import ImgscoreError, UsageError
from imgscore.links import folder
from imgscore.links.folder import Change, Image, Options, clear, refresh
from imgscore.links.manifest import Kind
from imgscore.system.system_folders import LINKS_FILE, is_marked

KINDS: tuple[Kind, ...] = ("link", "hard", "copy")
RANKED = Options(rank_prefix=True)


def image(path: Path, content: bytes | None = None) -> Image:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(content or os.fsencode(path.name))
    return Image(hashlib.sha256(path.read_bytes()).digest(), os.fsencode(path))


def images(inbox: Path, *names: str) -> list[Image]:
    return [image(inbox / name) for name in names]


def shown(target: Path) -> dict[str, bytes]:
    """The visible files of a folder of links, with the content that a viewer reads."""
    return {
        path.name: path.read_bytes() for path in target.iterdir() if not path.name.startswith(".")
    }


def done(changes: list[Change]) -> dict[str, str]:
    return {os.fsdecode(change.name): change.what for change in changes}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "best"


@pytest.mark.parametrize("kind", KINDS)
def test_refresh_makes_renames_and_removes_files(tmp_path: Path, target: Path, kind: Kind) -> None:
    inbox, options = tmp_path / "inbox", Options(kind, rank_prefix=True)
    where = os.fsencode(target)
    a, b, c = images(inbox, "a.jpg", "b.jpg", "c.jpg")
    refresh(where, [a, b], options)
    assert shown(target) == {"0001 a.jpg": b"a.jpg", "0002 b.jpg": b"b.jpg"}
    before = {path.name: path.lstat() for path in target.iterdir()}
    assert set(done(refresh(where, [a, b], options)).values()) == {"kept"}
    assert {path.name: path.lstat() for path in target.iterdir()} == before
    # Two files swap their names, and a third one leaves.
    assert done(refresh(where, [b, a], options)) == {
        "0001 b.jpg": "renamed",
        "0002 a.jpg": "renamed",
    }
    assert shown(target) == {"0001 b.jpg": b"b.jpg", "0002 a.jpg": b"a.jpg"}
    assert done(refresh(where, [c, a], options)) == {
        "0001 c.jpg": "made",
        "0002 a.jpg": "kept",
        "0001 b.jpg": "removed",
    }
    assert shown(target) == {"0001 c.jpg": b"c.jpg", "0002 a.jpg": b"a.jpg"}
    assert {path.name for path in inbox.iterdir()} == {"a.jpg", "b.jpg", "c.jpg"}
    clear(where)
    assert not target.exists()
    assert all(path.stat().st_nlink == 1 for path in inbox.iterdir())


def test_refresh_makes_relative_links_from_a_linked_folder(tmp_path: Path) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "short").symlink_to(tmp_path / "real/deep")
    refresh(os.fsencode(tmp_path / "short/best"), images(tmp_path / "inbox", "a.jpg"), Options())
    made = tmp_path / "real/deep/best/a.jpg"
    assert os.readlink(made) == "../../../inbox/a.jpg" and made.read_bytes() == b"a.jpg"


def test_copy_has_date_and_mode_of_its_image(tmp_path: Path, target: Path) -> None:
    only = image(tmp_path / "a.jpg")
    os.utime(tmp_path / "a.jpg", (1_000_000_000, 1_000_000_000))
    (tmp_path / "a.jpg").chmod(0o644)
    mask = os.umask(0o077)
    try:
        refresh(os.fsencode(target), [only], Options("copy"))
    finally:
        os.umask(mask)
    status = (target / "a.jpg").stat()
    assert status.st_mtime == 1_000_000_000 and stat.S_IMODE(status.st_mode) == 0o644


@pytest.mark.parametrize("kind", KINDS)
def test_refresh_leaves_files_of_the_user(tmp_path: Path, target: Path, kind: Kind) -> None:
    where, options = os.fsencode(target), Options(kind)
    a, b, c = images(tmp_path / "inbox", "a.jpg", "b.jpg", "c.jpg")
    target.mkdir()
    (target / "a.jpg").write_bytes(b"mine")
    refresh(where, [a, b, c], options)
    assert shown(target)["a (2).jpg"] == b"a.jpg" and shown(target)["a.jpg"] == b"mine"
    # The user replaces one of our files, and removes another one.
    (target / "b.jpg").unlink()
    (target / "b.jpg").write_bytes(b"edited")
    (target / "c.jpg").unlink()
    refresh(where, [a, b, c], options)
    expected = {
        "a.jpg": b"mine",
        "a (2).jpg": b"a.jpg",
        "b.jpg": b"edited",
        "b (2).jpg": b"b.jpg",
        "c.jpg": b"c.jpg",
    }
    assert shown(target) == expected
    clear(where)
    assert shown(target) == {"a.jpg": b"mine", "b.jpg": b"edited"}
    assert not (target / os.fsdecode(LINKS_FILE)).exists()


def test_refresh_leaves_a_link_whose_target_the_user_has_changed(
    tmp_path: Path, target: Path
) -> None:
    a, b = images(tmp_path / "inbox", "a.jpg", "b.jpg")
    refresh(os.fsencode(target), [a], Options())
    (target / "a.jpg").unlink()
    (target / "a.jpg").symlink_to("/nowhere")
    refresh(os.fsencode(target), [b], Options())
    assert os.readlink(target / "a.jpg") == "/nowhere" and (target / "b.jpg").exists()


def test_refresh_recognises_copies_on_a_remounted_disk(tmp_path: Path, target: Path) -> None:
    a, b = images(tmp_path / "inbox", "a.jpg", "b.jpg")
    refresh(os.fsencode(target), [a], Options("copy"))
    content = (target / "a.jpg").read_bytes()
    (target / "other").write_bytes(content)
    (target / "other").replace(target / "a.jpg")  # another inode and another date
    assert done(refresh(os.fsencode(target), [b], Options("copy"))) == {
        "b.jpg": "made",
        "a.jpg": "removed",
    }


def test_refresh_keeps_a_copy_whose_disk_is_not_mounted(tmp_path: Path, target: Path) -> None:
    (a,) = images(tmp_path / "inbox", "a.jpg")
    refresh(os.fsencode(target), [a], Options("copy"))
    (tmp_path / "inbox").rename(tmp_path / "unmounted")
    assert done(refresh(os.fsencode(target), [a], Options("copy"))) == {"a.jpg": "kept"}
    assert done(refresh(os.fsencode(target), [a], Options())) == {"a.jpg": "removed"}


def test_refresh_leaves_the_last_hard_link_of_an_image(tmp_path: Path, target: Path) -> None:
    (a,) = images(tmp_path / "inbox", "a.jpg")
    refresh(os.fsencode(target), [a], Options("hard"))
    (tmp_path / "inbox/a.jpg").unlink()
    assert done(refresh(os.fsencode(target), [], Options("hard"))) == {"a.jpg": "left"}
    assert (target / "a.jpg").read_bytes() == b"a.jpg"
    assert clear(os.fsencode(target)) == []
    assert (target / "a.jpg").read_bytes() == b"a.jpg"


def test_refresh_with_another_kind_makes_all_files_anew(tmp_path: Path, target: Path) -> None:
    (a,) = images(tmp_path / "inbox", "a.jpg")
    for kind in ("copy", "link", "hard", "copy"):
        refresh(os.fsencode(target), [a], Options(kind))
        assert shown(target) == {"a.jpg": b"a.jpg"}
        assert (target / "a.jpg").is_symlink() == (kind == "link")


def test_dry_run_changes_nothing(tmp_path: Path, target: Path) -> None:
    a, b = images(tmp_path / "inbox", "a.jpg", "b.jpg")
    where = os.fsencode(target)
    assert done(refresh(where, [a], RANKED, dry_run=True)) == {"0001 a.jpg": "made"}
    assert not target.exists()
    refresh(where, [a], RANKED)
    before = sorted(target.iterdir())
    assert done(refresh(where, [b, a], RANKED, dry_run=True)) == {
        "0001 b.jpg": "made",
        "0002 a.jpg": "renamed",
    }
    assert done(clear(where, dry_run=True)) == {"0001 a.jpg": "removed"}
    assert sorted(target.iterdir()) == before


def test_refresh_of_a_folder_that_must_be_new_refuses_other_files(
    tmp_path: Path, target: Path
) -> None:
    target.mkdir()
    (target / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"contains mine\.jpg"):
        refresh(os.fsencode(target), [], Options(), must_be_new=True)
    assert os.listdir(target) == ["mine.jpg"]
    with pytest.raises(UsageError, match="not a folder of links"):
        clear(os.fsencode(target))


def test_refresh_marks_the_folder_before_the_first_link(tmp_path: Path, target: Path) -> None:
    refresh(os.fsencode(target), images(tmp_path / "inbox", "a.jpg"), Options())
    assert is_marked(os.fsencode(target))
    assert not is_marked(os.fsencode(tmp_path))


@pytest.mark.parametrize("text", [b"", b"imgscore links 1\n{", b"imgscore links 1\nnull\n"])
def test_refresh_with_a_damaged_list_changes_nothing(
    tmp_path: Path, target: Path, text: bytes
) -> None:
    target.mkdir()
    (target / os.fsdecode(LINKS_FILE)).write_bytes(text)
    with pytest.raises(ImgscoreError, match="is damaged"):
        refresh(os.fsencode(target), images(tmp_path / "inbox", "a.jpg"), Options())
    assert shown(target) == {}


def test_refresh_with_a_hostile_list_removes_nothing_outside(tmp_path: Path, target: Path) -> None:
    target.mkdir()
    victim = image(tmp_path / "victim.jpg")
    entry = f'{{"name":"../victim.jpg","kind":"copy","digest":"{victim.digest.hex()}","image":"x"}}'
    (target / os.fsdecode(LINKS_FILE)).write_text(f"imgscore links 1\n{entry}\n")
    with pytest.raises(ImgscoreError, match="is damaged"):
        refresh(os.fsencode(target), [], Options())
    assert (tmp_path / "victim.jpg").exists()


def test_refresh_with_odd_names_makes_all_links(tmp_path: Path, target: Path) -> None:
    names = [b"new\nline.jpg", b"\xff\xfe.jpg", b"x" * 250 + b".jpg", "ü".encode() * 120 + b".png"]
    inbox = os.fsencode(tmp_path / "inbox")
    os.mkdir(inbox)
    wanted = []
    for number, name in enumerate(names):
        path = os.path.join(inbox, name)
        with open(path, "wb") as file:
            file.write(b"%d" % number)
        wanted.append(Image(hashlib.sha256(b"%d" % number).digest(), path))
    for kind in KINDS:
        changes = refresh(os.fsencode(target), wanted, Options(kind, rank_prefix=True))
        assert [change.error for change in changes if change.rank] == [None] * len(names)
        assert len(shown(target)) == len(names)
    clear(os.fsencode(target))
    assert not target.exists()


def test_refresh_of_a_file_or_a_missing_folder_says_so(tmp_path: Path, target: Path) -> None:
    target.write_bytes(b"")
    with pytest.raises(UsageError, match="is not a folder"):
        refresh(os.fsencode(target), [], Options())
    with pytest.raises(ImgscoreError, match="does not exist"):
        refresh(os.fsencode(tmp_path / "gone"), [], Options(), create=False)


def test_two_updates_of_one_folder_wait_for_each_other(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.mkdir()
    monkeypatch.setattr(folder, "LOCK_SECONDS", 0.1)
    with (
        folder._opened(os.fsencode(target)),
        pytest.raises(ImgscoreError, match="another imgscore"),
    ):
        refresh(os.fsencode(target), images(tmp_path / "inbox", "a.jpg"), Options())


KILLED = """
import os, signal, sys
from imgscore.links import files, folder
from imgscore.links.folder import Image, Options
calls, after = 0, int(sys.argv[1])
def counted(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls > after:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
for name in ("symlink", "link", "unlink", "rename", "replace", "open", "write", "fsync"):
    setattr(os, name, counted(getattr(os, name)))
files.rename.rename = counted(files.rename.rename)
target, kind, *paths = sys.argv[2:]
images = [Image(bytes.fromhex(part[:64]), os.fsencode(part[65:])) for part in paths]
folder.refresh(os.fsencode(target), images, Options(kind, rank_prefix=True))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_refresh_after_a_kill_at_any_step_repairs_the_folder(
    tmp_path: Path, target: Path, kind: Kind
) -> None:
    inbox = tmp_path / "inbox"
    found = images(inbox, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    options = Options(kind, rank_prefix=True)
    first, second = found[:3], [found[3], found[1], found[0]]
    target.mkdir()
    (target / "0002 b.jpg").write_bytes(b"mine")
    for step in range(1000):
        refresh(os.fsencode(target), first, options)
        wanted = [f"{one.digest.hex()}:{os.fsdecode(one.path)}" for one in second]
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, str(step), target, kind, *wanted], check=False
        )
        refresh(os.fsencode(target), second, options)
        assert shown(target) == {
            "0001 d.jpg": b"d.jpg",
            "0002 b.jpg": b"mine",
            "0002 b (2).jpg": b"b.jpg",
            "0003 a.jpg": b"a.jpg",
        }
        hidden = [name for name in os.listdir(target) if name.startswith(".")]
        assert hidden == [os.fsdecode(LINKS_FILE)]
        assert len(list(inbox.iterdir())) == 4
        if ended.returncode == 0:
            assert step > 5
            break
        assert ended.returncode == -signal.SIGKILL
