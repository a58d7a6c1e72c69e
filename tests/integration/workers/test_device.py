"""The device process: a pool whose file workers let one process compute batches, on the CPU."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from imgscore.embedders import registry
from imgscore.errors import ImgscoreError
from imgscore.images.decode import decode
from imgscore.store.store import Store
from imgscore.testing import eventually
from imgscore.workers.messages import Answer, Crashed, FileIndexed, IndexFile, Interrupted, Notice
from imgscore.workers.pool import Pool, WorkerSettings
from imgscore.workers.try_device import try_in_batches
from tests.conftest import draw
from tests.support import uform_checkpoint
from tests.support.processes import are_quiet

BUILT_IN = "efficientnet-lite0"
FILES = 24


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("uform")
    checkpoint = uform_checkpoint.make(folder / "tiny")
    return str(uform_checkpoint.with_tensors(checkpoint, folder / "tensors"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of several shapes; one has three views, and one is damaged."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    shapes = [(300, 200), (200, 300), (640, 100)]
    for number in range(FILES):
        draw("sun", number).resize(shapes[number % 3]).save(folder / f"{number:02}.png")
    (folder / "99.png").write_bytes((folder / "00.png").read_bytes()[:200])
    return folder


@contextmanager
def pool_with_device(
    folder: Path, model: str, device: str = "cpu", *, after: int = 1, file_seconds: int = 600
) -> Iterator[Pool]:
    with Store(folder / "store") as store:
        settings = WorkerSettings(
            store.folder,
            folder / "heads",
            model,
            device,
            file_seconds,
            batches=True,
            device_after=after,
        )
        with Pool(settings, 2, idle_seconds=60) as pool:
            yield pool


def paths_of(folder: Path) -> list[bytes]:
    return [os.fsencode(path) for path in sorted(folder.iterdir())]


def run(pool: Pool, paths: list[bytes], notices: list[str] | None = None) -> dict[bytes, Answer]:
    """Index every path; return the answers by path."""
    waiting = [IndexFile(path, "default", None) for path in paths]
    answers: dict[bytes, Answer] = {}

    def answered() -> bool:
        while waiting and pool.has_room() and pool.submit(waiting[-1]):
            waiting.pop()
        for task, answer in pool.answers(1.0):
            assert isinstance(task, IndexFile)
            if isinstance(answer, Notice):
                assert notices is not None, answer.text
                notices.append(answer.text)
            elif isinstance(answer, Interrupted):
                waiting.append(task)
            else:
                answers[task.path] = answer
        return len(answers) == len(paths)

    eventually(answered, what=lambda: f"answers to all files: {len(answers)}", pause=0.0)
    return answers


def cpu_ticks(pid: int) -> int:
    """The CPU time of a process, in the units of /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def wait_until_ready(pool: Pool) -> None:
    assert pool.device is not None
    pool.device.start()
    device = pool.device

    def is_ready() -> bool:
        pool.answers(0.1)
        return device.state in ("ready", "failed")

    eventually(is_ready, what="the device process computes")
    assert device.state == "ready"


def check(answers: dict[bytes, Answer], model: str) -> None:
    """The vectors are those of a process that computes one picture at a time."""
    embedder = registry.load(model, "cpu")
    for path, answer in answers.items():
        assert isinstance(answer, FileIndexed), answer
        if path.endswith(b"99.png"):
            assert answer.failure is not None
            continue
        assert answer.vector is not None
        own = np.frombuffer(answer.vector, np.float16).astype(np.float64)
        data = Path(os.fsdecode(path)).read_bytes()
        expected = embedder.embed([decode(data)])[0].astype(np.float64)
        cosine = own @ expected / np.linalg.norm(own) / np.linalg.norm(expected)
        assert cosine >= 0.9999


def test_device_process_computes_all_images_of_all_workers(tmp_path: Path, folder: Path) -> None:
    with pool_with_device(tmp_path, BUILT_IN) as pool:
        wait_until_ready(pool)
        run(pool, paths_of(folder)[:4])  # both workers are connected
        assert pool.device is not None and pool.device.pid is not None
        before = cpu_ticks(pool.device.pid)
        check(run(pool, paths_of(folder)), BUILT_IN)
        assert pool.device.name == "CPU" and cpu_ticks(pool.device.pid) > before


def test_device_process_computes_weights_for_torch(tmp_path: Path, folder: Path, tiny: str) -> None:
    with pool_with_device(tmp_path, tiny) as pool:
        check(run(pool, paths_of(folder)), tiny)
        for pid in pool.pids():
            assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()


def test_device_process_is_started_only_for_many_files(tmp_path: Path, folder: Path) -> None:
    with pool_with_device(tmp_path, BUILT_IN, after=10**6) as pool:
        check(run(pool, paths_of(folder)), BUILT_IN)
        assert pool.device is not None and pool.device.pid is None
    with pool_with_device(tmp_path, BUILT_IN, after=4) as pool:
        run(pool, paths_of(folder))
        assert pool.device is not None and pool.device.pid is not None


@pytest.mark.parametrize("model", ["built-in", "tiny"])
def test_device_process_killed_costs_no_file(
    tmp_path: Path, folder: Path, tiny: str, model: str
) -> None:
    model = tiny if model == "tiny" else BUILT_IN
    paths = paths_of(folder)
    with pool_with_device(tmp_path, model) as pool:
        wait_until_ready(pool)
        run(pool, paths[:2])
        assert pool.device is not None and pool.device.pid is not None
        os.kill(pool.device.pid, signal.SIGSTOP)
        for path in paths[2:8]:  # they wait for the device
            assert pool.submit(IndexFile(path, "default", None))
        workers = [Path(f"/proc/{pid}/task/{pid}") for pid in pool.pids()]
        eventually(lambda: are_quiet(workers, 0.2), what="all images are decoded and wait")
        os.kill(pool.device.pid, signal.SIGKILL)
        answers: dict[bytes, Answer] = {}
        notices: list[str] = []

        def answered() -> bool:
            for task, answer in pool.answers(1.0):
                assert isinstance(task, IndexFile)
                if isinstance(answer, Notice):
                    notices.append(answer.text)
                else:
                    answers[task.path] = answer
            return len(answers) == 6

        eventually(answered, what="answers")
        check(answers, model)
        check(run(pool, paths[8:], notices), model)
        assert len(notices) == 1 and "so the CPU is used" in notices[0]


def test_device_that_is_missing_is_reported_and_the_cpu_used(
    tmp_path: Path, folder: Path, tiny: str
) -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    notices: list[str] = []
    with pool_with_device(tmp_path, tiny, "cuda") as pool:
        check(run(pool, paths_of(folder), notices), tiny)
        check(run(pool, paths_of(folder), notices), tiny)
    assert len(notices) == 1 and "torch" in notices[0] and "so the CPU is used" in notices[0]


def test_worker_killed_while_others_wait_for_the_device_blames_its_file(
    tmp_path: Path, folder: Path
) -> None:
    paths = paths_of(folder)
    with pool_with_device(tmp_path, BUILT_IN) as pool:
        wait_until_ready(pool)
        run(pool, paths[:1])
        (victim,) = pool.pids()
        assert pool.device is not None and pool.device.pid is not None
        os.kill(pool.device.pid, signal.SIGSTOP)
        for path in paths[1:4]:
            assert pool.submit(IndexFile(path, "default", None))
        tasks = {pid: [task.path for task in pool.tasks(pid)] for pid in pool.pids()}
        workers = [Path(f"/proc/{pid}/task/{pid}") for pid in pool.pids()]
        eventually(lambda: are_quiet(workers, 0.5), what="all images are decoded and wait")
        os.kill(victim, signal.SIGKILL)
        os.kill(pool.device.pid, signal.SIGCONT)
        answers: list[Answer] = []
        while len(answers) < 3:
            answers += [answer for _, answer in pool.answers(1.0)]
        assert not any(isinstance(answer, Crashed) for answer in answers), tasks


HOST = """
import sys, time
from pathlib import Path
from imgscore.workers.messages import IndexFile
from imgscore.workers.pool import Pool, WorkerSettings
folder, image = Path(sys.argv[1]), sys.argv[2].encode()
model = "efficientnet-lite0"
settings = WorkerSettings(folder / "store", folder / "heads", model, "cpu", 600, batches=True)
with Pool(settings, 2, 60) as pool:
    pool.device.start()
    for _ in range(40):
        pool.submit(IndexFile(image, "default", None, stored=False))
    while pool.device.state != "ready":
        pool.answers(0.1)
    print(*pool.pids(), pool.device.pid, flush=True)
    time.sleep(600)
"""


def test_pool_killed_leaves_no_process(tmp_path: Path, folder: Path) -> None:
    """Without processes, the kernel frees their shared memory: it has no name."""
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, tmp_path, folder / "00.png"], stdout=subprocess.PIPE, text=True
    )
    with host:
        assert host.stdout is not None
        pids = host.stdout.readline().split()
        assert len(pids) == 3
        host.kill()
    eventually(
        lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), what="all processes end"
    )
    assert not list(Path("/dev/shm").glob("imgscore*"))


def test_try_in_batches_computes_through_the_device_process(tmp_path: Path, tiny: str) -> None:
    settings = WorkerSettings(tmp_path, tmp_path / "heads", tiny, "cpu", 600, batches=True)
    tried = try_in_batches(settings)
    assert (tried.device, tried.provider) == ("CPU", "torch CPU") and tried.rate > 0


def test_try_in_batches_without_the_device_raises_the_reason(tmp_path: Path, tiny: str) -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    settings = WorkerSettings(tmp_path, tmp_path / "heads", tiny, "cuda", 600, batches=True)
    with pytest.raises(ImgscoreError, match="needs torch for this device") as caught:
        try_in_batches(settings)
    assert caught.value.remedy
