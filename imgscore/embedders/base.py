"""The Embedder protocol: an embedder computes a float16 vector for each picture.

Each embedder has an id. If a change affects the vector of any picture, the id must change, too.

The idle daemon imports this module for its types. This module must therefore import no heavy
modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgscore.images.decode import Picture


class Section(NamedTuple):
    """A named part of a vector: `vector[start:stop]`. The values of a section have one scale."""

    name: str
    start: int
    stop: int


def sections_of(*sizes: tuple[str, int]) -> tuple[Section, ...]:
    """Return sections that follow one another without gaps.

    `sizes`: the name and the number of columns of each section.
    """
    sections: list[Section] = []
    for name, size in sizes:
        start = sections[-1].stop if sections else 0
        sections.append(Section(name, start, start + size))
    return tuple(sections)


class Embedder(Protocol):
    """A loaded model. It is not thread-safe: each worker must load its own embedder."""

    @property
    def id(self) -> str:
        """The id, made of the model's name, the sha256 of its weights and the preprocessing.

        Vectors of embedders with different ids are never compared with each other.
        """

    @property
    def dim(self) -> int:
        """The number of values in a vector."""

    @property
    def sections(self) -> tuple[Section, ...]:
        """The parts of a vector, in order and without gaps."""

    @property
    def providers(self) -> tuple[str, ...]:
        """The onnxruntime execution providers in use. The preferred provider is the first."""

    @property
    def min_side(self) -> int:
        """The number of pixels that the shorter side of a picture should have.

        0 means that pictures of the size that `images.views` needs are large enough.
        """

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float16]:
        """Return vectors float16 [n, dim] of n pictures.

        The vector of a picture does not depend on the other pictures.
        """
