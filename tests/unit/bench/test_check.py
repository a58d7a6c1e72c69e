"""bench.check's decisions about given pairs of times; each of its probes runs once."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.check import MAX_RATIO, Pair, format_report, is_loss, is_undecided, lower_bound, measure
from bench.probes import probes
from bench.trees import reference


def pairs(*ratios: float) -> list[Pair]:
    return [Pair(2.0, 2.0 * ratio) for ratio in ratios]


@pytest.mark.parametrize(
    ("count", "bound"), [(1, 0.0), (6, 0.0), (7, 1.0), (10, 1.0), (11, 2.0), (21, 5.0), (84, 31.0)]
)
def test_lower_bound_of_n_values_is_the_order_statistic_of_a_sign_test(
    count: int, bound: float
) -> None:
    assert lower_bound([float(value) for value in range(count, 0, -1)]) == bound


def test_is_loss_needs_every_one_of_seven_pairs_above_the_limit() -> None:
    assert is_loss(pairs(*[1.25] * 7))
    assert not is_loss(pairs(*[1.25] * 6, 1.1))
    assert not is_loss(pairs(*[9.0] * 6))


def test_is_loss_ignores_bursts_of_noise_in_either_version() -> None:
    noisy = [1.0, 4.0, 1.0, 0.2, 1.0, 1.0, 5.0] * 3
    assert not is_loss(pairs(*noisy))
    assert is_loss(pairs(*(1.3 * ratio if ratio == 1.0 else 9.0 for ratio in noisy)))


def test_is_undecided_goes_by_the_median_until_a_loss_is_sure() -> None:
    assert is_undecided(pairs(1.0, MAX_RATIO + 0.01, 1.3))
    assert not is_undecided(pairs(1.0, MAX_RATIO - 0.01, 9.0))
    assert not is_undecided(pairs(*[1.3] * 7))


class Version:
    """Returns given times and records each call."""

    def __init__(self, name: str, times: Iterator[float], calls: list[tuple[str, int]]) -> None:
        self._name, self._times, self._calls = name, times, calls

    def seconds(self, name: str, count: int) -> float:
        self._calls.append((self._name, count))
        return next(self._times)


def test_measure_of_a_short_probe_repeats_it_and_alternates_versions() -> None:
    calls: list[tuple[str, int]] = []
    before = Version("before", iter([9.0, 0.01, 1.0, 2.0, 3.0]), calls)
    now = Version("now", iter([8.0, 0.02, 4.0, 5.0, 6.0]), calls)
    assert measure(before, now, "probe", 3) == [Pair(1, 4), Pair(2, 5), Pair(3, 6)]
    turns = [name for name, _ in calls[4:]]
    assert turns == ["before", "now", "now", "before", "before", "now"]
    assert [count for _, count in calls] == [1] * 4 + [5] * 6


def test_format_report_marks_lost_and_unclear_probes() -> None:
    measured = {"a": pairs(*[1.25] * 7), "b": pairs(1.3, 1.3, 1.0), "c": pairs(1.0)}
    _, lost, unclear, good = format_report(measured)
    assert lost.endswith("LOST") and unclear.endswith("unclear") and good.endswith("0.00")


def test_reference_is_a_full_commit_id() -> None:
    assert re.fullmatch("[0-9a-f]{40}", reference())


def test_probes_each_return_cpu_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "probes"
    folder.mkdir()
    all_probes = list(probes(folder))
    assert len({probe.name for probe in all_probes}) == len(all_probes) > 5
    for probe in all_probes:
        assert probe.seconds() >= 0, probe.name
