"""The Embedder protocol: an embedder computes a float16 vector for each picture.

Each embedder has an id. If a change affects the vector of any picture, the id must change, too.

The idle daemon imports this module for its types. This module must therefore import no heavy
modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

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


class Preprocessor(Protocol):
    """The part of an embedder that runs beside the decoder and needs no network.

    It turns a picture into inputs of the network, and outputs of the network into a vector. Inputs
    are 8-bit pixels, so a device process can get them through shared memory.
    """

    @property
    def id(self) -> str:
        """The id of the embedder."""

    @property
    def dim(self) -> int:
        """The number of values in a vector."""

    @property
    def sections(self) -> tuple[Section, ...]:
        """The parts of a vector, in order and without gaps."""

    @property
    def min_side(self) -> int:
        """The number of pixels that the shorter side of a picture should have.

        0 means that pictures of the size that `images.views` needs are large enough.
        """

    @property
    def max_input_bytes(self) -> int:
        """The largest number of bytes of one input."""

    @property
    def outputs(self) -> int:
        """The number of values that the network returns for one input."""

    def blank(self) -> NDArray[np.uint8]:
        """Return an input uint8 [h, w, 3] of zeros, to try a network out."""

    def inputs(self, picture: Picture) -> NDArray[np.uint8]:
        """Return the inputs uint8 [n, h, w, 3] of a picture: at least 1, at most MAX_TILES."""

    def vector(self, outputs: NDArray[np.float32]) -> NDArray[np.float16]:
        """Return the vector float16 [dim] of a picture.

        `outputs`: float32 [n, outputs], in the order of the picture's inputs. If they are not
        finite, neither is the vector.
        """


class Network(Protocol):
    """A loaded network. It is not thread-safe."""

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the backends that compute, the preferred one first, for example
        CUDAExecutionProvider."""

    @property
    def device(self) -> str:
        """The name of the device for the user, for example "CPU" or "NVIDIA H200"."""

    max_batch: int
    """The largest number of inputs of one batch."""

    def allocate(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return an array for the inputs of a batch, from which the device can copy fast."""

    def start(self, inputs: NDArray[np.uint8]) -> Any:
        """Start to compute a batch of inputs uint8 [n, h, w, 3], and return a handle.

        An accelerator computes after the function has returned. Until then, `inputs` must not be
        changed.
        """

    def is_done(self, handle: Any) -> bool:
        """Return whether `collect` returns without a wait."""

    def collect(self, handle: Any) -> NDArray[np.float32]:
        """Wait for a batch, and return its outputs float32 [n, outputs].

        The output of an input does not depend on the other inputs, except for rounding.
        """


class ImmediateNetwork:
    """The base class of networks whose `run` computes at once."""

    def run(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the outputs float32 [n, outputs] of inputs uint8 [n, h, w, 3]."""
        raise NotImplementedError

    def allocate(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return an array for the inputs of a batch."""
        import numpy as np

        return np.empty(shape, np.uint8)

    def start(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute a batch."""
        return self.run(inputs)

    def is_done(self, handle: NDArray[np.float32]) -> bool:
        """Return True."""
        return True

    def collect(self, handle: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the result of `start`."""
        return handle


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


class StagedEmbedder:
    """An embedder made of a preprocessor and a network in the same process."""

    def __init__(self, preprocessor: Preprocessor, network: Network) -> None:
        self.preprocessor = preprocessor
        self.network = network

    @property
    def id(self) -> str:
        """The id of the embedder."""
        return self.preprocessor.id

    @property
    def dim(self) -> int:
        """The number of values in a vector."""
        return self.preprocessor.dim

    @property
    def sections(self) -> tuple[Section, ...]:
        """The parts of a vector."""
        return self.preprocessor.sections

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the backends that compute, the preferred one first."""
        return self.network.providers

    @property
    def min_side(self) -> int:
        """The number of pixels that the shorter side of a picture should have."""
        return self.preprocessor.min_side

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float16]:
        """Return vectors float16 [n, dim] of n pictures."""
        import numpy as np

        result = np.empty((len(pictures), self.dim), np.float16)
        for index, picture in enumerate(pictures):
            result[index] = self.embed_inputs(self.preprocessor.inputs(picture))
        return result

    def embed_inputs(self, inputs: Iterable[NDArray[np.uint8]]) -> NDArray[np.float16]:
        """Return the vector float16 [dim] of a picture from its inputs.

        The inputs are computed one by one: the use of memory is constant, and the vector of a
        picture does not depend on the other pictures.
        """
        import numpy as np

        network = self.network
        outputs = [network.collect(network.start(item[np.newaxis])) for item in inputs]
        return self.preprocessor.vector(np.concatenate(outputs))
