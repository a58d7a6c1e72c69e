"""Odd environments: each problem is one line on stderr with an exit code, and no traceback."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import Completed, Sandbox
from tests.conftest import draw
from tests.support import needs
from tests.support.commands import BIN, Start, imgscore

IMGSCORE = str(BIN / "imgscore")
VERBS = (["status"], ["score", "x.png"], ["report"], ["doctor"], ["config", "show"], ["history"])


def shell(script: str, *arguments: str | Path, **environment: str | None) -> Completed:
    """Run a script of bash. The variables that are None are removed from the environment."""
    variables = os.environ | {name: value for name, value in environment.items() if value}
    for name, value in environment.items():
        if value is None:
            variables.pop(name, None)
    done = subprocess.run(
        ["bash", "-c", script, "bash", *arguments],
        env=variables,
        capture_output=True,
        check=False,
    )
    err = done.stderr.decode(errors="replace")
    assert "Traceback" not in err and "Exception ignored" not in err, err
    return Completed(done.returncode, done.stdout.decode(errors="replace"), err)


def says(done: Completed, code: int, text: str) -> None:
    """Check the exit code, and that stderr is one error with its remedy."""
    lines = done.err.splitlines()
    assert (done.code, len(lines)) == (code, 2), done
    assert text in lines[0] and lines[1].startswith("  what to do: "), done.err


@pytest.mark.parametrize("verb", [["score", "x.png"], ["init", "y"], ["report", "-o", "r"]])
def test_command_in_deleted_folder_says_so(inbox: Path, tmp_path: Path, verb: list[str]) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    done = shell('cd "$1"; rmdir "$1"; shift; "$@"', folder, IMGSCORE, *verb)
    says(done, 2, "the current folder was deleted")
    assert shell('mkdir "$1"; cd "$1"; rmdir "$1"; "$2" status', folder, IMGSCORE).code == 0


@pytest.mark.parametrize("verb", [*VERBS, ["--help"], ["--version"], ["status", "--json"]])
@pytest.mark.parametrize("target", [">/dev/full", ">&-"])
def test_command_with_unwritable_stdout_says_so(
    inbox: Path, verb: Sequence[str], target: str
) -> None:
    if verb[0] in ("report", "history"):
        return  # They print nothing to stdout here.
    done = shell(f'"$@" {target}', IMGSCORE, *verb)
    assert done.code == 1
    assert "the output cannot be written" in done.err.replace('{"error": "', "")


def test_command_with_closed_streams_does_its_work(inbox: Path) -> None:
    draw("sun", 1).save(inbox / "a.png")
    assert shell('"$@" >&- 2>&- <&-', IMGSCORE, "scan").code == 1
    assert imgscore("status", "--json").row["watches"][0]["files"] == 1


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
)
def test_command_with_ascii_locale_prints_every_name(inbox: Path, locale: dict[str, str]) -> None:
    (inbox / "x🎉é.png").write_bytes(b"no image")
    assert shell('"$@"', IMGSCORE, "scan", **locale).code == 0
    done = shell('"$@"', IMGSCORE, "status", **locale)
    assert done.code == 0 and "not an image" in done.out
    done = shell('"$@"', IMGSCORE, "score", inbox / "x🎉é.png", **locale)
    assert done.code == 1 and "not an image" in done.out


@pytest.mark.parametrize("verb", VERBS)
def test_command_of_user_without_home_says_so(tmp_path: Path, verb: Sequence[str]) -> None:
    needs.root("to run a command as another user")
    needs.program("setpriv", "util-linux")
    gone = {name: None for name in os.environ if name.startswith("XDG_") or name == "HOME"}
    user = ("setpriv", "--reuid=54321", "--clear-groups")
    done = shell('"$@"', *user, sys.executable, "-m", "imgscore.cli.main", *verb, **gone)
    if "Permission denied" in done.err or "can't open" in done.err:
        pytest.skip("cannot read the program as another user here")
    says(done, 3, "the home folder of user 54321 is unknown")


def test_daemon_of_user_without_home_says_so() -> None:
    needs.root("to run a command as another user")
    gone = {name: None for name in os.environ if name.startswith("XDG_") or name == "HOME"}
    script = "setpriv --reuid=54321 --clear-groups " + '"$@"'
    done = shell(script, sys.executable, "-m", "imgscored.main", **gone)
    if "Permission denied" in done.err:
        pytest.skip("cannot read the program as another user here")
    assert done.code == 3 and "the home folder of user 54321 is unknown" in done.err


def test_command_with_home_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    gone = {name: None for name in os.environ if name.startswith("XDG_")}
    for verb, code in ((["status"], 5), (["init", str(tmp_path / "in")], 3), (["start"], 3)):
        says(shell('"$@"', IMGSCORE, *verb, **gone | {"HOME": "/sys"}), code, "/")
    done = shell('"$@"', BIN / "imgscored", **gone | {"HOME": "/sys"})
    assert done.code == 5 and "cannot be written" in done.err


def test_client_with_other_runtime_folder_finds_the_daemon(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    """A cron job has no XDG_RUNTIME_DIR, or has another one than the session of the user."""
    daemon = start()
    other = tmp_path / "run"
    other.mkdir(mode=0o700)
    for folder in (None, str(other)):
        done = shell('"$@"', IMGSCORE, "status", "--json", XDG_RUNTIME_DIR=folder)
        assert f'"pid": {daemon.pid}' in done.out, done
        done = shell('"$@"', IMGSCORE, "scan", XDG_RUNTIME_DIR=folder)
        assert done.code == 0, done.err
    done = shell('"$@"', IMGSCORE, "stop", XDG_RUNTIME_DIR=str(other))
    assert done.code == 0
    daemon.process.wait(60)  # type: ignore[union-attr]
    assert "no daemon" in imgscore("status").out


def test_client_after_killed_daemon_ignores_its_socket(inbox: Path, start: Start) -> None:
    daemon = start()
    daemon.kill()
    assert b"\n/" in (paths.data_folder() / "lock").read_bytes()
    done = shell('"$@"', IMGSCORE, "status", XDG_RUNTIME_DIR=None)
    assert done.code == 0 and "no daemon is running" in done.out


def test_daemon_with_closed_streams_indexes_images(inbox: Path, sandbox: Sandbox) -> None:
    """Without a file in the place of stderr, the store would get this descriptor."""
    draw("sun", 1).save(inbox / "a.png")
    with sandbox:
        sandbox.start(prefix=["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash"])
        assert sandbox.settle()["watches"][0]["files"] == 1
        descriptors = Path(f"/proc/{sandbox.pid}/fd")
        assert {os.readlink(descriptors / str(number)) for number in range(3)} == {"/dev/null"}
        assert sandbox.stop() == 0
    assert imgscore("db", "check").code == 0
