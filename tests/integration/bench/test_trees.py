"""bench.trees and bench.check with two small trees in real processes, and a real repository."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.check import compare, is_loss, ratios
from bench.trees import NoSuchCommitError, ProbeError, Runner, unpack

PROBES = """
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

class Probe(NamedTuple):
    name: str
    seconds: object

def command():
    name = Path(sys.executable).with_name("say-seconds")
    return float(subprocess.run([name], capture_output=True, check=True).stdout)

def probes(scratch):
    print("a probe may print")
    assert not list(scratch.iterdir())
    for name, seconds in {seconds}.items():
        yield Probe(name, lambda seconds=seconds: seconds)
    yield Probe("command", command)
    {end}
"""
SCRIPTS = '[project.scripts]\nsay-seconds = "example.main:main"\n'


def tree(folder: Path, seconds: dict[str, float], command: float, end: str = "") -> Path:
    """Write a tree whose probes return the given seconds, and a command that prints `command`."""
    for name in ("bench", "daemon/example"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
    text = PROBES.replace("{seconds}", repr(seconds)).replace("{end}", end)
    (folder / "bench/probes.py").write_text(text)
    (folder / "daemon/example/main.py").write_text(f"def main():\n    print({command})\n")
    (folder / "pyproject.toml").write_text(SCRIPTS)
    return folder


def test_compare_of_two_versions_measures_undecided_probes_in_more_rounds(tmp_path: Path) -> None:
    before = tree(tmp_path / "1", {"same": 1.0, "slower": 1.0, "old": 1.0}, 1.0)
    now = tree(tmp_path / "2", {"same": 1.0, "slower": 1.25, "new": 1.0}, 0.5)
    (tmp_path / "scratch").mkdir()
    pairs, notes = compare(before, now, tmp_path / "scratch", 2)
    assert [name for name, measured in pairs.items() if is_loss(measured)] == ["slower"]
    assert set(ratios(pairs["slower"])) == {1.25} and len(pairs["slower"]) == 8
    assert ratios(pairs["same"]) == [1.0] * 6
    assert ratios(pairs["command"]) == [0.5] * 6  # each tree ran its own command
    assert notes == ["new: new, not compared", "old: removed, not compared"]


def test_compare_with_a_version_whose_probes_fail_returns_a_note(tmp_path: Path) -> None:
    before = tree(tmp_path / "1", {"same": 1.0}, 1.0, "import no_such_module")
    now = tree(tmp_path / "2", {"same": 1.0}, 1.0)
    (tmp_path / "scratch").mkdir()
    pairs, notes = compare(before, now, tmp_path / "scratch", 1)
    assert set(pairs) == {"same", "command"}
    assert len(notes) == 1 and "no_such_module" in notes[0]
    (tmp_path / "other").mkdir()
    with pytest.raises(ProbeError, match="no_such_module"):
        compare(now, before, tmp_path / "other", 1)


def test_runner_whose_probe_fails_or_exits_raises_probe_error(tmp_path: Path) -> None:
    folder = tree(tmp_path / "1", {"good": 1.0}, 1.0)
    with (folder / "bench/probes.py").open("a") as file:
        file.write('    yield Probe("bad", lambda: 1 / 0)\n    import os\n')
        file.write('    yield Probe("fatal", lambda: os._exit(3))\n')
    (tmp_path / "scratch").mkdir()
    with Runner(folder, tmp_path / "scratch") as runner:
        with pytest.raises(ProbeError, match="ZeroDivisionError"):
            runner.seconds("bad", 1)
        assert runner.seconds("good", 3) == 3.0
        with pytest.raises(ProbeError, match="exit status 3"):
            runner.seconds("fatal", 1)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_unpack_of_a_commit_writes_its_files_only(tmp_path: Path) -> None:
    repository = tmp_path / "repository"

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", repository, *identity, *arguments], check=True)

    repository.mkdir()
    git("init", "--quiet")
    (repository / "file").write_text("old")
    git("add", "file")
    git("commit", "--quiet", "--message=first")
    (repository / "file").write_text("new")
    (repository / "untracked").touch()
    folder = unpack("HEAD", tmp_path / "unpacked", repository)
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert (folder / "file").read_text() == "old"
    for clone, commit in ((repository, "0" * 40), (tmp_path, "HEAD")):
        with pytest.raises(NoSuchCommitError):
            unpack(commit, tmp_path / "none", clone)
