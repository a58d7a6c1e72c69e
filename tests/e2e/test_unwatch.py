"""`imgscore unwatch`: the dates come back, the config loses the watch, the labels stay."""

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from imgscore import config, paths
from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import BIN, Start, imgscore, newest_first

pytestmark = pytest.mark.core

OLD_NS = 1_500_000_000_123_456_789


@pytest.fixture
def ordered(inbox: Path) -> Path:
    """An inbox in order, with a subfolder. Every file had the date OLD_NS."""
    (inbox / "sub").mkdir()
    for place in (inbox, inbox / "sub"):
        put(place, "sun", 4), put(place, "text", 4)
    for path in inbox.rglob("*.*"):
        os.utime(path, ns=(OLD_NS, OLD_NS))
    for number in (0, 1):
        for kind, folder in (("sun", "keep"), ("text", "trash")):
            (path,) = inbox.glob(f"{kind}-00{number}.*")
            path.rename(inbox / folder / path.name)
    assert imgscore("scan").code == 0
    assert imgscore("status", "--json").row["watches"][0]["state"] == "ok"
    assert len({path.stat().st_mtime_ns for path in inbox.glob("sun*")}) == 2
    return inbox


def _dates(inbox: Path) -> set[int]:
    return {path.stat().st_mtime_ns for path in inbox.rglob("*.*")}


@pytest.mark.parametrize("with_daemon", [False, True])
def test_unwatch_dates_return_labels_stay_and_other_watches_go_on(
    ordered: Path, tmp_path: Path, start: Start, with_daemon: bool
) -> None:
    other = tmp_path / "other"
    assert imgscore("init", other).code == 0
    config_file = paths.config_file()
    text = config_file.read_text()
    config_file.write_text(text.replace("[[watch]]", "# my first folder\n[[watch]]", 1))
    daemon = start() if with_daemon else None

    planned = imgscore("unwatch", ordered, "--dry-run", "--json")
    assert planned.code == 0 and planned.rows[-1]["dry_run"], planned.err
    assert len(config.load().watch) == 2 and _dates(ordered) != {OLD_NS}

    done = imgscore("unwatch", ordered, "--json")
    assert done.code == 0, done.err
    assert done.rows[-1] == {
        "inbox": str(ordered), "restored": len(planned.rows) - 1, "left": 0, "dry_run": False,
        "error": None,
    }  # fmt: skip
    assert _dates(ordered) == {OLD_NS}
    assert [watch.inbox for watch in config.load().watch] == [str(other)]
    assert "# my first folder" in config_file.read_text()
    if daemon is not None:  # it watches the other folder, and leaves this one alone
        put(ordered, "sun", 1, first=20)
        assert [watch["inbox"] for watch in daemon.settle()["watches"]] == [str(other)]
    (kept,) = (ordered / "keep").glob("sun-000.*")
    assert imgscore("score", kept, "--json").row["label"] == "keep"
    assert "not a watched inbox" in imgscore("unwatch", ordered).err

    assert imgscore("init", ordered).code == 0  # watched again: in order again, and not held
    assert imgscore("scan").code == 0
    assert newest_first(ordered)[0].startswith("sun")
    assert imgscore("status", "--json").row["watches"][1]["state"] == "ok"


def test_unwatch_of_the_last_watch_ends_the_daemon(ordered: Path, start: Start) -> None:
    daemon = start()
    done = imgscore("unwatch", ordered)
    assert done.code == 0 and "the daemon was stopped" in done.err, done
    eventually(lambda: not daemon.running, what="the daemon ends")
    assert _dates(ordered) == {OLD_NS} and config.load().watch == []


def test_daemon_of_the_service_without_a_watch_ends_with_0(ordered: Path, tmp_path: Path) -> None:
    assert imgscore("unwatch", ordered).code == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        done = run_imgscored(environment)
        assert done.returncode == 0 and "no folder is watched" in done.stderr, done
        assert "READY=1" in manager.recv(1000).decode()
    done = run_imgscored(os.environ)
    assert done.returncode == 3 and "imgscore init INBOX" in done.stderr


def run_imgscored(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [BIN / "imgscored"]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def test_unwatch_keep_dates_changes_no_file(ordered: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in ordered.rglob("*.*")}
    done = imgscore("unwatch", ordered, "--keep-dates", "--json")
    assert done.code == 0 and done.rows[-1]["restored"] == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert config.load().watch == []
    # The original dates are still in the store.
    assert imgscore("restore-times", ordered).code == 0
    assert _dates(ordered) == {OLD_NS}


@pytest.mark.parametrize("with_daemon", [False, True])
def test_unwatch_offline_inbox_keeps_the_originals_and_says_so(
    ordered: Path, start: Start, with_daemon: bool
) -> None:
    if with_daemon:
        start()
    away = ordered.with_name("unmounted")
    ordered.rename(away)
    done = imgscore("unwatch", ordered, "--json")
    assert done.code == 1 and done.rows[-1]["left"] > 0
    assert f"{ordered} is not there" in done.rows[-1]["error"]
    assert f"imgscore restore-times {ordered}" in done.rows[-1]["error"]
    assert config.load().watch == []
    away.rename(ordered)
    assert imgscore("restore-times", ordered).code == 0
    assert _dates(ordered) == {OLD_NS}


def test_unwatch_inbox_around_another_leaves_its_files_in_order(
    ordered: Path, tmp_path: Path
) -> None:
    """The subfolder has its own watch."""
    assert imgscore("init", ordered / "sub").code == 0
    assert imgscore("scan").code == 0
    inner = {path: path.stat().st_mtime_ns for path in (ordered / "sub").glob("*.*")}
    assert imgscore("unwatch", ordered).code == 0
    assert {path: path.stat().st_mtime_ns for path in inner} == inner
    assert {path.stat().st_mtime_ns for path in ordered.glob("*.*")} == {OLD_NS}
    assert imgscore("status", "--json").row["watches"][0]["state"] == "ok"
