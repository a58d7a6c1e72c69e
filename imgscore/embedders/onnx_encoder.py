"""An image encoder that was exported to ONNX, as an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders import load_errors, manifest, onnx_facts
from imgscore.embedders.base import ImmediateNetwork, Section, StagedEmbedder
from imgscore.embedders.onnx_session import CPU, device_name, make_session, max_batch
from imgscore.embedders.onnx_spec import OnnxFolder, weights_files
from imgscore.embedders.preprocessing import normalise, resize
from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    from imgscore.images.decode import Picture


def load(folder: OnnxFolder, threads: int = 1, providers: Sequence[str] = CPU) -> StagedEmbedder:
    """Load the embedder of a folder.

    `threads`: the number of threads of the session.
    `providers`: the execution providers.

    Raises ImgscoreError if the weights changed, are unreadable or are not a model.
    """
    with load_errors.named(folder.weights):
        if onnx_facts.sha256_of(weights_files(folder.weights)) != folder.sha256:
            raise ImgscoreError(f"the files of {folder.path} have changed", "restart imgscored")
        recorded = manifest.read(folder.path)
        name = folder.weights.relative_to(folder.path).as_posix()
        facts = None if recorded is None else recorded.files.get(name)
        if facts is not None and manifest.sha256_of(folder.weights) != facts.sha256:
            raise ImgscoreError(
                f"{folder.weights} is damaged: its sha256 differs from the sha256 at its download",
                f"move {folder.path} elsewhere and download the model again",
            )
        session = make_session(folder.weights, threads=threads, providers=providers)
        return StagedEmbedder(OnnxInputs(folder), OnnxNetwork(folder, session))


class OnnxInputs:
    """The preprocessor of a folder: it resizes pictures, and gives each section unit length.

    Such models compare vectors by cosine.
    """

    def __init__(self, folder: OnnxFolder) -> None:
        self._folder = folder
        self.id = folder.id
        self.dim = self.outputs = folder.dim
        self.sections: tuple[Section, ...] = folder.sections
        self.min_side = folder.preprocessing.min_side
        width, height = folder.preprocessing.crop
        self.max_input_bytes = width * height * 3

    def blank(self) -> NDArray[np.uint8]:
        """Return a black input uint8 [h, w, 3]."""
        width, height = self._folder.preprocessing.crop
        return np.zeros((height, width, 3), np.uint8)

    def inputs(self, picture: Picture) -> NDArray[np.uint8]:
        """Return the input uint8 [1, h, w, 3] of a picture."""
        return resize(picture.pixels, self._folder.preprocessing)[np.newaxis]

    @np.errstate(over="ignore", invalid="ignore")
    def vector(self, outputs: NDArray[np.float32]) -> NDArray[np.float16]:
        """Return the vector float16 [dim] of a picture from the output of its input.

        Raises ImgscoreError if the shape of the output differs from the shape in the facts.
        """
        if outputs.shape != (1, self.dim):
            raise ImgscoreError(
                f"{self._folder.weights} gives {outputs.shape[-1]} numbers for an image, not "
                f"{self.dim}",
                "use another model",
            )
        parts = [outputs[0, start:stop] for _, start, stop in self.sections]
        vector: NDArray[np.float16] = np.concatenate(
            [part / max(float(np.linalg.norm(part)), 1e-12) for part in parts]
        ).astype(np.float16)
        return vector


class OnnxNetwork(ImmediateNetwork):
    """A loaded encoder.

    A file with dynamic quantisation computes its ranges from a whole batch, so that the vector of a
    picture would depend on the other pictures. Such a file computes one picture at a time.
    """

    def __init__(self, folder: OnnxFolder, session: Any) -> None:
        self._folder = folder
        self._session = session
        self._inputs = onnx_facts.inputs_for(session, folder.preprocessing.crop)
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.device = device_name(self.providers)
        self.max_batch = max_batch(session, folder.weights)

    def run(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the outputs float32 [n, dim] of inputs uint8 [n, h, w, 3]."""
        facts = self._folder.facts
        pixels = normalise(inputs, self._folder.preprocessing)
        others = {
            name: np.repeat(value, len(inputs), axis=0) for name, value in self._inputs.items()
        }
        values = {**others, facts.source: pixels.astype(self._inputs[facts.source].dtype)}
        output = self._session.run([facts.output], values)[0].astype(np.float32, copy=False)
        if not facts.tokens:
            result: NDArray[np.float32] = output
            return result
        patches = output[:, self._folder.prefix_tokens :]
        return np.concatenate([output[:, 0], patches.mean(axis=1)], axis=1)
