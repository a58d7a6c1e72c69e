"""SIGKILL at each named step and at random moments, under a running story; then the judgement."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.crash.sandbox import LOSSES, Fault, LostError, Sandbox
from bench.crash.scenario import Scenario, conclude
from bench.crash.stop import stop_at
from bench.crash.workload import Workload
from imgscore.errors import ImgscoreError, NoDaemonError
from imgscore.store import backups
from imgscore.store.verify import read_all
from imgscore.testing import Row, eventually

ACTS = 24
SEEDS = 4
MOMENTS = 4
STEP_SECONDS = 60.0
LITE0 = "efficientnet-lite0"
# How often a story comes to each step, at most.
FLOW = {
    "after hash": 12, "before commit": 25, "after commit": 25, "after journal": 3,
    "between touches": 40, "after touches": 3, "in training": 2, "after training": 2,
}  # fmt: skip


class Witness:
    """Remembers at each crash what must have survived it, and asks for that after the restart."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._labels: dict[int, Row] = {}
        self._embedded: set[str] = set()
        self._mark = 0

    def listen(self) -> None:
        """Note every label that the daemon says it knows; nothing, where it is gone."""
        try:
            rows = self.sandbox.ask("history", limit=100_000)
        except (NoDaemonError, ImgscoreError):
            return
        self._labels |= {row["number"]: row for row in rows if _is_label(row)}

    def crashed(self) -> None:
        """The daemon is dead. Raises LostError where something was embedded twice."""
        self.sandbox.kill()
        self.compare()
        self._embedded = self.sandbox.embedded()
        self._mark = self.sandbox.log.stat().st_size

    def compare(self) -> None:
        """What has been embedded since the last crash. Raises LostError."""
        log = self.sandbox.log.read_bytes()[self._mark :].decode(errors="replace")
        again = self._embedded & set(re.findall(r"embedded ([0-9a-f]{64})", log))
        if again:
            raise LostError(f"embedded twice: {sorted(again)}")

    def restarted(self) -> None:
        """It is up again. Raises LostError where a label that was reported is not there."""
        rows = self.sandbox.ask("history", limit=100_000)
        found = {row["number"]: row for row in rows if _is_label(row)}
        for number, row in self._labels.items():
            if found.get(number) != row:
                raise LostError(f"a label that was reported is not there: {row}")
        problems = [row for row in self.sandbox.ask("db", action="check") if row["error"]]
        if problems:
            raise LostError(f"db check: {problems}")


def _is_label(row: Row) -> bool:
    return bool(row["what"] == "label")


def one_try(scenario: Scenario, seed: int, name: str, count: int) -> bool:
    """A story, and a crash at a step of it; the story goes on while the daemon is down.

    False where the story never came to the step that often: then it was killed at its end.
    """
    undisturbed = scenario.undisturbed(seed, ACTS)
    with scenario.fresh() as sandbox:
        workload, witness = Workload(sandbox, scenario.dates, seed), Witness(sandbox)
        sandbox.launch(**stop_at(name, count))
        for _ in workload.steps(ACTS):
            witness.listen()
        deadline = time.monotonic() + STEP_SECONDS
        while sandbox.running and not _at_rest(sandbox) and time.monotonic() < deadline:
            witness.listen()
        reached = not sandbox.running
        witness.crashed()
        sandbox.start()
        witness.restarted()
        _judge(sandbox, workload, witness, undisturbed)
        return reached


def many_crashes(scenario: Scenario, seed: int, moments: Sequence[float]) -> None:
    """A story that goes on through several crashes, each so many seconds after the start."""
    undisturbed = scenario.undisturbed(seed, ACTS)
    with scenario.fresh() as sandbox:
        workload, witness = Workload(sandbox, scenario.dates, seed), Witness(sandbox)
        acts = workload.steps(ACTS)
        for moment in moments:
            sandbox.launch()
            deadline = time.monotonic() + moment
            while time.monotonic() < deadline:
                next(acts, None)
                witness.listen()
            witness.crashed()
            next(acts, None)
            sandbox.start()
            witness.restarted()
            witness.crashed()
        sandbox.start()
        for _ in acts:
            witness.listen()
        _judge(sandbox, workload, witness, undisturbed)


def _judge(sandbox: Sandbox, workload: Workload, witness: Witness, undisturbed: list[str]) -> None:
    end = conclude(sandbox, workload)
    witness.compare()
    if end != undisturbed:
        raise LostError(f"the order is not that of an undisturbed run: {end} {undisturbed}")


def _at_rest(sandbox: Sandbox) -> bool:
    try:
        return not sandbox.status()["pending"]
    except (NoDaemonError, ImgscoreError):
        return False


def tried(name: str, tries: int, attempt: Callable[[int], object], note: str = "") -> Fault:
    """Repeat an attempt; a broken promise is a loss."""
    losses: list[str] = []
    for number in range(tries):
        try:
            attempt(number)
        except LOSSES as error:
            losses.append(f"try {number}: {error}")
    return Fault(name, tries, losses, note)


def at_steps(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """Each step of the flow, early and late."""
    for step, most in FLOW.items():
        yield _at_step(scenario, step, most, tries)


def _at_step(scenario: Scenario, step: str, most: int, tries: int) -> Fault:
    chance = random.Random(step)
    counts = [1, *(chance.randrange(2, most + 1) for _ in range(tries - 1))]
    reached: list[int] = []

    def attempt(number: int) -> None:
        if one_try(scenario, number % SEEDS, step, counts[number]):
            reached.append(counts[number])

    fault = tried(f"SIGKILL {step}", tries, attempt)
    times = ", ".join(map(str, sorted(reached)))
    return fault._replace(note=f"when it came to it for time number {times}")


def at_random(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """Any moment: two crashes for each of MOMENTS, one of them right after the start."""
    chance = random.Random(2)

    def attempt(number: int) -> None:
        many_crashes(scenario, number % SEEDS, [chance.uniform(0.0, 4.0) for _ in range(MOMENTS)])

    stories = -(-tries // (2 * MOMENTS))
    fault = tried("SIGKILL at a random moment", stories, attempt)
    yield fault._replace(tries=stories * 2 * MOMENTS)


def of_the_trainer(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """The worker that trains, and nobody else."""

    def attempt(number: int) -> None:
        undisturbed = scenario.undisturbed(number % SEEDS, ACTS)
        with scenario.fresh() as sandbox:
            workload, witness = Workload(sandbox, scenario.dates, number % SEEDS), Witness(sandbox)
            sandbox.start()
            for _ in workload.steps(ACTS):
                witness.listen()
            sandbox.settle()
            train = subprocess.Popen(
                [sys.executable, "-P", "-m", "imgscore.cli.main", "train"],
                env=sandbox.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            killed = _kill_trainer(sandbox)
            train.wait(timeout=120)
            if not killed:
                raise LostError("no training worker was seen")
            sandbox.must("train")
            _judge(sandbox, workload, witness, undisturbed)

    yield tried("SIGKILL of the worker that trains, alone", tries, attempt)


def _kill_trainer(sandbox: Sandbox) -> bool:
    """The worker without a cap on memory is the one that trains."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = Path(f"/proc/{sandbox.pid}/task/{sandbox.pid}/children").read_text().split()
        for child in children:
            with contextlib.suppress(OSError, ValueError, IndexError):
                command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if command[command.index(b"imgscore.workers.worker") + 6] == b"0":
                    os.kill(int(child), signal.SIGKILL)
                    return True
        time.sleep(0.005)
    return False


def in_a_switch(scenario: Scenario, tries: int, model: Path) -> Iterator[Fault]:
    """To another embedder and back; the way back must cost no embedding."""

    def attempt(number: int) -> None:
        undisturbed = scenario.undisturbed(0, 0)
        with scenario.fresh() as sandbox:
            workload, witness = Workload(sandbox, scenario.dates, 0), Witness(sandbox)
            for name, stop in (
                (model, stop_at("in switch", 1 + 7 * number)),
                (LITE0, stop_at("after switch")),
            ):
                sandbox.must("model", "use", name)
                sandbox.launch(**stop)
                while sandbox.running and not _at_rest(sandbox):
                    witness.listen()
                witness.crashed()
                sandbox.start()
                witness.restarted()
                sandbox.settle()
                sandbox.stop()
            sandbox.start()
            _judge(sandbox, workload, witness, undisturbed)

    yield tried("SIGKILL in a switch of the model, and on the way back", tries, attempt)


def in_a_backup(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """A backup that is not whole must not count, and is gone after the next."""

    def attempt(number: int) -> None:
        undisturbed = scenario.undisturbed(number % SEEDS, ACTS)
        with scenario.fresh() as sandbox:
            workload, witness = Workload(sandbox, scenario.dates, number % SEEDS), Witness(sandbox)
            sandbox.configure(backup=1)
            sandbox.launch(**stop_at("in backup", 1 + number))
            for _ in workload.steps(ACTS):
                witness.listen()
            with contextlib.suppress(TimeoutError):  # the story may be too short for this step
                eventually(lambda sandbox=sandbox: not sandbox.running, seconds=STEP_SECONDS)
            witness.crashed()
            for backup in backups.kept(sandbox.data_folder / "backups", datetime.now(UTC)):
                read_all(backup)
            sandbox.start()
            witness.restarted()
            _judge(sandbox, workload, witness, undisturbed)
            left = [*(sandbox.data_folder / "backups").glob("*.partial")]
            if left or not backups.kept(sandbox.data_folder / "backups", datetime.now(UTC)):
                raise LostError(f"backups: {[*(sandbox.data_folder / 'backups').iterdir()]}")

    yield tried("SIGKILL in a backup", tries, attempt)


MIGRATION = """
import sys
from pathlib import Path
from imgscore.store import migrations
from imgscore.store.schema import SCHEMA_VERSION
from imgscore.store.store import Store
new = range(SCHEMA_VERSION, SCHEMA_VERSION + 3)
steps = {n: lambda txn, n=n: txn.table("meta").put(b"migrated", b"%d" % n) for n in new}
with Store(Path(sys.argv[1])) as store:
    store.commit(lambda txn: migrations.migrate(txn, steps, new.stop))
"""


def in_migration(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """Schemas to come, so the steps are made up; the transaction is the real one."""
    stops = (stop_at("in migration", 1), stop_at("in migration", 3), stop_at("before commit", 2))

    def attempt(number: int) -> None:
        with scenario.fresh() as sandbox:
            before, command = (
                sandbox.labels(),
                [sys.executable, "-P", "-c", MIGRATION, sandbox.store_folder],
            )
            environment = sandbox.environment()
            stop = stops[number % len(stops)]
            done = subprocess.run(command, env=environment | stop, check=False, timeout=60)
            if done.returncode != -signal.SIGKILL:
                raise LostError(f"the migration was not killed: {done.returncode}")
            if sandbox.labels() != before:
                raise LostError("labels were lost in a migration")
            sandbox.must("db", "check")
            subprocess.run(command, env=environment, check=True, timeout=60)

    yield tried("SIGKILL in a migration of the store", tries, attempt)
