"""`imgscore embed`: with workers of its own, or with a Dask scheduler and workers."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imgscore import paths
from imgscore.embedders import lite0, lite0_spec
from imgscore.errors import StoreError
from imgscore.images.decode import decode
from imgscore.store import vectors
from imgscore.store.store import Store
from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import BIN, Start, imgscore
from tests.support.processes import processes

pytest.importorskip("distributed", reason="pip install distributed")

SECONDS = 120.0
LISTENING = "0A"  # a state in /proc/net/tcp
WORKER = "imgscore.workers.worker"
STOP = """
import os, signal, sys

def stop(event, arguments):
    if event == "open" and isinstance(arguments[0], bytes) and b"sun-104.png" in arguments[0]:
        os.kill(os.getpid(), signal.SIGSTOP)

sys.addaudithook(stop)
"""


@pytest.fixture
def image_folder(tmp_path: Path) -> Iterator[Path]:
    """200 images in three folders. At the end of a test, no process of a cluster is left."""
    folder = tmp_path / "images"
    for name, kind, first in (("a", "sun", 0), ("b", "text", 0), ("b/c", "sun", 100)):
        (folder / name).mkdir(parents=True)
        put(folder / name, kind, 70 if name != "b/c" else 60, first)
    yield folder
    home = os.fspath(tmp_path)
    eventually(lambda: not processes("imgscore", home), what="all processes end")


def stored() -> int:
    """Number of vectors in the store."""
    try:
        with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
            return vectors.count(txn, lite0_spec.ID)
    except StoreError:
        return 0


def begin_and_stop_a_worker(image_folder: Path) -> tuple["subprocess.Popen[str]", int]:
    """Start `imgscore embed` with a worker that stops; return when some vectors are stored."""
    (image_folder.parent / "sitecustomize.py").write_text(STOP)
    process = begin(image_folder, "--workers", "2", PYTHONPATH=os.fspath(image_folder.parent))
    eventually(
        lambda: stopped(image_folder) and stored(), what="a stopped worker, and stored vectors"
    )
    (worker,) = stopped(image_folder)
    return process, worker


def stopped(image_folder: Path) -> list[int]:
    """Pids of workers that are stopped by a signal."""
    workers = processes(WORKER, os.fspath(image_folder.parent))
    return [pid for pid in workers if "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()]


def begin(*arguments: str | Path, **environment: str) -> "subprocess.Popen[str]":
    """Start `imgscore embed`."""
    return subprocess.Popen(
        [BIN / "imgscore", "embed", "--json", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )  # fmt: skip


def result(process: "subprocess.Popen[str]") -> dict[str, int]:
    """Wait for the end of `imgscore embed`, and return its counts."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    counts: dict[str, int] = json.loads(out.splitlines()[-1])
    return counts


def test_embed_repeated_embeds_only_new_images(image_folder: Path) -> None:
    (image_folder / "notes.txt").write_text("not an image")
    (image_folder / "broken.png").write_bytes((image_folder / "a/sun-000.png").read_bytes()[:-200])
    first = imgscore("embed", image_folder, "--workers", "2", "--json")
    assert first.code == 1, first.err
    failure, counts = first.rows
    assert failure["path"] == os.fspath(image_folder / "broken.png")
    assert failure["error"].startswith("incomplete")
    counts = {key: counts[key] for key in ("files", "embedded", "known", "failed")}
    assert counts == {"files": 201, "embedded": 200, "known": 0, "failed": 1}

    image = image_folder / "b/c/sun-101.jpg"
    data = image.read_bytes()
    with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
        vector_of = dict(_rows(txn))
        expected = lite0.load().embed([decode(data)])[0].tobytes()
    assert len(vector_of) == 200
    assert expected in vector_of.values()

    image.write_bytes(data + b"changed")
    os.rename(image_folder / "a", image_folder / "d")  # new paths: read again, no new vector
    again = imgscore("embed", image_folder, "--workers", "1", "--json")
    assert again.code == 1  # the broken file is reported without reading it again
    assert again.rows[0]["error"] == failure["error"]
    assert (again.rows[1]["embedded"], again.rows[1]["known"]) == (71, 129)
    assert stored() == 201


def _rows(txn: object) -> Iterator[tuple[bytes, bytes]]:
    for digests, values in vectors.blocks(txn, lite0_spec.ID):  # type: ignore[arg-type]
        matrix = np.frombuffer(values, np.float16).reshape(-1, lite0_spec.DIM)
        for row, vector in enumerate(matrix):
            yield digests[row * 32 : row * 32 + 32], vector.tobytes()


def test_embed_dask_ports_answer_no_other_client(image_folder: Path) -> None:
    """Dask runs the code of anyone who can connect to its ports."""
    process = begin(image_folder, "--workers", "2")
    eventually(stored, what="vectors are stored")
    for address, port in listening(process.pid):
        assert address == "127.0.0.1"
        for path in ("/info/main/workers.html", "/api/v1/get_workers", "/json/counts.json"):
            connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
            with contextlib.closing(connection):
                connection.request("GET", path)
                assert connection.getresponse().status == 404
    assert result(process)["embedded"] == 200


@pytest.mark.parametrize("address", ["nonsense", "foo://127.0.0.1:1", "tcp://127.0.0.1:1"])
def test_embed_wrong_scheduler_address_is_an_error(image_folder: Path, address: str) -> None:
    refused = imgscore("embed", image_folder, "--scheduler", address)
    assert refused.code == 1 and f"no Dask scheduler answers at {address}" in refused.err
    assert "Traceback" not in refused.err


def listening(pid: int) -> list[tuple[str, int]]:
    """(address, port) of each TCP socket on which a process listens."""
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            own.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    addresses = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in own:
                address, port = fields[1].split(":")
                addresses.append(
                    (socket.inet_ntoa(bytes.fromhex(address)[:4][::-1]), int(port, 16))
                )
    return addresses


def test_embed_file_that_kills_its_decoder_fails_alone(image_folder: Path) -> None:
    process, worker = begin_and_stop_a_worker(image_folder)
    for _ in range(2):  # the second time, the file is read alone
        os.kill(worker, signal.SIGSEGV)
        os.kill(worker, signal.SIGCONT)
        (worker,) = eventually(
            lambda last=worker: (
                [pid for pid in stopped(image_folder) if pid != last]
                or [0] * (process.poll() is not None)
            )
        )
        if not worker:
            break
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, out + err
    failure, counts = (json.loads(line) for line in out.splitlines())
    assert failure["error"] == "crashes the decoder (SIGSEGV)"
    assert (counts["embedded"], counts["failed"]) == (199, 1)
    counts = imgscore("embed", image_folder, "--json").row  # a crash is tried again
    assert (counts["embedded"], counts["known"]) == (1, 199)


def test_embed_killed_keeps_what_it_stored(image_folder: Path) -> None:
    process, _ = begin_and_stop_a_worker(image_folder)
    process.kill()
    process.communicate()
    before = stored()
    assert 0 < before < 200
    counts = imgscore("embed", image_folder, "--workers", "2", "--json").row
    assert (counts["known"], counts["embedded"]) == (before, 200 - before)
    assert stored() == 200


class Cluster:
    """A scheduler and workers, each started as a command."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.file = folder / "scheduler.json"
        self.address = ""

    def begin(self) -> None:
        """Start the scheduler."""
        self._run("scheduler", "--host", "127.0.0.1", "--port", "0")
        eventually(
            lambda: self.file.exists() and self.file.read_text().endswith("}"), what="a scheduler"
        )
        self.address = json.loads(self.file.read_text())["address"]

    def _run(self, kind: str, *arguments: str | Path) -> "subprocess.Popen[bytes]":
        with (self._folder / "cluster.log").open("ab") as log:
            process = subprocess.Popen(
                [BIN / "dask", kind, "--scheduler-file", self.file, "--no-dashboard", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def worker(self, *arguments: str | Path) -> "subprocess.Popen[bytes]":
        """Start a worker without a nanny process, so that it can be killed."""
        return self._run(
            "worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny",
            "--local-directory", self._folder, *arguments,
        )  # fmt: skip

    def close(self) -> None:
        """End all processes."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def cluster(tmp_path: Path, image_folder: Path) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    running = Cluster(folder)
    try:
        running.begin()
        yield running
    finally:
        running.close()


def test_embed_cluster_of_commands_embeds_all(
    image_folder: Path, cluster: Cluster, inbox: Path, start: Start
) -> None:
    """A worker is killed and replaced, then the daemon, which writes the store, is killed, too."""
    daemon = start()
    first, _ = cluster.worker(), cluster.worker()
    process = begin(image_folder, "--scheduler", cluster.address)
    eventually(stored, what="vectors are stored")
    first.kill()
    cluster.worker()
    daemon.kill()  # now the command writes the store itself
    counts = result(process)
    assert (counts["embedded"], counts["failed"]) == (200, 0)
    assert stored() == 200
    daemon = start()
    put(inbox, "sun", 1)  # the image folder has the same bytes, so that the vector is known
    daemon.settle()
    assert stored() == 200
    again = begin(image_folder, "--scheduler", cluster.address)
    assert result(again)["known"] == 200


def test_embed_lost_scheduler_keeps_what_is_stored(image_folder: Path, cluster: Cluster) -> None:
    cluster.worker()
    process = begin(image_folder, "--scheduler", cluster.address)
    eventually(stored, what="vectors are stored")
    cluster.close()
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "goes on from there" in json.loads(err.splitlines()[-1])["remedy"]
    before = stored()
    counts = imgscore("embed", image_folder, "--workers", "1", "--json").row
    assert (counts["known"], counts["embedded"]) == (before, 200 - before)


def test_embed_workers_with_another_embedder_are_refused(
    image_folder: Path, cluster: Cluster, tmp_path: Path
) -> None:
    other = tmp_path / "other.py"
    other.write_text(
        "from imgscore.embedders import lite0_spec\nlite0_spec.ID = 'another-embedder'\n"
    )
    cluster.worker("--preload", other)
    refused = imgscore("embed", image_folder, "--scheduler", cluster.address)
    assert refused.code == 1
    assert "another-embedder" in refused.err and "every machine" in refused.err
    assert stored() == 0


def test_embed_impossible_arguments_are_errors(image_folder: Path, tmp_path: Path) -> None:
    both = imgscore("embed", image_folder, "--scheduler", "tcp://here:1", "--workers", "2")
    assert both.code == 2
    assert imgscore("embed", tmp_path / "nothing").code == 2
    unreachable = imgscore("embed", image_folder, "--scheduler", "tcp://127.0.0.1:1")
    assert unreachable.code == 1 and "dask scheduler" in unreachable.err


def test_embed_without_dask_names_the_extra(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing" / "distributed"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", os.fspath(missing.parent))
    answer = imgscore("embed", image_folder)
    assert answer.code == 2 and "pip install 'imgscore[dask]'" in answer.err
