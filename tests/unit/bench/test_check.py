"""What bench.check says of figures, and that its baseline is of the probes that there are."""

import json
from pathlib import Path

from bench.check import BASELINE, Loss, losses, measured
from bench.probes import Probe, probes


def test_a_loss_of_more_than_fifteen_percent_is_one() -> None:
    baseline = {"a": 1.0, "b": 2.0, "c": 10.0, "gone": 1.0}
    assert losses(baseline, {"a": 1.149, "b": 1.0, "c": 10.0, "new": 5.0}) == []
    found = losses(baseline, {"a": 1.16, "b": 2.0, "c": 20.0})
    assert found == [Loss("c", 10.0, 20.0), Loss("a", 1.0, 1.16)]
    assert [round(one.share, 2) for one in found] == [1.0, 0.16]


def test_the_median_of_pairs_does_not_mind_a_burst_of_noise() -> None:
    """A machine that is busy for a third of the time, and for one half of some pairs."""
    work = iter([9.0, *[2.0, 9.0, 2.0] * 3])
    reference = iter([9.0, *[1.0, 4.0, 1.0] * 3])
    probe = Probe("steady", lambda: next(work), lambda: next(reference))
    assert measured([probe], 9, {}) == {"steady": 2.0}


def test_what_looks_slower_is_judged_by_all_its_pairs() -> None:
    ratios: dict[str, list[float]] = {}
    times = iter([1.0, 1.5, 1.5, 1.5, *[1.0] * 6])
    probe = Probe("unlucky", lambda: next(times), lambda: 1.0)
    first = measured([probe], 3, ratios)
    assert losses({"unlucky": 1.0}, first)
    assert not losses({"unlucky": 1.0}, measured([probe], 6, ratios))


def test_every_probe_has_a_baseline_and_can_be_measured(tmp_path: Path) -> None:
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))
    folder = tmp_path / "probes"
    folder.mkdir()
    found = list(probes(folder))
    assert {probe.name for probe in found} == set(baseline)
    for probe in found:
        assert probe.seconds() >= 0 and probe.reference_seconds() >= 0, probe.name
