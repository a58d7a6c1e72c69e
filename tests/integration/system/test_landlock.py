"""The limits of a worker, even when an image has taken it over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgscore.store.store import Store
from imgscore.system.landlock import kernel_support
from imgscore.workers.messages import FileIndexed, IndexFile
from imgscore.workers.pool import Pool, WorkerSettings
from tests.conftest import draw

needs_landlock = pytest.mark.skipif(not kernel_support(), reason="cannot use Landlock here")
INTRUDER = Path(__file__).parents[2] / "support/intruder"
ACCELERATOR = """
import sys
from pathlib import Path
from imgscore.system.accelerators import written_by_this_process
from imgscore.system.landlock import confine_writes
assert confine_writes([Path(sys.argv[1])], written_by_this_process())
exec(sys.argv[2])
"""
DAEMON = """
import subprocess, sys
from pathlib import Path
from imgscore.system.accelerators import written_by_children
from imgscore.system.landlock import confine_writes
assert confine_writes([Path(sys.argv[1])], written_by_children())
sys.exit(subprocess.run([sys.executable, "-c", sys.argv[3], *sys.argv[1:3]]).returncode)
"""
CONFINED = """
import sys
from pathlib import Path
from imgscore.system.landlock import confine_writes
assert confine_writes([Path(sys.argv[1]), Path("/missing")])
exec(sys.argv[2])
"""


@needs_landlock
def test_worker_taken_over_by_an_image_cannot_change_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.fspath(INTRUDER))
    victim = tmp_path / "victim.png"
    draw("sun", 1).save(victim)
    before = victim.read_bytes()
    with Store(tmp_path / "store") as store:
        settings = WorkerSettings(
            store.folder, tmp_path / "heads", "efficientnet-lite0", "cpu", file_seconds=600
        )
        with Pool(settings, size=1, idle_seconds=5) as pool:
            assert pool.submit(IndexFile(os.fsencode(victim), "default", None))
            ((_, answer),) = until_answered(pool)
    assert isinstance(answer, FileIndexed) and answer.vector is not None
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "intruder" in line)
    outcomes = dict(word.split("=") for word in line.split()[1:])
    # The service's sandbox prevents these: tests/desktop/systemd.
    free = {"chmod", "attribute", "network", "date"} | (
        {"truncate"} if kernel_support() < 3 else set()
    )
    assert {name for name, outcome in outcomes.items() if outcome != "EACCES"} <= free
    assert outcomes["date"] == "done"
    assert victim.read_bytes() == before and not (tmp_path / "victim.png.new").exists()


def until_answered(pool: Pool) -> list[tuple[object, object]]:
    answers: list[tuple[object, object]] = []
    while not answers:
        answers += pool.answers(20)
    return answers


@needs_landlock
@pytest.mark.parametrize(
    ("code", "possible"),
    [
        ("Path(sys.argv[1], 'new').write_text('x')", True),
        ("Path(sys.argv[1], 'mine').rename(Path(sys.argv[1], 'sub', 'mine'))", True),
        ("Path(sys.argv[1], 'mine').unlink()", True),
        ("Path('/dev/null').write_text('x')", True),
        ("import os; os.utime(Path(sys.argv[1]).parent / 'theirs')", True),
        ("(Path(sys.argv[1]).parent / 'theirs').read_text()", True),
        ("(Path(sys.argv[1]).parent / 'theirs').write_text('x')", False),
        ("(Path(sys.argv[1]).parent / 'theirs').rename(Path(sys.argv[1], 'theirs'))", False),
        ("Path(sys.argv[1], 'mine').rename(Path(sys.argv[1]).parent / 'mine')", False),
        ("import glob; open(glob.glob('/proc/self/task/*/comm')[0], 'w')", False),
        ("import os; os.open('/dev/ptmx', os.O_RDWR)", False),
        ("Path('/dev/shm/imgscore-test').write_text('x')", False),
        ("import subprocess; subprocess.run(['touch', sys.argv[1] + '-new'], check=True)", False),
    ],
)
def test_confine_writes_allows_only_its_folders(tmp_path: Path, code: str, possible: bool) -> None:
    allowed = tmp_path / "allowed"
    (allowed / "sub").mkdir(parents=True)
    (allowed / "mine").touch()
    (tmp_path / "theirs").touch()
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, allowed, code], capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == possible, done.stderr
    assert possible or "ermission" in done.stderr or "cross-device" in done.stderr


NAME_THREADS = """
import threading
from glob import glob
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
names = glob('/proc/self/task/*/comm')
for name in names:
    open(name, 'w').write('imgscore-test')
named = [open(name).read().strip() for name in names]
stop.set()
thread.join()
assert len(names) == 2 and set(named) == {'imgscore-test'}, named
"""


@needs_landlock
@pytest.mark.parametrize("by_daemon", [False, True])
@pytest.mark.parametrize(
    ("code", "possible"),
    [
        (NAME_THREADS, True),
        ("Path(sys.argv[1], 'new').write_text('x')", True),
        ("Path('/dev/null').write_text('x')", True),
        ("Path('/proc/self/oom_score_adj').write_text('1000')", False),
        ("Path('/proc/self/comm').write_text('x')", False),
        ("Path(f'/proc/{os.getppid()}/oom_score_adj').write_text('1000')", False),
        ("Path(f'/proc/{os.getppid()}/mem').open('r+b')", False),
        ("Path(sys.argv[1]).with_name('theirs').write_text('x')", False),
        ("Path('/dev/shm/imgscore-test').write_text('x')", False),
        ("os.open('/dev/ptmx', os.O_RDWR)", False),
    ],
)
def test_confine_writes_for_an_accelerator_allows_only_its_driver(
    tmp_path: Path, code: str, possible: bool, by_daemon: bool
) -> None:
    """CUDA names its threads in /proc/self/task; without this it cannot be initialised."""
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (tmp_path / "theirs").touch()
    code = f"import os; {code}" if ";" not in code and "\n" not in code else code
    arguments = [ACCELERATOR, allowed, code]
    if by_daemon:  # its workers inherit its limits
        arguments = [DAEMON, allowed, code, ACCELERATOR]
    done = subprocess.run(
        [sys.executable, "-c", *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == possible, done.stderr
    assert possible or "ermission" in done.stderr
