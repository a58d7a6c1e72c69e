"""Linked images, and the groups that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from imgscore.groups.find import BURST, MIRRORED, PART
from imgscore.groups.shots import NO_SHOT, Shot, burst_of
from imgscore.groups.split import components
from imgscore.store.groups import Whole
from imgscore.store.similarity import Link
from imgscore.workers.group_messages import FoundGroup

MAX_COMPLETE = 24
"""The largest number of linked images of which all pairs are compared: 276 pairs."""


class Graph:
    """Linked images, by digest."""

    def __init__(self, links: Iterable[Link]) -> None:
        self.strengths: dict[bytes, dict[bytes, float]] = {}
        self._kinds: dict[tuple[bytes, bytes], int] = {}
        """for each link, with the smaller digest first"""
        self.wholes: dict[bytes, dict[bytes, float]] = {}
        """for each image, the images that show less of the picture, with its gain"""
        for link in links:
            self.add(link)

    def add(self, link: Link) -> None:
        """Add a link in both directions."""
        first, second = link.first, link.second
        self.strengths.setdefault(first, {})[second] = link.strength
        self.strengths.setdefault(second, {})[first] = link.strength
        self._kinds[(first, second) if first < second else (second, first)] = link.kind
        if link.gain:
            whole, part = link.first, link.second
            if link.gain < 0:
                whole, part = part, whole
            self.wholes.setdefault(whole, {})[part] = abs(link.gain)

    def kind_of(self, first: bytes, second: bytes) -> int:
        """Return the kind of the link between two images."""
        return self._kinds[(first, second) if first < second else (second, first)]

    def wholes_of(self, members: set[bytes]) -> list[Whole]:
        """Return which images of a group show more than others, sorted."""
        return sorted(
            (whole, part, gain)
            for whole in members & self.wholes.keys()
            for part, gain in self.wholes[whole].items()
            if part in members
        )


def unlinked_pairs(graph: Graph) -> list[tuple[bytes, bytes]]:
    """Return the pairs of images that are linked only through others, the smaller digest first.

    If they are compared too, the groups depend only on the images, and not on the sequence in which
    images were compared. Large sets of linked images are left out.
    """
    return [
        (first, second)
        for part in components(graph.strengths)
        if len(part) <= MAX_COMPLETE
        for first, second in combinations(sorted(part), 2)
        if second not in part[first]
    ]


def grouped(graph: Graph, groups: list[list[bytes]], shots: dict[bytes, Shot]) -> list[FoundGroup]:
    """Return the groups with their kinds and reasons."""
    found = []
    for centre, *others in groups:
        kinds = {graph.kind_of(centre, other) for other in others}
        members = [centre, *others]
        wholes = graph.wholes_of(set(members))
        burst = burst_of(shots.get(member, NO_SHOT) for member in members)
        if BURST in kinds and 2 * len(burst) > len(members):
            found.append(FoundGroup("bursts", members, _burst_text(burst, len(members)), wholes))
            continue
        why = "These images are almost equal."
        if MIRRORED in kinds:
            why = "These images show the same picture, and some are mirrored."
        elif PART in kinds:
            why = "These images show the same picture, whole or in part."
        found.append(FoundGroup("near-duplicates", members, why, wholes))
    return found


def _burst_text(burst: list[Shot], images: int) -> str:
    """Return the reason of a group in which most images are of one burst."""
    seconds = burst[-1].seconds - burst[0].seconds
    photographs = "these photographs" if len(burst) == images else "most of these images"
    unit = "second" if seconds <= 1 else "seconds"
    length = f"{max(seconds, 0.1):.1f}".removesuffix(".0")
    return f"{burst[0].camera} took {photographs} within {length} {unit}."
