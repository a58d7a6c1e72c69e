"""Groups the files of one folder that move together: an image, its RAW or JPEG, its sidecars.

This module reads nothing from the disk.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from imgscore.images.formats import is_image_name
from imgscore.order.entries import (
    JPEG_SUFFIXES,
    RAW_SUFFIXES,
    SIDECAR_SUFFIXES,
    basename_key,
    keys_of,
    suffix,
)

_PAIRED = RAW_SUFFIXES | JPEG_SUFFIXES


class Labelled(Protocol):
    """A labelled file."""

    @property
    def target(self) -> str:
        """The path to which the file moves."""


L = TypeVar("L", bound=Labelled)


class Group(NamedTuple, Generic[L]):
    """Files of one folder that move together, or not at all.

    `names`: the file names; those of the images come first. `stem`: the common beginning of the
    names. `labelled`: the labelled files of the group. `obstacle`: the reason why the group stays
    where it is; None if it can move.
    """

    names: list[bytes]
    stem: bytes
    labelled: list[L]
    obstacle: str | None = None


def groups_of(
    names: Iterable[bytes], labelled: Mapping[bytes, L], *, siblings: bool
) -> list[Group[L]]:
    """Return the groups of a folder that contain a labelled file, sorted by name.

    `names`: the names of all files in the folder. `labelled`: the labelled files, by name.
    `siblings`: whether a RAW and a JPEG with the same name belong together. A sidecar always
    belongs to its image.
    """
    keys = {key for name in labelled for key in keys_of(name)}
    families: dict[bytes, list[bytes]] = {}
    sidecars: dict[bytes, list[bytes]] = {}
    for name in names:
        if basename_key(name) not in keys:
            continue
        if suffix(name) in SIDECAR_SUFFIXES:
            sidecars.setdefault(basename_key(name)[1], []).append(name)
        elif is_image_name(name) or suffix(name) in RAW_SUFFIXES:
            families.setdefault(basename_key(name)[1], []).append(name)
    groups: list[Group[L]] = []
    for stem, images in families.items():
        groups += _groups_of_stem(stem, sorted(images), sidecars, labelled, siblings=siblings)
    return sorted(groups, key=lambda group: group.names)


def _groups_of_stem(
    stem: bytes,
    images: list[bytes],
    sidecars: Mapping[bytes, list[bytes]],
    labelled: Mapping[bytes, L],
    *,
    siblings: bool,
) -> Iterator[Group[L]]:
    """Yield the groups of the images with one stem that contain a labelled file."""
    raws = [name for name in images if suffix(name) in RAW_SUFFIXES]
    pair = [name for name in images if suffix(name) in _PAIRED] if siblings and raws else []
    parts = [pair] if pair else []
    parts += [[name] for name in images if name not in pair]
    beside: dict[bytes, list[bytes]] = {name: list(sidecars.get(name, ())) for name in images}
    for sidecar in sidecars.get(stem, ()):
        # `a.jpg.xmp` describes `a.jpg`, and `a.xmp` describes `a.CR2` rather than `a.jpg`.
        owners = [name for name in images if sidecar.startswith(name + b".")] or raws or images
        if len(owners) > 1 and owners != pair:
            parts = [images]  # The sidecar describes several images, so all of them stay together.
        beside[owners[0]].append(sidecar)
    for part in parts:
        rows = [labelled[name] for name in part if name in labelled]
        if rows:
            missing = [name for name in part if name not in labelled and name not in pair]
            found = sorted(sidecar for name in part for sidecar in beside[name])
            yield Group([*part, *found], stem, rows, _obstacle(rows, missing))


def _obstacle(rows: Sequence[Labelled], unlabelled: list[bytes]) -> str | None:
    """Return the reason why the images of a group cannot move together, and a remedy."""
    if len({os.path.dirname(row.target) for row in rows}) > 1:
        return "the files that belong together have different labels: give them the same label"
    if unlabelled:
        other = os.fsdecode(unlabelled[0])
        return f"{other} belongs to the same sidecar and has no label: label it too"
    return None
