"""`make crash` at a small size: each kind of fault once, without a loss."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.crash import failing, fuzz, hostile, kill, missed
from bench.crash.missed import SkippedError
from bench.crash.sandbox import LostError, Sandbox
from bench.crash.scenario import Scenario, check_end_state
from bench.crash.workload import Workload

CASES: dict[str, Callable[[Sandbox], None]] = {
    "watch limit": missed.exceed_watch_limit,
    "inbox recreated": missed.recreate_inbox,
    "inbox unmounted": lambda sandbox: missed.unmount_inbox(sandbox, empty=True),
    "moves across disks": missed.move_across_disks,
    "broken disk": failing.break_disk,
    "unreadable files": failing.deny_read,
    "read-only store": failing.deny_store_write,
    "damaged store": lambda sandbox: failing.damage_store(
        sandbox, failing.DAMAGES["zeroed from page 2"]
    ),
    "clock set back": failing.set_clock_back,
}
HOSTILE = (hostile.use_hostile_names, hostile.create_special_files, hostile.grow_file)


def run(case: Callable[[Sandbox], None], folder: Path) -> None:
    """Run a case; skip the test where the machine cannot inject the fault."""
    with Sandbox(folder / "sandbox") as sandbox:
        try:
            case(sandbox)
        except SkippedError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_daemon_after_a_fault_has_lost_nothing(
    case: Callable[[Sandbox], None], tmp_path: Path
) -> None:
    run(case, tmp_path)


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.__name__)
def test_daemon_given_hostile_files_survives_and_leaves_them_alone(
    case: Callable[[Sandbox], None], tmp_path: Path
) -> None:
    run(case, tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_decoder_given_mutated_images_raises_only_expected_errors(kind: str) -> None:
    fault = fuzz.run(kind, 2, 40)
    assert fault.tries == 40 and not fault.losses


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    yield Scenario(tmp_path_factory.mktemp("scenario"))


@pytest.mark.parametrize(("step", "count"), [("after hash", 3), ("between touches", 2)])
def test_daemon_killed_at_a_step_loses_nothing(scenario: Scenario, step: str, count: int) -> None:
    assert kill.kill_at_step(scenario, 0, step, count)


def test_daemon_killed_at_random_moments_loses_nothing(scenario: Scenario) -> None:
    kill.kill_repeatedly(scenario, 0, [0.4, 1.1])


def test_store_killed_in_a_migration_keeps_its_labels(scenario: Scenario) -> None:
    (fault,) = kill.kill_during_migration(scenario, 3)
    assert not fault.losses


def test_check_end_state_with_a_wrong_date_or_label_raises_lost_error(scenario: Scenario) -> None:
    with scenario.copy() as sandbox:
        workload = Workload(sandbox, scenario.dates, 0)
        sandbox.start()
        digest, date = next(iter(workload.dates.items()))
        workload.dates[digest] = date + 1
        with pytest.raises(LostError, match="restore-times"):
            check_end_state(sandbox, workload)
        workload.dates[digest] = date
        label = workload.wanted.popitem()
        with pytest.raises(LostError, match="labels"):
            check_end_state(sandbox, workload)
        workload.wanted |= dict([label])
        sandbox.start()
        check_end_state(sandbox, workload)
