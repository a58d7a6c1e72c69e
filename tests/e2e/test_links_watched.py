"""Folders of links that the daemon keeps up to date."""

import os
import shutil
from pathlib import Path

from imgscore import config, paths
from imgscore.testing import Row, Sandbox, eventually
from tests.conftest import put
from tests.e2e.test_links import names, taught
from tests.support.commands import Start, imgscore


def state(daemon: Sandbox) -> Row:
    (links,) = daemon.status()["links"]
    found: Row = links
    return found


def until_shown(daemon: Sandbox, folder: Path, name: str, *, shown: bool = True) -> None:
    """Wait until a link with this name is in the folder, or is not in it any more."""
    eventually(
        lambda: any(entry.endswith(name) for entry in names(folder)) == shown,
        what=lambda: f"{name} is in {names(folder)}: {shown}; {daemon.log_tail()}",
    )


def test_daemon_keeps_links_up_to_date_also_after_a_kill(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    taught(inbox)
    best = tmp_path / "best"
    made = imgscore("links", best, "--top", "8", "--rank-prefix", "--watch")
    assert made.code == 0 and "imgscore start" in made.err, made.err
    assert imgscore("links", best, "--top", "9").code == 0  # It changes the config, too.
    assert imgscore("links", best, "--top", "8").code == 0
    assert imgscore("links", best, "--hard").code == 2
    (table,) = config.load().links
    assert (table.folder, table.top, table.rank_prefix) == (os.fspath(best), 8, True)
    daemon = start()
    (best / "mine.jpg").write_bytes(b"mine")
    (inbox / "text-020.png").rename(inbox / "keep/text-020.png")
    until_shown(daemon, best, "0001 text-020.png")
    assert imgscore("label", "clear", inbox / "keep/text-020.png").code == 0
    (inbox / "keep/text-020.png").rename(inbox / "trash/text-020.png")
    until_shown(daemon, best, "text-020.png", shown=False)
    # A deleted image leaves a place to the next one.
    (inbox / "keep/sun-001.jpg").unlink()
    until_shown(daemon, best, "sun-001.jpg", shown=False)
    daemon.settle()
    assert (state(daemon)["files"], state(daemon)["state"]) == (8, "ok")

    # Labels of the time without a daemon are in the folder soon after the next start.
    daemon.kill()
    (inbox / "text-021.jpg").rename(inbox / "keep/text-021.jpg")
    (inbox / "keep/sun-000.png").unlink()
    start()
    until_shown(daemon, best, "text-021.jpg")
    until_shown(daemon, best, "sun-000.png", shown=False)
    daemon.settle()
    found = [name for name in names(best) if name != "mine.jpg"]
    assert [name[:5] for name in found] == [f"{rank:04} " for rank in range(1, 9)]
    assert all((best / name).resolve().is_relative_to(inbox) for name in found)
    assert (best / "mine.jpg").read_bytes() == b"mine"
    inode = (best / found[-1]).lstat().st_ino
    put(inbox, "text", 1, first=70)
    daemon.settle()
    assert (best / found[-1]).lstat().st_ino == inode  # It was not made anew.

    assert imgscore("links", best, "--remove").code == 0
    assert config.load().links == []
    eventually(lambda: daemon.status()["links"] == [])
    assert names(best) == ["mine.jpg"]


def test_daemon_reports_a_folder_that_was_entered_after_its_start(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    taught(inbox)
    daemon = start()
    best = tmp_path / "best"
    done = imgscore("links", best, "--top", "5", "--watch")
    assert done.code == 0 and "restart the daemon" in done.err, done.err
    assert len(names(best)) == 5
    (inbox / "text-020.png").rename(inbox / "keep/text-020.png")
    status = daemon.until(lambda status: "may not write" in str(status["troubles"]))
    assert "restart the daemon" in str(status["troubles"])
    assert imgscore("doctor").code in (0, 1)
    assert daemon.stop() == 0
    start()
    until_shown(daemon, best, "text-020.png")
    daemon.settle()
    assert state(daemon)["state"] == "ok" and daemon.status()["troubles"] == []


def test_status_and_doctor_name_a_folder_of_links_that_was_removed(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    taught(inbox)
    best = tmp_path / "best"
    assert imgscore("links", best, "--top", "5", "--watch").code == 0
    daemon = start()
    daemon.settle()
    shutil.rmtree(best)
    assert f"make it again: imgscore links '{best}'" in imgscore("status").out
    assert imgscore("label", "keep", inbox / "text-020.png").code == 0
    daemon.until(lambda status: status["links"][0]["state"] == "missing")
    daemon.until(lambda status: "does not exist" in str(status["troubles"]))
    found = [row for row in imgscore("doctor", "--json").rows if row["check"] == "links"]
    assert found[0]["state"] == "problem" and "is missing" in found[0]["detail"]
    assert imgscore("links").code == 0
    assert len(names(best)) == 5


def test_restarted_daemon_in_the_background_may_write_in_the_folder(
    inbox: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    taught(inbox)
    best = tmp_path / "best"
    assert imgscore("start").code == 0
    try:
        done = imgscore("links", best, "--top", "5", "--copy", "--watch")
        assert done.code == 0 and "the daemon was restarted" in done.err, done.err
        (inbox / "text-020.png").rename(inbox / "keep/text-020.png")
        eventually(lambda: "text-020.png" in names(best) and len(names(best)) == 5)
        assert (best / "text-020.png").read_bytes()[:4] == b"\x89PNG"
    finally:
        assert imgscore("stop").code == 0


def test_config_with_a_wrong_folder_of_links_is_refused(inbox: Path, tmp_path: Path) -> None:
    text = paths.config_file().read_text()
    for folder, part in (
        (inbox, "is an inbox that imgscore watches"),
        (inbox / "keep", "is a keep folder"),
        (tmp_path, "would include"),
    ):
        paths.config_file().write_text(f'{text}\n[[links]]\nfolder = "{folder}"\n')
        done = imgscore("config", "check")
        assert done.code == 3 and part in done.err, done.err
    table = f'\n[[links]]\nfolder = "{tmp_path}/best"\n'
    paths.config_file().write_text(text + table + table)
    assert "are in one another" in imgscore("config", "check").err
    paths.config_file().write_text(f'{text}{table}taste = "memes"\n')
    assert imgscore("config", "check").code == 0
    status = imgscore("status", "--json").row
    assert "no watched folder has the taste 'memes'" in str(status["troubles"])
    paths.config_file().write_text(text + table)
    assert imgscore("config", "check").code == 0
    assert "[[links]]" in imgscore("config", "show").out


def test_links_with_wrong_options_says_what_to_do(inbox: Path, tmp_path: Path) -> None:
    for options, part in (
        (("--watch",), "no folder is given"),
        ((), "no folder is given"),
        ((str(tmp_path / "best"), "--hard", "--watch"), "makes no hard links"),
        ((str(tmp_path / "best"), "--remove", "--watch"), "exclude each other"),
        ((str(tmp_path / "best"), "--top", "0"), "--top"),
    ):
        done = imgscore("links", *options)
        assert done.code == 2 and part in done.err, (options, done.err)
    assert not (tmp_path / "best").exists()


def test_links_of_all_folders_goes_on_after_a_broken_one(inbox: Path, tmp_path: Path) -> None:
    taught(inbox)
    with paths.config_file().open("a") as file:
        file.write('\n[[watch]]\ninbox = "~/memes"\ntaste = "memes"\n')
        for name in ("broken", "whole"):
            file.write(f'\n[[links]]\nfolder = "{tmp_path}/{name}"\ntop = 5\n')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/.imgscore-links").write_bytes(b"damaged")
    done = imgscore("links")
    assert done.code == 1 and "is damaged" in done.err, done.err
    assert len(names(tmp_path / "whole")) == 5
    # With several tastes, a new folder needs one of them; its removal does not.
    several = imgscore("links", tmp_path / "new")
    assert several.code == 2 and "--taste" in several.err
    assert imgscore("links", tmp_path / "new", "--taste", "default").code == 0
    assert imgscore("links", tmp_path / "new", "--remove").code == 0
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/odd-\xff")
    refused = imgscore("links", odd, "--taste", "default", "--watch")
    assert refused.code == 2 and "not valid UTF-8" in refused.err
    assert imgscore("links", odd, "--taste", "default").code == 0
    assert len(names(Path(odd))) == 18
