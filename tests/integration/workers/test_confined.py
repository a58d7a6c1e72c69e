"""Every task, recipe, model and device works in a worker that the kernel confines."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnxruntime
import pytest

from imgscore import parquet, paths
from imgscore.embedders import devices, lite0_spec, registry
from imgscore.embedders.registry import BUILT_IN
from imgscore.heads import recipes
from imgscore.images.traits import Traits
from imgscore.links.settings import LinkFolder
from imgscore.paths import head_file
from imgscore.store import heads, labels, sightings, similarity, traits, vectors
from imgscore.store.pair_blocks import PairBlock
from imgscore.store.schema import Fingerprint, LabelEvent, LabelName, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.system.landlock import kernel_support
from imgscore.watches import Watch
from imgscore.workers import messages, order_messages, prune_messages, queries
from imgscore.workers.context import Context
from imgscore.workers.find_pairs import find_pairs
from imgscore.workers.messages import Answer, FileIndexed, Task
from imgscore.workers.pool import Pool, WorkerSettings
from imgscore.workers.rating_messages import ReadRatings
from imgscore.workers.training import train
from tests.conftest import draw
from tests.support import uform_checkpoint

pytestmark = pytest.mark.skipif(not kernel_support(), reason="cannot use Landlock here")
COUNT = 12
"""the number of labelled images: enough for one point of the learning curve"""
TASTE = "default"
FAILURES = (
    messages.Refused,
    messages.Crashed,
    messages.Interrupted,
    messages.ModelUnavailable,
    messages.Unreadable,
    messages.Unstable,
)


class Files:
    """An image, and a store with twelve labelled vectors and a head."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inbox = folder / "inbox"
        inbox.mkdir()
        self.image = inbox / "sun.png"
        draw("sun", 1).save(self.image)
        self.watch = Watch(os.fsencode(inbox), (), (), TASTE, "best-newest")
        self.digests = [number.to_bytes(32, "big") for number in range(COUNT)]
        digest = hashlib.sha256(self.image.read_bytes()).digest()
        values = np.random.default_rng(0).random((COUNT + 1, lite0_spec.DIM), np.float32)
        rows = [row.tobytes() for row in values.astype(np.float16)]

        def fill(txn: Txn) -> None:
            vectors.append(txn, lite0_spec.ID, zip([*self.digests, digest], rows, strict=True))
            for number, labelled in enumerate(self.digests):
                name: LabelName = "keep" if number % 2 else "trash"
                labels.append(txn, LabelEvent(number + 1, TASTE, labelled, name, "import", b"/a"))
                facts = Traits(width=4, height=3, format="JPEG", bytes_per_pixel=1.0)
                traits.record(txn, labelled, facts)
            path = os.fsencode(self.image)
            seen = Fingerprint.of_stat(self.image.stat())
            sightings.record(txn, Sighting(path, seen, digest, self.watch.inbox, "inbox"))

        with Store(folder / "store") as store:
            store.commit(fill)
            context = Context(folder / "store", folder / "heads", BUILT_IN, "cpu")
            context._store = store
            record = train(context, messages.Train(TASTE)).record
            store.commit(lambda txn: heads.record(txn, record))
            index = [part.entries for part in find_pairs(context, messages.FindPairs())]
            store.commit(lambda txn: similarity.add(txn, chain(*index), []))
            self.head = head_file(folder / "heads", TASTE, record.version)

    @contextmanager
    def pool(
        self, model: str = BUILT_IN, device: str = "cpu", *, names: bool = False
    ) -> Iterator[Pool]:
        """A pool of real workers for the store."""
        folders = self.folder / "store", self.folder / "heads"
        settings = WorkerSettings(*folders, model, device, file_seconds=600, use_filename=names)
        with Pool(settings, size=1, idle_seconds=5) as pool:
            yield pool


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def answers_of(pool: Pool, task: Task) -> list[Answer]:
    """Send a task to a worker, check that the worker is confined, and return its answers."""
    assert pool.submit(task)
    (pid,) = pool.pids()
    answers: list[Answer] = []
    while pool.busy:
        for _, answer in pool.answers(60):
            # Landlock sets this flag, and nothing else in imgscore does.
            assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
            answers.append(answer)
    return answers


def thumbnail(files: Files) -> Task:
    folder = paths.report_folder() / "thumbnails"
    folder.mkdir(parents=True)
    digest = hashlib.sha256(files.image.read_bytes()).digest()
    file = os.fsencode(folder) + b"/" + paths.thumbnail(digest)
    return messages.MakeThumbnail(os.fsencode(files.image), digest, file)


def quality(files: Files) -> Task:
    digest = hashlib.sha256(files.image.read_bytes()).digest()
    return messages.MeasureQuality(os.fsencode(files.image), digest)


def parquet_query(files: Files) -> Task:
    file = files.folder / "rows.parquet"
    with Store(files.folder / "store") as store:
        parquet.write(store, file, taste=TASTE, spec=registry.spec(BUILT_IN))
    return queries.ReadParquetQuery(TASTE, os.fsencode(file))


def report_query(files: Files) -> Task:
    file = paths.report_folder() / "data"
    file.parent.mkdir(parents=True)
    thumbnails = os.fsencode(file.parent)
    return queries.ReportQuery(
        TASTE, [files.watch.inbox], None, 5, True, os.fsencode(file), thumbnails
    )


def temporary_folders() -> list[Path]:
    return list(paths.temporary_folder().iterdir())


def test_worker_that_is_confined_has_a_private_temporary_folder(files: Files) -> None:
    task = messages.IndexFile(os.fsencode(files.image), TASTE, None)
    with files.pool() as pool:
        answers_of(pool, task)
        (folder,) = temporary_folders()
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "left").write_text("x")
        pool.reap_idle(time.monotonic() + 60)
        assert temporary_folders() == []


def test_worker_deletes_the_temporary_folders_of_killed_workers_only(files: Files) -> None:
    task = messages.IndexFile(os.fsencode(files.image), TASTE, None)
    with files.pool() as running:
        answers_of(running, task)
        (used,) = temporary_folders()
        with files.pool() as killed:
            answers_of(killed, task)
            (left,) = {*temporary_folders()} - {used}
            (left / "file").write_text("x")
        assert {*temporary_folders()} == {used, left}  # the end of a pool kills its workers
        with files.pool() as pool:
            answers_of(pool, task)
            assert used.is_dir() and not left.exists()


def test_make_folder_after_confinement_lets_libraries_make_files(files: Files) -> None:
    code = (
        "import sys, tempfile; from pathlib import Path;"
        "from imgscore import paths; from imgscore.system.landlock import confine_writes;"
        "from imgscore.workers import temporary;"
        "paths.cache_folder().mkdir(parents=True, exist_ok=True);"
        "confine_writes([paths.cache_folder()]);"
        "folder = temporary.make_folder();"
        "file = tempfile.NamedTemporaryFile();"
        "assert Path(file.name).parent == folder == Path(tempfile.gettempdir())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def links(files: Files) -> Task:
    folder = paths.cache_folder() / "links"  # a worker without links in the config can write here
    folder.mkdir(parents=True)
    settings = LinkFolder(os.fsencode(folder), TASTE, 5, 0, 0.0, "link", True)
    return messages.RefreshLinks(settings, [files.watch], must_be_new=True)


TASKS: dict[type[Any], Callable[[Files], Task]] = {
    messages.IndexFile: lambda files: messages.IndexFile(os.fsencode(files.image), TASTE, "1"),
    messages.MakeThumbnail: thumbnail,
    messages.MeasureQuality: quality,
    messages.RefreshLinks: links,
    queries.BestQuery: lambda files: queries.BestQuery(TASTE, [files.watch], 5, 0, 0.0),
    messages.FindPairs: lambda _: messages.FindPairs(),
    messages.ComparePairs: lambda files: messages.ComparePairs(
        0, PairBlock(b"".join(files.digests[:2]), bytes([0, 0, 1, 0]))
    ),
    messages.FindGroups: lambda _: messages.FindGroups(),
    messages.CompareNew: lambda files: messages.CompareNew(files.digests[:2]),
    messages.Train: lambda files: messages.Train(TASTE),
    messages.PrepareLibrary: lambda _: messages.PrepareLibrary(),
    messages.PrepareRows: lambda _: messages.PrepareRows(),
    messages.Rescore: lambda files: messages.Rescore(TASTE, "1"),
    order_messages.PrepareOrder: lambda files: order_messages.PrepareOrder([files.watch], []),
    messages.Plan: lambda files: messages.Plan(files.watch, "1", []),
    messages.BackUp: lambda files: messages.BackUp(os.fsencode(paths.backups_folder() / "now")),
    prune_messages.Prune: lambda files: prune_messages.Prune(
        os.fsencode(paths.report_folder()), 10**6
    ),
    queries.EvaluateQuery: lambda files: queries.EvaluateQuery(TASTE, "auto"),
    queries.SuspectsQuery: lambda files: queries.SuspectsQuery(TASTE, [], 5),
    queries.NextQuery: lambda files: queries.NextQuery(TASTE, [files.watch.inbox], 5),
    queries.ExplainQuery: lambda files: queries.ExplainQuery(TASTE, files.digests[0], 5),
    queries.ImportHeadQuery: lambda files: queries.ImportHeadQuery(TASTE, os.fsencode(files.head)),
    queries.ReadParquetQuery: parquet_query,
    queries.ReportQuery: report_query,
    queries.SearchQuery: lambda files: queries.SearchQuery(TASTE, "sun", 5, None, 0.0),
    queries.CheckStoreQuery: lambda files: queries.CheckStoreQuery(TASTE),
    queries.PairsQuery: lambda files: queries.PairsQuery(
        TASTE, [files.watch.inbox], None, 5, 2, []
    ),
    ReadRatings: lambda files: ReadRatings(os.fsencode(files.image)),
    messages.TryDevice: lambda files: messages.TryDevice(),
}
"""A task of each type."""


def test_tasks_of_every_type_are_listed() -> None:
    assert {*TASKS} == {*get_args(messages.OwnTask), *get_args(queries.AnyQuery)}


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.__name__)
def test_worker_that_is_confined_does_each_task(files: Files, kind: type[Any]) -> None:
    model = BUILT_IN
    if kind is queries.SearchQuery:  # needs a model with a text encoder
        model = os.fspath(uform_checkpoint.make(files.folder / "model"))
    with files.pool(model) as pool:
        answers = answers_of(pool, TASKS[kind](files))
    assert answers and not any(isinstance(answer, FAILURES) for answer in answers), answers


@pytest.mark.parametrize("name", recipes.NAMES)
@pytest.mark.parametrize("kind", [messages.Train, queries.EvaluateQuery])
def test_worker_that_is_confined_runs_each_recipe(
    files: Files, kind: type[messages.Train | queries.EvaluateQuery], name: str
) -> None:
    if name == "mlp":
        pytest.importorskip("torch", reason="pip install torch")
    with files.pool() as pool:
        answers = answers_of(pool, kind(TASTE, name))
    assert answers and not any(isinstance(answer, FAILURES) for answer in answers), answers


def test_worker_that_is_confined_imports_a_torch_checkpoint(files: Files) -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    file = files.folder / "head.pt"
    torch.save(torch.nn.Sequential(torch.nn.Linear(lite0_spec.DIM, 1)).state_dict(), file)
    with files.pool() as pool:
        answers = answers_of(pool, queries.ImportHeadQuery(TASTE, os.fsencode(file)))
    assert not any(isinstance(answer, FAILURES) for answer in answers), answers


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("model", ["built-in", "UForm"])
def test_worker_that_is_confined_embeds_with_each_model(
    files: Files, tmp_path: Path, model: str, names: bool
) -> None:
    folder = BUILT_IN
    if model == "UForm":
        folder = os.fspath(uform_checkpoint.make(tmp_path / "model"))
    task = messages.IndexFile(os.fsencode(files.image), TASTE, None, stored=False)
    with files.pool(folder, names=names) as pool:
        answers = answers_of(pool, task)
    assert isinstance(answers[-1], FileIndexed) and answers[-1].vector, answers


@pytest.mark.parametrize("device", ["auto", *devices.PROVIDERS])
def test_worker_that_is_confined_uses_each_device_or_says_why_not(
    files: Files, device: str
) -> None:
    provider = devices.PROVIDERS.get(device, devices.CPU)
    task = messages.IndexFile(os.fsencode(files.image), TASTE, None, stored=False)
    with files.pool(device=device) as pool:
        answers = answers_of(pool, task)
    assert isinstance(answers[-1], FileIndexed) and answers[-1].vector, answers
    notices = [answer for answer in answers if isinstance(answer, messages.Notice)]
    if device != "auto":
        assert bool(notices) != (provider in onnxruntime.get_available_providers()), notices
