"""Tell bursts from brackets and panoramas by the EXIF data of two photographs. No numpy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from math import isfinite, nan
from typing import NamedTuple

from imgscore.images.traits import Traits

BURST_SECONDS = 10.0
"""The largest number of seconds between two photographs of one moment."""
SERIES_SECONDS = 10.0
"""The largest number of seconds between two photographs of one bracket."""
STITCHERS = ("hugin", "autopano", "ptgui", "panorama", "image composite", "autostitch", "pano2vr")
"""Words in the names of programs that join photographs to a panorama."""


class Shot(NamedTuple):
    """The facts about a photograph. `seconds`: the time since 1970, in seconds; NaN if unknown."""

    camera: str = ""
    seconds: float = nan
    exposure_bias: float | None = None
    software: str = ""


NO_SHOT = Shot()


def shot_of(traits: Traits | None) -> Shot:
    """Return the facts about a photograph. The time is read as UTC: only differences count."""
    if traits is None or not traits.camera:
        return NO_SHOT
    seconds = nan
    if traits.taken:
        whole = datetime.fromisoformat(traits.taken).replace(tzinfo=UTC).timestamp()
        seconds = whole + traits.subseconds
    return Shot(traits.camera, seconds, traits.exposure_bias, traits.software.lower())


def gap(first: Shot, second: Shot) -> float:
    """Return the seconds between two photographs of one camera, else NaN."""
    return abs(first.seconds - second.seconds) if first.camera == second.camera else nan


def are_burst(first: Shot, second: Shot) -> bool:
    """Return whether one camera took both photographs within BURST_SECONDS."""
    return gap(first, second) <= BURST_SECONDS


def are_series(first: Shot, second: Shot) -> bool:
    """Return whether two photographs are of one bracket, or one is a joined panorama."""
    joined = [any(word in shot.software for word in STITCHERS) for shot in (first, second)]
    if joined[0] != joined[1]:
        return True
    biases = first.exposure_bias, second.exposure_bias
    differ = None not in biases and biases[0] != biases[1]
    return differ and gap(first, second) <= SERIES_SECONDS


def burst_of(shots: Iterable[Shot]) -> list[Shot]:
    """Return the largest part of the photographs that is one burst, sorted by time.

    One camera took them, each at most BURST_SECONDS after the one before.
    """
    timed = [shot for shot in shots if shot.camera and isfinite(shot.seconds)]
    timed.sort(key=lambda shot: (shot.camera, shot.seconds))
    found: list[Shot] = []
    run: list[Shot] = []
    for shot in timed:
        if run and not are_burst(run[-1], shot):
            run = []
        run.append(shot)
        if len(run) > len(found):
            found = run
    return found
