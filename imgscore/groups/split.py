"""Split linked images into groups. Each image of a group is linked to the group's central image.

A chain of links can connect hundreds of different images, so a chain alone joins no group.
No numpy: the result is computed from Python objects.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Set

Neighbours = Mapping[bytes, Mapping[bytes, float]]
"""For each image its linked images, with the strength of each link."""


def split(neighbours: Neighbours) -> list[list[bytes]]:
    """Return groups of at least two images. Each image is in at most one group.

    The image with the most links becomes the centre of the first group; then the same is done
    with the other images. The centre comes first in its group, and the others are sorted by the
    strength of their link. The result does not depend on the order of `neighbours`.
    """
    left = set(neighbours)
    queue = [(_rank(neighbours, image, left), image) for image in neighbours]
    heapq.heapify(queue)
    groups: list[list[bytes]] = []
    while queue:
        rank, image = heapq.heappop(queue)
        if image not in left:
            continue
        now = _rank(neighbours, image, left)
        if now != rank:  # Some of its links lead to images that are in a group now.
            heapq.heappush(queue, (now, image))
            continue
        links = {other: value for other, value in neighbours[image].items() if other in left}
        links.pop(image, None)
        left.discard(image)
        if links:
            groups.append([image, *sorted(links, key=lambda other: (-links[other], other))])
            left -= links.keys()
    return groups


def _rank(neighbours: Neighbours, image: bytes, left: Set[bytes]) -> tuple[int, float]:
    """Return the negative number of links to images in `left`, and their negative strength."""
    values = [value for other, value in neighbours[image].items() if other in left]
    return -len(values), -round(sum(sorted(values)), 6)


def components(neighbours: Neighbours) -> Iterable[dict[bytes, Mapping[bytes, float]]]:
    """Yield the connected parts of linked images, each as its own Neighbours."""
    left = set(neighbours)
    for start in neighbours:
        if start not in left:
            continue
        left.discard(start)
        part, waiting = {}, [start]
        while waiting:
            image = waiting.pop()
            part[image] = neighbours[image]
            new = [other for other in neighbours[image] if other in left]
            left.difference_update(new)
            waiting += new
        yield part
