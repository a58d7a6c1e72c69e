"""`make crash` at a small size: each kind of fault once. Nothing may be lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.crash import failing, fuzz, hostile, kill, missed
from bench.crash.missed import SkippedError
from bench.crash.sandbox import LostError, Sandbox
from bench.crash.scenario import Scenario, conclude
from bench.crash.workload import Workload

ONCE: dict[str, Callable[[Sandbox], None]] = {
    "watch limit": missed.watch_limit,
    "root made anew": missed.root_made_anew,
    "unmounted": lambda sandbox: missed.unmounted(sandbox, empty=True),
    "across disks": missed.across_disks,
    "unreadable": failing.unreadable,
    "locked files": failing.locked_files,
    "locked store": failing.locked_store,
    "damaged store": lambda sandbox: failing.damaged_store(
        sandbox, failing.HURTS["zeroed from page 2"]
    ),
    "clock set back": failing.clock_set_back,
}


@pytest.mark.parametrize("kind", ONCE.values(), ids=ONCE)
def test_daemon_fault_of_each_kind_loses_nothing(
    kind: Callable[[Sandbox], None], tmp_path: Path
) -> None:
    with Sandbox(tmp_path / "sandbox") as sandbox:
        try:
            kind(sandbox)
        except SkippedError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("kind", [hostile.names, hostile.no_files, hostile.growing])
def test_daemon_hostile_files_lose_nothing(kind: Callable[[Sandbox], None], tmp_path: Path) -> None:
    test_daemon_fault_of_each_kind_loses_nothing(kind, tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_decoder_mutated_files_never_crash_it(kind: str) -> None:
    fault = fuzz.run(kind, 2, 40)
    assert fault.tries == 40 and not fault.losses


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    yield Scenario(tmp_path_factory.mktemp("scenario"))


@pytest.mark.parametrize(("step", "count"), [("after hash", 3), ("between touches", 2)])
def test_daemon_killed_at_a_step_loses_nothing(scenario: Scenario, step: str, count: int) -> None:
    assert kill.one_try(scenario, 0, step, count)


def test_daemon_killed_at_random_loses_nothing(scenario: Scenario) -> None:
    kill.many_crashes(scenario, 0, [0.4, 1.1])


def test_migration_killed_loses_no_label(scenario: Scenario) -> None:
    (fault,) = kill.in_migration(scenario, 3)
    assert not fault.losses


def test_conclude_wrong_order_label_or_date_raises_lost_error(scenario: Scenario) -> None:
    """The final check itself: it must notice a wrong order, a wrong label and a wrong date."""
    with scenario.fresh() as sandbox:
        workload = Workload(sandbox, scenario.dates, 0)
        sandbox.start()
        digest, date = next(iter(workload.dates.items()))
        workload.dates[digest] = date + 1
        with pytest.raises(LostError, match="restore-times"):
            conclude(sandbox, workload)
        workload.dates[digest] = date
        label = workload.wanted.popitem()
        with pytest.raises(LostError, match="labels"):
            conclude(sandbox, workload)
        workload.wanted |= dict([label])
        sandbox.start()
        conclude(sandbox, workload)
