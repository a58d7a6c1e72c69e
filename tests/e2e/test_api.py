"""The public Python API: the same results with and without a daemon, errors, threads, and docs."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import imgscore
from imgscore import api, client, errors, paths
from imgscore.embedders import lite0_spec
from imgscore.events import Following, Labelled
from imgscore.store import vectors
from imgscore.store.lock import StoreLock
from imgscore.store.schema import DIGEST_SIZE
from imgscore.store.store import Store
from imgscore.testing import eventually
from tests.conftest import draw, put
from tests.support.commands import Start
from tests.support.commands import imgscore as command

PAGE = Path(__file__).parents[2] / "docs/api.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def taught(inbox: Path) -> Path:
    """An inbox with six pictures of each kind; three more of each are in keep/ and trash/."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 9)[:3]:
            path.rename(inbox / folder / path.name)
    return inbox


@pytest.mark.core
def test_import_imgscore_imports_no_other_module() -> None:
    code = (
        "import sys; before = set(sys.modules); import imgscore; print(set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'imgscore'}"


@pytest.mark.core
def test_import_of_the_api_loads_neither_numpy_nor_the_engine() -> None:
    code = "import sys, imgscore; imgscore.open; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "imgscore.api" in loaded
    assert not loaded & {"numpy", "lmdb", "PIL", "imgscore.engine.engine", "typer", "imgscore.cli"}


@pytest.mark.core
@pytest.mark.parametrize("with_daemon", [False, True])
def test_library_with_and_without_a_daemon_gives_the_same_results(
    taught: Path, start: Start, with_daemon: bool
) -> None:
    if with_daemon:
        start()
    with imgscore.open() as library:
        library.wait()
        assert library.status().state == ("running" if with_daemon else "offline")
        scores = list(library.score(taught))
        assert len(scores) == 12 and not [row.error for row in scores if row.error]
        suns = [row.score for row in scores if "sun" in row.path]
        texts = [row.score for row in scores if "text" in row.path]
        assert min(suns) > max(texts)
        assert library.plan() == []  # it is in order

        files = [taught / "sun-003.jpg", os.fsencode(taught / "sun-004.png")]
        rows = library.label(files, "trash")
        assert [row.label for row in rows] == ["trash", "trash"]
        assert next(library.score(str(files[0]))).label == "trash"
        library.wait()
        (taste,) = library.tastes()
        assert (taste.name, taste.keep, taste.trash) == ("default", 3, 5)
        assert taste.inboxes == [str(taught)] and taste.head
        assert [row.label for row in library.label(files, "clear")] == [None, None]
        assert [row.label for row in library.label(files, 4)] == ["keep", "keep"]
        assert [row.label for row in library.label(files, -1)] == ["trash", "trash"]

        found = {vector.sha256: vector for vector in library.vectors()}
        assert len(found) == 18
        for row in scores:
            assert row.sha256 is not None
            vector = found[row.sha256]
            assert vector.path == row.path
            assert vector.values.shape == (lite0_spec.DIM,) and not vector.values.flags.writeable


def test_library_plan_lists_the_dates_that_an_order_would_change(taught: Path) -> None:
    config = paths.config_file()
    config.write_text(f"dry_run = true\n{config.read_text()}")
    with imgscore.open() as library:
        library.wait()
        planned = library.plan(taught)
        assert planned and all(touch.dry_run for touch in planned)
        assert all(os.stat(touch.path).st_mtime_ns == touch.before_ns for touch in planned)


@pytest.mark.parametrize("with_daemon", [False, True])
def test_library_with_odd_names_returns_a_row_for_each(
    inbox: Path, start: Start, with_daemon: bool
) -> None:
    names = [b"line\nbreak.png", b"not-utf8-\xff.png", "ü\u202e.png".encode(), b"-n.png"]
    for number, name in enumerate(names):
        with open(os.path.join(os.fsencode(inbox), name), "wb") as file:
            draw("sun", number).save(file, "PNG")
    if with_daemon:
        start()
    given = [os.path.join(os.fsencode(inbox), name) for name in [*names, b"missing.png"]]
    with imgscore.open() as library:
        rows = list(library.score(given))
    assert [os.fsencode(row.path) for row in rows] == given
    assert [row.error is None for row in rows] == [True] * 4 + [False]


def test_library_relative_path_belongs_to_the_working_folder(
    inbox: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = put(inbox, "sun", 1)
    start()
    monkeypatch.chdir(inbox)
    with imgscore.open() as library:
        assert [row.path for row in library.score(path.name)] == [str(path)]


def test_library_more_files_than_a_batch_keeps_their_order(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "FILE_BATCH", 3)
    paths = put(inbox, "sun", 8)
    with imgscore.open() as library:
        rows = library.score(path for path in paths)
        assert next(rows).path == str(paths[0])
        assert library.label(paths[5], "keep")[0].label == "keep"  # between two batches
        rest = list(rows)
    assert [row.path for row in rest] == [str(path) for path in paths[1:]]
    assert [row.label for row in rest] == [None] * 4 + ["keep"] + [None] * 2


def test_library_wrong_arguments_raise_usage_errors(inbox: Path) -> None:
    (path,) = put(inbox, "sun", 1)
    with imgscore.open() as library:
        for wrong in (
            lambda: library.label(path, "perhaps"),
            lambda: library.label(path, 6),
            lambda: list(library.score(path, taste="nobody")),
            lambda: list(library.score("a\0b")),
            lambda: library.plan("/nowhere"),
            lambda: library.search(""),
        ):
            with pytest.raises(errors.UsageError):
                wrong()
        assert next(library.score(path)).error is None  # it still works
    with pytest.raises(errors.UsageError, match="closed"):
        library.status()


def test_library_daemon_only_without_a_daemon_raises_and_opens_nothing(inbox: Path) -> None:
    with imgscore.open(daemon_only=True) as library:
        with pytest.raises(errors.NoDaemonError):
            library.status()
        with pytest.raises(errors.NoDaemonError):
            next(library.events())
        StoreLock(Path(os.environ["XDG_DATA_HOME"]) / "imgscore").close()  # nothing has locked it


def test_library_store_in_use_raises_store_error_and_works_later(inbox: Path) -> None:
    with imgscore.open() as first, imgscore.open(busy_seconds=0) as second:
        first.status()
        with pytest.raises(errors.StoreError, match="is using the store"):
            second.status()
        first.close()
        assert second.status().state == "offline"


def test_library_daemon_that_ends_is_replaced_by_the_store(taught: Path, start: Start) -> None:
    daemon = start()
    with imgscore.open() as library:
        assert library.status().state == "running"
        read = library.vectors()
        daemon.settle()
        assert daemon.stop() == 0
        assert library.status().state == "offline"
        assert len(list(read)) == 18


@pytest.mark.parametrize("with_daemon", [False, True])
def test_library_called_from_threads_answers_each(
    taught: Path, start: Start, with_daemon: bool
) -> None:
    if with_daemon:
        start()
    paths = sorted(taught.glob("*.*"))
    rows: dict[Path, list[str]] = {}
    with imgscore.open() as library:
        library.wait()

        def work(path: Path) -> None:
            rows[path] = [row.path for row in library.score([path] * 3)]
            assert sum(1 for _ in library.vectors()) == 18

        threads = [threading.Thread(target=work, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert rows == {path: [str(path)] * 3 for path in paths}


def test_library_vectors_of_many_blocks_are_complete(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "BLOCK_BATCH", 2)
    count = 5 * vectors.ROWS_PER_BLOCK + 1
    digests = [number.to_bytes(DIGEST_SIZE, "big") for number in range(count)]
    value = b"\x00\x3c" * lite0_spec.DIM
    with imgscore.open() as library:
        store = Path(os.environ["XDG_DATA_HOME"]) / "imgscore/store"
        with Store(store) as opened, opened.write() as txn:
            vectors.append(txn, lite0_spec.ID, ((digest, value) for digest in digests))
            vectors.append(txn, "another", ((digest, value[:2]) for digest in digests))
        read = list(library.vectors())
    assert [vector.sha256 for vector in read] == [digest.hex() for digest in digests]
    assert all(vector.path is None and (vector.values == 1).all() for vector in read)


def test_library_vectors_without_a_store_are_none(tmp_path: Path) -> None:
    with imgscore.open() as library:
        assert list(library.vectors()) == []


def test_library_events_follow_the_daemon_over_a_restart(inbox: Path, start: Start) -> None:
    daemon = start()
    (path,) = put(inbox, "sun", 1)
    with imgscore.open(daemon_only=True) as library:
        events = library.events()
        assert isinstance(next(events), Following)
        library.label(path, "keep")
        label = next(event for event in events if isinstance(event, Labelled))
        assert (label.path, label.label) == (str(path), "keep")
        assert daemon.stop() == 0
        start()
        assert next(event for event in events if isinstance(event, Following))


def test_open_leaves_the_umask_and_makes_the_store_private(inbox: Path) -> None:
    data = Path(os.environ["XDG_DATA_HOME"]) / "imgscore"
    data.chmod(0o755)
    before = os.umask(0o022)
    try:
        with imgscore.open() as library:
            library.wait()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert data.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("with_daemon", [False, True])
def test_examples_in_the_api_page_run(sandbox_home: Path, start: Start, with_daemon: bool) -> None:
    inbox = sandbox_home / "Pictures/inbox"
    inbox.mkdir(parents=True)
    assert command("init", inbox).code == 0
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 9)[:3]:
            path.rename(inbox / folder / path.name)
    assert command("scan").code == 0
    assert len(EXAMPLES) >= 7
    if with_daemon:
        start()
        eventually(client.connect_to_daemon, what="the daemon listens").close()
    for example in EXAMPLES:
        if "daemon_only=True" in example and not with_daemon:
            continue
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", example],
            cwd=sandbox_home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, example + done.stderr
        assert done.stderr == ""


@pytest.fixture
def sandbox_home(environment: Path) -> Path:
    """HOME of the sandbox, which is the working folder of the examples."""
    return environment


def test_library_without_a_config_scores_files(tmp_path: Path) -> None:
    (path,) = put(tmp_path, "sun", 1)
    with imgscore.open() as library:
        (row,) = library.score(path)
        assert row.error is None and row.score is None and row.missing
        assert library.tastes() == [] and list(library.score([])) == []
        with pytest.raises(errors.ConfigError):
            library.plan()


def test_library_interrupted_by_ctrl_c_works_again(taught: Path) -> None:
    code = """
import os, signal, sys, threading, time
import imgscore
with imgscore.open() as library:
    library.status()  # the store is open
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        library.wait()
        time.sleep(60)
    except KeyboardInterrupt:
        pass
    library.wait()
    print(sum(row.score is not None for row in library.score(sys.argv[1])))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, taught], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout == "12\n", done.stderr


def test_public_names_are_those_of_the_api_module() -> None:
    assert set(imgscore.__all__) - {"__version__"} == set(api.__all__)
    assert set(dir(imgscore)) >= set(imgscore.__all__)
    with pytest.raises(AttributeError):
        imgscore.no_such_name  # type: ignore[attr-defined]  # noqa: B018
