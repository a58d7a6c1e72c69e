"""What an embedder is: pictures in, float16 vectors out, under an id that changes with its result.

Imports nothing heavy: the idle daemon knows embedders by their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgscore.images.decode import Picture


class Section(NamedTuple):
    """A named part of the vector, `vector[start:stop]`, of one scale and meaning."""

    name: str
    start: int
    stop: int


def sections_of(*sizes: tuple[str, int]) -> tuple[Section, ...]:
    """Sections of the given names and sizes, one after the other."""
    sections: list[Section] = []
    for name, size in sizes:
        start = sections[-1].stop if sections else 0
        sections.append(Section(name, start, start + size))
    return tuple(sections)


class Embedder(Protocol):
    """A loaded model. Not for sharing between threads; make one in each worker."""

    @property
    def id(self) -> str:
        """Names the model, its weights' sha256 and the preprocessing: vectors of two never mix."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def sections(self) -> tuple[Section, ...]:
        """The vector's parts, in order, without gaps."""

    @property
    def providers(self) -> tuple[str, ...]:
        """onnxruntime's execution providers that it runs on, the first choice first."""

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float16]:
        """Vectors [n, dim]. A picture's vector does not depend on which others are beside it."""
