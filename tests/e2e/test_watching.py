"""Folders for which the kernel sends no events: polled, reported, and watched again later."""

import subprocess
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import Row, Sandbox
from tests.conftest import draw, put
from tests.support.commands import BIN, imgscore
from tests.support.prefixes import limited, without_access


@pytest.fixture
def polling(inbox: Path) -> Path:
    """The inbox, which is polled every second where it must be polled."""
    with paths.config_file().open("a") as file:
        file.write("poll = 1\n")
    return inbox


def polled(status: Row) -> int:
    """The number of polled folders."""
    return sum("polled" in trouble for trouble in status["troubles"])


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_daemon_without_inotify_polls_until_it_can_watch(
    polling: Path, sandbox: Sandbox, limit: str
) -> None:
    """The user namespace of the daemon allows no inotify instance, or no inotify watch."""
    with sandbox:
        sandbox.start(prefix=limited(limit, 0))
        sandbox.until(polled)
        assert "polled: the kernel" in imgscore("status").out
        put(polling, "sun", 2)
        sandbox.until(lambda status: status["watches"][0]["files"] == 2)
        other = polling.with_name("other")
        assert imgscore("init", other).code == 0
        put(other, "sun", 3)
        sandbox.until(lambda status: len(status["watches"]) == 2)
        sandbox.until(lambda status: status["watches"][1]["files"] == 3)
        sandbox.until(lambda status: polled(status) == 2)
        # The kernel allows more: the folders are watched again.
        enter = ["nsenter", "-t", str(sandbox.pid), "-U", "--preserve-credentials"]
        subprocess.run([*enter, "bash", "-c", f"echo 500 > /proc/sys/user/{limit}"], check=True)
        sandbox.until(lambda status: not polled(status))
        put(other, "text", 1)
        sandbox.until(lambda status: status["watches"][1]["files"] == 4)
        assert sandbox.stop() == 0
    assert "Traceback" not in sandbox.log_text


def test_doctor_without_inotify_instances_warns(inbox: Path) -> None:
    done = subprocess.run(
        [*limited("max_inotify_instances", 0), BIN / "imgscore", "doctor"],
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = (line for line in done.stdout.splitlines() if " inotify" in line)
    assert "gives no more inotify instances" in line and "sysctl" in done.stdout


def test_daemon_unreadable_folder_and_file_are_read_when_they_can_be(
    polling: Path, sandbox: Sandbox
) -> None:
    secret, closed = polling / "secret", polling / "closed.png"
    secret.mkdir()
    put(secret, "sun", 2)
    draw("text", 1).save(closed)
    secret.chmod(0)
    closed.chmod(0)
    with sandbox:
        sandbox.start(prefix=without_access())
        status = sandbox.settle()
        reasons = {Path(row["path"]).name: row["reason"] for row in status["failed"]}
        assert reasons == {
            "secret": "cannot be listed: Permission denied",
            "closed.png": "cannot be read: Permission denied",
        }
        secret.chmod(0o755)
        sandbox.until(lambda status: status["watches"][0]["files"] == 2)
        closed.chmod(0o644)
        sandbox.until(lambda status: status["watches"][0]["files"] == 3)
        sandbox.until(lambda status: not status["failed"])
        # The folder sends events now: the poll alone would not find the file.
        draw("sun", 9).save(secret / "new.png")
        sandbox.until(lambda status: status["watches"][0]["files"] == 4)
        assert sandbox.stop() == 0
    assert "Traceback" not in sandbox.log_text
