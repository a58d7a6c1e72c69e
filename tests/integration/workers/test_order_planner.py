"""The plan of a large inbox in a worker, and what is prepared for it during a training."""

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest

from imgscore.groups.best import VERSION, Quality
from imgscore.order.timeline import Timeline
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import groups, qualities, scores, settings, sightings
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.schema import Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import eventually
from imgscore.watches import Watch
from imgscore.workers import order_planner, plan_inbox
from imgscore.workers.large_plan import LargePlan, stored_scores
from imgscore.workers.messages import PlannedTouch
from imgscore.workers.order_planner import OrderPlanner

HEAD = "1"
NOW_NS = 1_790_000_000 * 10**9 + 5


class Library:
    """An inbox with files, and a store that knows them."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.inbox, self.store = folder / "inbox", store
        self.watch = Watch(os.fsencode(self.inbox), (), (), "default", "best-newest")
        self._chance = random.Random(1)

    def put(self, name: str, score: float | None = 0.5, *, data: str = "") -> Path:
        """Write a file with a random date, and record its sighting and its score."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data or name)
        date = (1_700_000_000 + self._chance.randrange(10**6)) * 10**9 + 7
        os.utime(path, ns=(date, date))
        self.see(path)
        if score is not None:
            self.score(path, score)
        return path

    def see(self, path: Path, role: Literal["inbox", "keep"] = "inbox") -> bytes:
        raw = os.fsencode(path)
        seen = fingerprint_of(raw)
        assert seen is not None
        digest = hashlib.sha256(path.read_bytes()).digest()
        file = Sighting(raw, seen, digest, self.watch.inbox, role)
        self.store.commit(lambda txn: sightings.record(txn, file))
        return digest

    def score(self, path: Path, score: float, deviation: float = 0.01) -> None:
        digest = hashlib.sha256(path.read_bytes()).digest()
        packed = scores.pack(digest, score, deviation)
        self.store.commit(lambda txn: scores.record(txn, "default", HEAD, packed))

    def known(self) -> np.ndarray:
        with self.store.read() as txn:
            return stored_scores(txn, "default", HEAD).copy()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    for module in (order_planner, plan_inbox):
        monkeypatch.setattr(module.time, "time_ns", lambda: NOW_NS)
    with Store(tmp_path / "store") as store:
        yield Library(tmp_path, store)


def assert_same(library: Library, plan: LargePlan, exclude: tuple[bytes, ...] = ()) -> None:
    """Compare a plan with that of the engine, which is made without arrays."""
    expected = plan_inbox.plan_inbox(library.store, library.watch, HEAD, exclude)
    assert list(plan.touches()) == expected.touches
    assert plan.plan.timeline == expected.timeline.packed()
    assert isinstance(Timeline.unpacked(plan.plan.timeline), Timeline)
    assert (plan.ties, plan.store_ties) == (expected.ties, expected.store_ties)
    assert plan.unusable == expected.unusable


def fill(library: Library) -> None:
    """Fill the inbox with images of each kind."""
    for number in range(60):
        library.put(f"{number % 3}/{number:03}.png", number * 7 % 60 / 60)
    for number in range(4):
        library.put(f"{number:03}.jpg", 0.1 * number)
        library.put(f"{number:03}.CR2", 0.05 if number % 2 else None)
        (library.inbox / f"{number:03}.xmp").write_text("sidecar")
    for name in ("copy.png", "Copy of copy.png", "0/copy.png"):
        library.put(name, 0.7, data="equal bytes")
    library.put("not scored.png", None)
    library.score(library.put("bad score.png"), 0.5)
    digest = hashlib.sha256(b"bad score.png").digest()
    key = b"default\x00" + HEAD.encode() + b"\x00" + digest
    nan = np.array([np.nan, 0], np.float32).tobytes()
    library.store.commit(lambda txn: txn.table("scores").put(key, nan))
    linked = library.put("linked.png", 0.9)
    os.link(linked, library.inbox / "same file.png")
    library.see(library.inbox / "same file.png")
    library.see(linked)
    outside = library.put("linked outside.png", 0.9)
    os.link(outside, library.inbox.parent / "archive.png")
    library.see(outside)
    kept = library.put("kept too.png", 0.9)
    (library.inbox / "keep").mkdir()
    os.link(kept, library.inbox / "keep/kept.png")
    library.see(library.inbox / "keep/kept.png", "keep")
    library.see(kept)


def add_groups(library: Library) -> None:
    """Put images into two groups, one of them with the copies, and measure some of them."""
    names = [["0/000.png", "1/001.png", "2/002.png", "not scored.png"], ["copy.png", "000.jpg"]]
    parts = [
        tuple(hashlib.sha256((library.inbox / name).read_bytes()).digest() for name in part)
        for part in names
    ]

    def write(txn: Txn) -> None:
        members = [digest for part in parts for digest in part]
        groups.replace(txn, members, [NewGroup("bursts", part, "alike") for part in parts])
        for number, digest in enumerate(members[:3]):
            measured = QualityRecord(VERSION, Quality(pixels=10**6, bytes=1000 * (number + 1)))
            qualities.record(txn, digest, measured)

    library.store.commit(write)


@pytest.mark.parametrize("mode", ["off", "together", "best-on-top"])
@pytest.mark.parametrize("siblings", [True, False])
@pytest.mark.parametrize("order", ["best-newest", "worst-newest"])
def test_planner_any_inbox_makes_the_plan_of_the_engine(
    library: Library, mode: str, siblings: bool, order: str
) -> None:
    fill(library)
    add_groups(library)
    changes = {"groups": mode, "siblings": siblings, "order": order}
    library.watch = replace(library.watch, **changes)  # type: ignore[arg-type]
    with OrderPlanner(library.store) as planner:
        assert_same(library, planner.plan(library.watch, HEAD))
        exclude = (os.fsencode(library.inbox / "0/003.png"), os.fsencode(library.inbox / "000.jpg"))
        assert_same(library, planner.plan(library.watch, HEAD, exclude), exclude)


def test_planner_empty_inbox_plans_nothing(library: Library) -> None:
    with OrderPlanner(library.store) as planner:
        assert list(planner.plan(library.watch, HEAD).touches()) == []


def test_planner_plan_made_ahead_is_used_if_nothing_changes(library: Library) -> None:
    fill(library)
    with OrderPlanner(library.store) as planner:
        planner.prepare(library.watch)
        known = library.known()
        planner.plan_ahead("other", HEAD, known)
        planner.plan_ahead("default", HEAD, known)
        # The daemon stores the scores meanwhile. This changes none of the tables of the plan.
        library.score(library.inbox / "0/000.png", 0.0)
        library.score(library.inbox / "0/000.png", float(known["score"][0]))
        plan = planner.plan(library.watch, HEAD)
        assert planner.plan(library.watch, HEAD) is plan


def test_planner_plan_made_ahead_follows_changed_dates_but_no_new_image(library: Library) -> None:
    fill(library)
    known = library.known()
    with OrderPlanner(library.store) as planner:
        planner.prepare(library.watch)
        path = library.inbox / "1/001.png"
        os.utime(path, ns=(NOW_NS - 10**15, NOW_NS - 10**15))
        library.see(path)
        planner.plan_ahead("default", HEAD, known)
        plan = planner.plan(library.watch, HEAD)
        assert planner.plan(library.watch, HEAD) is plan
        assert_same(library, plan)
        planner.prepare(library.watch)
        library.put("new.png", 0.95)
        planner.plan_ahead("default", HEAD, known)
        assert_same(library, planner.plan(library.watch, HEAD))


def _new_file(library: Library) -> None:
    library.put("new.png", 0.95)


def _rated(library: Library) -> None:
    add_groups(library)


def _sidecar(library: Library) -> None:
    # Some file systems store the time of a folder's last change in steps.
    folder = library.inbox
    before = folder.stat().st_mtime_ns
    number = 0

    def changed() -> bool:
        nonlocal number
        (folder / "0.aae").unlink(missing_ok=True)
        (folder / "000.aae").write_text(str(number := number + 1))
        (folder / "0.aae").write_text("")
        return folder.stat().st_mtime_ns != before

    eventually(changed)
    (folder / "0.aae").unlink()


def _ties(library: Library) -> None:
    with library.store.read() as txn:
        count = len(list(sightings.iter_all(txn)))
    known = [0.1 * number for number in range(34)]
    from imgscore.store.schema import Ties

    ties = Ties(HEAD, count, known)
    library.store.commit(lambda txn: settings.record_ties(txn, library.watch.inbox, ties))


@pytest.mark.parametrize("change", [_new_file, _rated, _sidecar, _ties])
def test_planner_change_after_the_preparation_is_in_the_plan(library: Library, change) -> None:
    fill(library)
    library.watch = replace(library.watch, siblings=True, groups="together")
    with OrderPlanner(library.store) as planner:
        planner.prepare(library.watch)
        planner.plan_ahead("default", HEAD, library.known())
        before = planner.plan(library.watch, HEAD)
        change(library)
        after = planner.plan(library.watch, HEAD)
        assert after is not before
        assert_same(library, after)


def test_planner_touched_files_are_loaded_again(library: Library) -> None:
    fill(library)
    with OrderPlanner(library.store) as planner:
        planner.prepare(library.watch)
        for touch in planner.plan(library.watch, HEAD).touches():
            path, ns = touch.sighting.path, touch.after_ns
            os.utime(path, ns=(ns, ns))
            seen = fingerprint_of(path)
            assert seen is not None
            file = msgspec.structs.replace(touch.sighting, seen=seen)
            library.store.commit(lambda txn, file=file: sightings.record(txn, file))
        library.see(library.inbox / "same file.png")
        left: list[PlannedTouch] = list(planner.plan(library.watch, HEAD).touches())
        assert left == []


def test_planner_digests_are_known_only_of_prepared_inboxes(library: Library) -> None:
    library.put("a.png")
    with OrderPlanner(library.store) as planner:
        assert planner.digests([library.watch.inbox]) is None
        planner.prepare(library.watch)
        assert planner.digests([library.watch.inbox]) == [hashlib.sha256(b"a.png").digest()]
        assert planner.digests([library.watch.inbox, b"/other"]) is None
        library.put("b.png")
        assert planner.digests([library.watch.inbox]) is None


def test_snapshot_of_a_closed_store_counts_as_changed(library: Library) -> None:
    snapshot = library.store.snapshot()
    with library.store.read() as txn:
        assert not snapshot.has_changed(txn, ["sightings", "groups"])
    library.put("a.png")
    with library.store.read() as txn:
        assert snapshot.has_changed(txn, ["sightings"])
        assert not snapshot.has_changed(txn, ["groups"])
    library.store.park()
    with library.store.read() as txn:
        assert snapshot.has_changed(txn, ["groups"])
