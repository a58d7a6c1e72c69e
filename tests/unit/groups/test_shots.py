"""Bursts, brackets and panoramas by EXIF data."""

from math import isnan, nan

from imgscore.groups.shots import NO_SHOT, Shot, are_burst, are_series, burst_of, gap, shot_of
from imgscore.images.traits import Traits, fraction, stops


def test_shot_of_traits_adds_the_subseconds() -> None:
    traits = Traits(
        width=1, height=1, format="JPEG", bytes_per_pixel=1, camera="C",
        taken="1970-01-01T00:01:00", subseconds=0.25, exposure_bias=-1.0,
    )  # fmt: skip
    assert shot_of(traits) == Shot("C", 60.25, -1.0, "")
    assert shot_of(None) == NO_SHOT


def test_are_burst_needs_one_camera_and_a_short_time() -> None:
    first = Shot("C", 100.0)
    assert are_burst(first, Shot("C", 109.5))
    assert not are_burst(first, Shot("C", 111.0))
    assert not are_burst(first, Shot("D", 100.0))
    assert not are_burst(first, Shot("C", nan))
    assert isnan(gap(first, Shot("D", 100.0)))


def test_burst_of_photographs_of_two_days_and_others_is_the_larger_burst() -> None:
    burst = [Shot("C", 100.0, None), Shot("C", 100.0, 0.0), Shot("C", 109.0), Shot("C", 118.0)]
    others = [Shot("C", 90000.0), Shot("C", 90001.0), Shot("D", 109.0), Shot("C", nan), NO_SHOT]
    assert burst_of([*others, *reversed(burst)])[2:] == burst[2:]
    assert len(burst_of([*others, *burst])) == 4
    assert burst_of([NO_SHOT, Shot("C", nan)]) == []


def test_are_series_needs_different_exposures_or_a_joined_panorama() -> None:
    first = Shot("C", 100.0, 0.0)
    assert are_series(first, Shot("C", 101.0, -2.0))
    assert not are_series(first, Shot("C", 101.0, 0.0))
    assert not are_series(first, Shot("C", 101.0, None))
    assert not are_series(first, Shot("C", 500.0, -2.0))
    assert are_series(first, Shot("C", 100.0, 0.0, "hugin 2022.0"))


def test_exif_numbers_of_any_type_are_read_or_ignored() -> None:
    assert [fraction(value) for value in ("25", " 07 ", "", "x", None, 5, "²")] == [
        0.25, 0.07, 0, 0, 0, 0, 0,
    ]  # fmt: skip
    assert stops(-0.6666666) == -0.67
    assert [stops(value) for value in (None, "x", float("nan"), float("inf"), 1e9)] == [None] * 5
