"""The engine with real files, and with workers that answer in this process.

A file contains its scores: the first number is for head "1", the second for head "2".
"""

import hashlib
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from imgscore import paths
from imgscore.config import Config, DaemonConfig, WatchConfig
from imgscore.engine import order_scheduler
from imgscore.engine.engine import Engine
from imgscore.messages import Result
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import heads, scores, sightings
from imgscore.store.schema import HeadRecord
from imgscore.store.store import Store
from imgscore.testing import eventually
from imgscore.verbs import registry
from imgscore.verbs.base import drive
from imgscore.watches import Watches
from imgscore.workers.context import Context
from imgscore.workers.messages import Answer, FileIndexed, IndexFile, Plan, Refused, Task, Unstable
from imgscore.workers.order_tasks import plan_messages
from imgscore.workers.rating_messages import ReadRatings
from imgscore.workers.read_ratings import read_ratings

DAY = 86_400 * 10**9
LONG_AGO = 1_400_000_000 * 10**9


class InlinePool:
    """A pool that does each task when it is submitted, in this process."""

    alive = busy = 0
    trainer_busy = False
    warmed = 0

    def __init__(self, store: Store) -> None:
        self._store = store
        self.results: list[tuple[Task, Answer]] = []
        """what `answers` returns next"""
        self.done: list[Task] = []
        """all tasks that were submitted"""
        self.refuses: tuple[str, ...] = ()
        """the names of the tasks for which there is no room"""
        self.begun: dict[int, list[Task]] = {}
        """the tasks that other workers seem to do, by their process ids"""

    def pids(self) -> list[int]:
        return list(self.begun)

    def tasks(self, pid: int) -> list[Task]:
        return self.begun[pid]

    def has_room(self) -> bool:
        return True

    @property
    def room(self) -> int:
        return int(self.has_room())

    def submit_all(self, tasks: deque[IndexFile]) -> None:
        while tasks and self.has_room() and self.submit(tasks[0]):
            tasks.popleft()

    def submit(self, task: Task) -> bool:
        if type(task).__name__ in self.refuses:
            return False
        self.done.append(task)
        if isinstance(task, Plan):
            self.results += [(task, answer) for answer in plan_messages(self._store, task)]
        else:
            self.results.append((task, _answer(task)))
        return True

    def answers(self, timeout: float | None, wake: int | None = None) -> list[tuple[Task, Answer]]:
        parts = 1 if any(isinstance(task, Plan) for task, _ in self.results[:1]) else None
        done, self.results = self.results[:parts], self.results[len(self.results[:parts]) :]
        if not done and timeout:
            time.sleep(min(timeout, 0.005))
        return done

    def collect(self, timeout: float) -> None:
        time.sleep(min(timeout, 0.001))

    def warm_up(self) -> None:
        self.warmed += 1

    def retry(self) -> None:
        return None

    def reap_idle(self, now: float) -> None:
        return None

    def close(self) -> None:
        return None


def _answer(task: Task) -> Answer:
    if isinstance(task, ReadRatings):
        return read_ratings(cast("Context", None), task)  # The reader uses no context.
    if not isinstance(task, IndexFile):
        return Refused("nothing is learned here", "")
    seen = fingerprint_of(task.path)
    if seen is None:
        return Unstable()
    data = Path(os.fsdecode(task.path)).read_bytes()
    score = (_score(data, task.head), 0.0) if task.head else None
    return FileIndexed(seen, hashlib.sha256(data).digest(), score=score)


def _score(data: bytes, head: str) -> float:
    return float(data.split()[int(head) - 1])


@dataclass
class World:
    """An inbox, a store with a head, and the original dates of all files."""

    folder: Path
    originals: dict[str, int] = field(default_factory=dict)
    watch: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    settle_seconds: float = 0.05
    disk: Path | None = None
    """the folder of the inbox, if it is not the one of the store"""
    others: list[Path] = field(default_factory=list)
    """further inboxes, of the same taste unless `other_watch` names another"""
    other_watch: dict[str, Any] = field(default_factory=dict)
    """settings of the further inboxes"""
    pool: InlinePool = field(init=False)
    """the pool of the engine that was opened last"""

    @property
    def inbox(self) -> Path:
        return (self.disk or self.folder) / "inbox"

    def put(self, name: str, score: float | str, place: str = "inbox") -> Path:
        """Write a file with a score and a date that no plan would choose."""
        path = (self.disk or self.folder) / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{score} {name}")
        number = len(self.originals)
        # By score, the older file comes first: every date is wrong.
        date = LONG_AGO + number * DAY + 123_456_789 + number
        os.utime(path, ns=(date, date))
        self.originals[name] = date
        return path

    def config(self) -> Config:
        """The config of the engine."""
        return Config(
            watch=[
                WatchConfig(inbox=os.fspath(self.inbox), **self.watch),
                *(
                    WatchConfig(inbox=os.fspath(inbox), **self.watch | self.other_watch)
                    for inbox in self.others
                ),
            ],
            dry_run=self.dry_run,
            daemon=DaemonConfig(
                settle=self.settle_seconds,
                workers=1,
                train_after=0.0,
                free_mb=0,
                order_from_keeps=False,
            ),
        )

    def watches(self) -> Watches:
        """The watches of the config."""
        return Watches.of(self.config())

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Open the store and an engine, as a new daemon process does."""
        for name in ("keep", "trash"):
            for inbox in (self.inbox, *self.others):
                (inbox / name).mkdir(parents=True, exist_ok=True)
        with Store(self.folder / "store") as store:
            self.pool = InlinePool(store)
            engine = Engine(store, self.config(), self.folder / "heads", self.pool)
            if not engine.ctx.head("default"):
                head = HeadRecord("1", "default", engine.ctx.embedder.id, 0, 0, 1 << 60, True, {})
                store.commit(lambda txn: heads.record(txn, head))
            with engine:
                yield engine

    def settle(self, engine: Engine) -> None:
        """Scan the disk, and step the engine until nothing is pending."""
        engine.indexer.hint_all()
        until_idle(engine)

    def settled(self) -> None:
        """Open an engine and step it until nothing is pending."""
        with self.engine() as engine:
            self.settle(engine)

    def files(self) -> list[Path]:
        everything = (self.disk or self.folder).rglob("*")
        return [path for path in everything if path.name in self.originals]

    def names(self, place: str = "inbox") -> list[str]:
        """Names of the files in a folder, newest first."""
        everything = ((self.disk or self.folder) / place).iterdir()
        files = [path for path in everything if path.is_file() and not path.is_symlink()]
        return [path.name for path in sorted(files, key=lambda path: -path.stat().st_mtime_ns)]

    def order(self, place: str = "inbox") -> list[str]:
        """The same, without suffixes."""
        return [name.partition(".")[0] for name in self.names(place)]

    def dates(self) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in self.files()}


def until(engine: Engine, condition: Callable[[], bool], wait: float = 0.05) -> None:
    """Step the engine until the condition holds; `wait`: seconds of a step without an answer."""

    def reached() -> bool:
        if not condition():
            engine.step(wait)
            return False
        return True

    eventually(reached, what=lambda: f"pending: {engine.pending}", pause=0.0)


def until_idle(engine: Engine) -> None:
    """Step the engine until nothing is pending."""
    until(engine, lambda: engine.idle)


def ask(engine: Engine, verb: str, **arguments: Any) -> list[dict[str, Any]]:
    """The rows that a verb answers, as `--json` prints them."""
    messages = drive(engine, registry.run(engine, registry.parse(verb, arguments)))
    return [msgspec.to_builtins(message.row) for message in messages if isinstance(message, Result)]


def use_head(engine: Engine, version: str) -> None:
    """Put a new head into use, and score all files with it."""
    with engine.ctx.store.write() as txn:
        embedder = engine.ctx.embedder.id
        head = HeadRecord(version, "default", embedder, 0, 0, 1 << 60, True, {})
        heads.record(txn, head)
        for sighting in sightings.iter_all(txn):
            score = _score(Path(os.fsdecode(sighting.path)).read_bytes(), version)
            packed = scores.pack(sighting.digest, score, 0.0)
            scores.record(txn, "default", version, packed)


@pytest.fixture
def prompt_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next order of an inbox begin after 0.1 s, also while many files arrive."""
    monkeypatch.setattr(order_scheduler, "ORDER_SECONDS", 0.1)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(paths.store_folder()) as store:
        yield store


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[[str], World]]:
    """worlds(name): a new World; in memory if possible, because the disk would be slow."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield lambda name: World(Path(folder) / name)
