"""A command that waits for something broken says why, and exits with the right code."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.testing import Sandbox, eventually
from tests.conftest import put

HOSTILE_WORKER = Path(__file__).parents[1] / "support/hostile_worker"


@pytest.fixture
def seeded(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox with an inbox in order; its daemon has ended."""
    sandbox.configure(settle=0.1, train_after=0.2, workers=1, worker_idle=0)
    for kind, folder in (("sun", sandbox.keep), ("text", sandbox.trash)):
        put(folder, kind, 3)
        put(sandbox.inbox, kind, 4, first=10)
    with sandbox:
        sandbox.start()
        sandbox.settle()
        sandbox.stop()
        yield sandbox


def limited(sandbox: Sandbox, count: int) -> None:
    """Limit the file descriptors of the running daemon."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.prlimit(sandbox.pid, resource.RLIMIT_NOFILE, (count, hard))


def test_commands_without_file_descriptors_say_why(seeded: Sandbox) -> None:
    seeded.start()
    seeded.settle()  # It opens no more files now.
    eventually(lambda: seeded.status()["workers"] == 0)
    limited(seeded, len(os.listdir(f"/proc/{seeded.pid}/fd")) + 4)
    put(seeded.inbox, "sun", 2, first=30)
    for command in (["scan"], ["wait"], ["score", seeded.inbox / "sun-030.png"], ["suspects"]):
        failed = seeded.run(*command)
        said = failed.out + failed.err
        assert failed.code == 1 and ("Too many open" in said or "no free" in said), command
    restored = seeded.run("restore-times", "--json")
    assert restored.code == 0 and restored.rows, restored
    ordered = seeded.run("order", "--json")
    assert ordered.code == 0 and ordered.rows, ordered
    assert "Too many open files" in str(seeded.status()["troubles"])
    limited(seeded, 1024)
    assert seeded.run("scan").code == 0


def test_commands_whose_workers_cannot_start_say_why(seeded: Sandbox, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    text = 'import sys\nif "imgscore.workers.worker" in sys.orig_argv: sys.exit("no numpy")\n'
    (broken / "sitecustomize.py").write_text(text)
    put(seeded.inbox, "sun", 2, first=30)
    seeded.start(PYTHONPATH=os.fspath(broken))
    for command in (["scan"], ["wait"], ["score", seeded.inbox / "sun-030.png"], ["suspects"]):
        failed = seeded.run(*command)
        said = failed.out + failed.err
        assert failed.code == 1 and "no worker can be started" in said, (command, failed)
    assert seeded.run("restore-times").code == 0
    assert seeded.running and "no worker" in str(seeded.status()["troubles"])
    seeded.stop()
    alone = dict(seeded.environment(), PYTHONPATH=os.fspath(broken))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "imgscore.cli.main", "scan"],
        env=alone, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "no worker can be started" in done.stderr


def test_label_of_a_moved_file_survives_the_death_of_its_worker(seeded: Sandbox) -> None:
    """A worker is killed while it reads a file that was just copied into the trash folder."""
    seeded.start(PYTHONPATH=os.fspath(HOSTILE_WORKER))
    before = seeded.settle()["watches"][0]["labels"]["trash"]
    put(seeded.inbox, "text", 1, first=50)[0].rename(seeded.trash / "kill-9.png")
    put(seeded.trash, "text", 2, first=60)
    status = seeded.settle()
    assert status["watches"][0]["labels"]["trash"] == before + 2
    (failed,) = status["failed"]
    assert failed["path"].endswith("kill-9.png") and "killed" in failed["reason"]
    (seeded.trash / "kill-9.png").rename(seeded.trash / "mended.png")
    status = seeded.settle()
    assert status["watches"][0]["labels"]["trash"] == before + 3 and not status["failed"]


def test_label_of_a_renamed_file_needs_no_worker(seeded: Sandbox) -> None:
    """Each worker that opens the new name is killed."""
    seeded.start(PYTHONPATH=os.fspath(HOSTILE_WORKER))
    before = seeded.settle()["watches"][0]["labels"]["trash"]
    looked = seeded.status()["looked"]
    (seeded.inbox / "text-010.png").rename(seeded.trash / "kill-9.png")
    status = seeded.until(lambda status: status["watches"][0]["labels"]["trash"] == before + 1)
    assert seeded.settle()["looked"] == looked and not status["failed"]
    seeded.stop()
    # While no daemon runs, the files are moved; the next scan sees the new names first.
    (seeded.inbox / "text-012.png").rename(seeded.trash / "kill-9-again.png")
    (seeded.inbox / "sun-010.png").rename(seeded.keep / "kill-11.png")
    seeded.start(PYTHONPATH=os.fspath(HOSTILE_WORKER))
    status = seeded.settle()
    assert status["watches"][0]["labels"]["trash"] == before + 2
    assert status["watches"][0]["labels"]["keep"] == before + 1
    assert not status["failed"]
