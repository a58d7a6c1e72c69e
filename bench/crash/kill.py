"""SIGKILL at each failpoint and at random moments while a workload runs, then checks.

After each kill, the restarted daemon must have every label that it reported before, and must not
embed again what it had committed. At the end, the order must equal that of an undisturbed run.
"""

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
from bench.crash.scenario import Scenario, check_end_state
from bench.crash.stop import stop_at
from bench.crash.workload import Workload
from imgscore.errors import ImgscoreError, NoDaemonError
from imgscore.store import backup_folders
from imgscore.store.verify import read_all
from imgscore.testing import Row, eventually
from tests.support.old_stores import downgrade

ACTIONS = 24
"""actions of a workload: enough to reach each failpoint, in about 15 s"""
SEEDS = 4
"""different workloads; the expected order of each is computed once"""
MOMENTS = 4
"""pairs of kills at random moments during one workload"""
STEP_SECONDS = 60.0
"""s: the longest wait for a failpoint, more than a workload takes on a loaded machine"""
LITE0 = "efficientnet-lite0"
FAILPOINTS = {
    "after hash": 12, "before commit": 25, "after commit": 25, "after journal": 3,
    "between touches": 40, "after touches": 3, "in training": 2, "after training": 2,
}  # fmt: skip
"""failpoint → how often a workload reaches it, at most"""


class DurabilityCheck:
    """Records what the daemon reported and committed, and checks it after each crash."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._labels: dict[int, Row] = {}
        """event number → `history` row"""
        self._embedded: set[str] = set()
        self._log_offset = 0

    def record_labels(self) -> None:
        """Record every label that the daemon reports; do nothing if it does not respond."""
        try:
            rows = self.sandbox.ask("history", limit=100_000)
        except (NoDaemonError, ImgscoreError):
            return
        self._labels |= {row["number"]: row for row in rows if _is_label(row)}

    def after_crash(self) -> None:
        """Kill the daemon if it still runs, and record the committed vectors. Raises LostError."""
        self.sandbox.kill()
        self.check_embeddings()
        self._embedded = self.sandbox.embedded_digests()
        self._log_offset = self.sandbox.log.stat().st_size

    def check_embeddings(self) -> None:
        """Raises LostError if the log since the last crash shows a second embedding of an image."""
        log = self.sandbox.log.read_bytes()[self._log_offset :].decode(errors="replace")
        repeated = self._embedded & set(re.findall(r"embedded ([0-9a-f]{64})", log))
        if repeated:
            raise LostError(f"embedded twice: {sorted(repeated)}")

    def after_restart(self) -> None:
        """Raises LostError if a reported label is missing, or if `db check` finds a problem."""
        rows = self.sandbox.ask("history", limit=100_000)
        stored = {row["number"]: row for row in rows if _is_label(row)}
        for number, row in self._labels.items():
            if stored.get(number) != row:
                raise LostError(f"a reported label is missing: {row}")
        problems = [row for row in self.sandbox.ask("db", action="check") if row["error"]]
        if problems:
            raise LostError(f"db check: {problems}")


def _is_label(row: Row) -> bool:
    return bool(row["what"] == "label")


def kill_at_step(scenario: Scenario, seed: int, failpoint: str, count: int) -> bool:
    """Run a workload and kill the daemon when it reaches `failpoint` for the `count`th time.

    The workload continues without the daemon. Returns False if the daemon did not reach the
    failpoint that often; then the kill was at the end of the workload.
    """
    expected = scenario.expected_order(seed, ACTIONS)
    with scenario.copy() as sandbox:
        workload, durability = Workload(sandbox, scenario.dates, seed), DurabilityCheck(sandbox)
        sandbox.launch(**stop_at(failpoint, count))
        for _ in workload.steps(ACTIONS):
            durability.record_labels()
        deadline = time.monotonic() + STEP_SECONDS
        while sandbox.running and not _is_idle(sandbox) and time.monotonic() < deadline:
            durability.record_labels()
        reached = not sandbox.running
        durability.after_crash()
        sandbox.start()
        durability.after_restart()
        _check_end(sandbox, workload, durability, expected)
        return reached


def kill_repeatedly(scenario: Scenario, seed: int, moments: Sequence[float]) -> None:
    """Run a workload through two kills for each of `moments`, in seconds after a start.

    The second kill of each pair comes right after the restart.
    """
    expected = scenario.expected_order(seed, ACTIONS)
    with scenario.copy() as sandbox:
        workload, durability = Workload(sandbox, scenario.dates, seed), DurabilityCheck(sandbox)
        steps = workload.steps(ACTIONS)
        for moment in moments:
            sandbox.launch()
            deadline = time.monotonic() + moment
            while time.monotonic() < deadline:
                next(steps, None)
                durability.record_labels()
            durability.after_crash()
            next(steps, None)
            sandbox.start()
            durability.after_restart()
            durability.after_crash()
        sandbox.start()
        for _ in steps:
            durability.record_labels()
        _check_end(sandbox, workload, durability, expected)


def _check_end(
    sandbox: Sandbox, workload: Workload, durability: DurabilityCheck, expected: list[str]
) -> None:
    order = check_end_state(sandbox, workload)
    durability.check_embeddings()
    if order != expected:
        raise LostError(f"the order differs from an undisturbed run's: {order} {expected}")


def _is_idle(sandbox: Sandbox) -> bool:
    try:
        return not sandbox.status()["pending"]
    except (NoDaemonError, ImgscoreError):
        return False


def repeat(name: str, tries: int, attempt: Callable[[int], object], note: str = "") -> Fault:
    """Call `attempt` with 0 … tries - 1; each exception of LOSSES counts as a loss."""
    losses: list[str] = []
    for number in range(tries):
        try:
            attempt(number)
        except LOSSES as error:
            losses.append(f"try {number}: {error}")
    return Fault(name, tries, losses, note)


def kill_at_steps(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """Kill at each failpoint: the first time that it is reached, and random later times."""
    for step, max_count in FAILPOINTS.items():
        yield _kill_at_step(scenario, step, max_count, tries)


def _kill_at_step(scenario: Scenario, step: str, max_count: int, tries: int) -> Fault:
    chance = random.Random(step)
    counts = [1, *(chance.randrange(2, max_count + 1) for _ in range(tries - 1))]
    reached: list[int] = []

    def attempt(number: int) -> None:
        if kill_at_step(scenario, number % SEEDS, step, counts[number]):
            reached.append(counts[number])

    fault = repeat(f"SIGKILL {step}", tries, attempt)
    return fault._replace(note=f"at occurrence {', '.join(map(str, sorted(reached)))}")


def kill_at_random(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """Kill at random moments; `tries` is rounded up to whole workloads of 2 × MOMENTS kills."""
    chance = random.Random(2)

    def attempt(number: int) -> None:
        moments = [chance.uniform(0.0, 4.0) for _ in range(MOMENTS)]
        kill_repeatedly(scenario, number % SEEDS, moments)

    workloads = -(-tries // (2 * MOMENTS))
    fault = repeat("SIGKILL at a random moment", workloads, attempt)
    yield fault._replace(tries=workloads * 2 * MOMENTS)


def kill_training_worker(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """Kill the training worker only; the daemon must survive."""

    def attempt(number: int) -> None:
        seed = number % SEEDS
        expected = scenario.expected_order(seed, ACTIONS)
        with scenario.copy() as sandbox:
            workload, durability = Workload(sandbox, scenario.dates, seed), DurabilityCheck(sandbox)
            sandbox.start()
            for _ in workload.steps(ACTIONS):
                durability.record_labels()
            sandbox.settle()
            train = subprocess.Popen(
                [sys.executable, "-P", "-m", "imgscore.cli.main", "train"],
                env=sandbox.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            killed = _find_and_kill_trainer(sandbox)
            train.wait(timeout=120)
            if not killed:
                raise LostError("no training worker appeared")
            sandbox.run_checked("train")
            _check_end(sandbox, workload, durability, expected)

    yield repeat("SIGKILL of the training worker only", tries, attempt)


def _find_and_kill_trainer(sandbox: Sandbox) -> bool:
    """Kill the training worker: the only worker without a memory limit. False: none in 30 s."""
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


def kill_during_switch(scenario: Scenario, tries: int, model: Path) -> Iterator[Fault]:
    """Kill during a switch to another embedder and back, which must not embed anything again."""

    def attempt(number: int) -> None:
        expected = scenario.expected_order(0, 0)
        with scenario.copy() as sandbox:
            workload, durability = Workload(sandbox, scenario.dates, 0), DurabilityCheck(sandbox)
            for name, stop in (
                (model, stop_at("in switch", 1 + 7 * number)),
                (LITE0, stop_at("after switch")),
            ):
                sandbox.run_checked("model", "use", name)
                sandbox.launch(**stop)
                while sandbox.running and not _is_idle(sandbox):
                    durability.record_labels()
                durability.after_crash()
                sandbox.start()
                durability.after_restart()
                sandbox.settle()
                sandbox.stop()
            sandbox.start()
            _check_end(sandbox, workload, durability, expected)

    yield repeat("SIGKILL during a switch of the model, and during the switch back", tries, attempt)


def kill_during_backup(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """Kill during a backup: imgscore must not list the partial backup, and must delete it."""

    def attempt(number: int) -> None:
        seed = number % SEEDS
        expected = scenario.expected_order(seed, ACTIONS)
        with scenario.copy() as sandbox:
            workload, durability = Workload(sandbox, scenario.dates, seed), DurabilityCheck(sandbox)
            sandbox.configure(backup=1)
            sandbox.launch(**stop_at("in backup", 1 + number))
            for _ in workload.steps(ACTIONS):
                durability.record_labels()
            with contextlib.suppress(TimeoutError):  # the workload may not reach this failpoint
                eventually(lambda sandbox=sandbox: not sandbox.running, seconds=STEP_SECONDS)
            durability.after_crash()
            for backup in backup_folders.kept(sandbox.data_folder / "backups", datetime.now(UTC)):
                read_all(backup)
            sandbox.start()
            durability.after_restart()
            _check_end(sandbox, workload, durability, expected)
            partial = [*(sandbox.data_folder / "backups").glob("*.partial")]
            if partial or not backup_folders.kept(
                sandbox.data_folder / "backups", datetime.now(UTC)
            ):
                raise LostError(f"backups: {[*(sandbox.data_folder / 'backups').iterdir()]}")

    yield repeat("SIGKILL in a backup", tries, attempt)


MIGRATION = """
import sys
from pathlib import Path
from imgscore.store import migrations
from imgscore.store.store import Store
migrations.SEAL_BATCH = 20
Store(Path(sys.argv[1])).close()
"""
"""the script that opens a store; a small batch makes the migration stop between many commits"""


def kill_during_migration(scenario: Scenario, tries: int) -> Iterator[Fault]:
    """Kill while the records of a store of schema 2 get their checksums."""

    def attempt(number: int) -> None:
        with scenario.copy() as sandbox:
            before = sandbox.labels()
            downgrade(sandbox.store_folder, 2)
            command = [sys.executable, "-P", "-c", MIGRATION, sandbox.store_folder]
            environment = sandbox.environment()
            failpoint = ("in migration", "before commit", "after commit")[number % 3]
            stop = stop_at(failpoint, 1 + number // 3 % 9)
            done = subprocess.run(command, env=environment | stop, check=False, timeout=60)
            if done.returncode != -signal.SIGKILL:
                raise LostError(f"the migration was not killed: {done.returncode}")
            if sandbox.labels() != before:
                raise LostError("the migration lost labels")
            subprocess.run(command, env=environment, check=True, timeout=60)
            sandbox.run_checked("db", "check")
            if sandbox.labels() != before:
                raise LostError("the migration lost labels")

    yield repeat("SIGKILL in a migration of the store", tries, attempt)
