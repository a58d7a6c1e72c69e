"""The Embedder protocol: pictures in, float16 vectors out, under an id that changes with them.

The idle daemon imports this for its types: nothing heavy may be imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgscore.images.decode import Picture


class Section(NamedTuple):
    """A named part of a vector, `vector[start:stop]`, whose values share one scale and meaning."""

    name: str
    start: int
    stop: int


def sections_of(*sizes: tuple[str, int]) -> tuple[Section, ...]:
    """Consecutive sections, from pairs of name and size."""
    sections: list[Section] = []
    for name, size in sizes:
        start = sections[-1].stop if sections else 0
        sections.append(Section(name, start, start + size))
    return tuple(sections)


class Embedder(Protocol):
    """A loaded model. It is not thread-safe: load one in each worker."""

    @property
    def id(self) -> str:
        """Names the model, its weights' sha256 and its preprocessing.

        Vectors of two ids are never compared with each other.
        """

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def sections(self) -> tuple[Section, ...]:
        """The parts of a vector, in order and without gaps."""

    @property
    def providers(self) -> tuple[str, ...]:
        """The onnxruntime execution providers in use, the preferred one first."""

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float16]:
        """Vectors float16 [n, dim] of n pictures, each independent of the others in the call."""
