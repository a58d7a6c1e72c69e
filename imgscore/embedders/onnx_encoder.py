"""An image encoder that was exported to ONNX, as an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders import manifest, onnx_facts
from imgscore.embedders.base import Embedder, Section
from imgscore.embedders.onnx_session import CPU, make_session
from imgscore.embedders.onnx_spec import OnnxFolder, weights_files
from imgscore.embedders.preprocessing import prepare
from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    from imgscore.images.decode import Picture


def load(folder: OnnxFolder, threads: int = 1, providers: Sequence[str] = CPU) -> Embedder:
    """Load the embedder of a folder.

    `threads`: the number of threads of the session.
    `providers`: the execution providers.

    Raises ImgscoreError if the weights changed, are unreadable or are not a model.
    """
    try:
        if onnx_facts.sha256_of(weights_files(folder.weights)) != folder.sha256:
            raise ImgscoreError(f"the files of {folder.path} have changed", "restart imgscored")
        recorded = manifest.read(folder.path)
        name = folder.weights.relative_to(folder.path).as_posix()
        facts = None if recorded is None else recorded.files.get(name)
        if facts is not None and manifest.sha256_of(folder.weights) != facts.sha256:
            raise ImgscoreError(
                f"{folder.weights} is damaged: its sha256 differs from the sha256 at its download",
                f"delete {folder.path} and download the model again",
            )
        session = make_session(folder.weights, threads=threads, providers=providers)
        return OnnxEncoder(folder, session)
    except ImgscoreError:
        raise
    # For a file that is not a model, onnxruntime raises exceptions of unrelated classes.
    except Exception as error:
        raise ImgscoreError(
            f"{folder.weights} cannot be loaded: {error}",
            "copy the file again from its source, or use another model",
        ) from error


class OnnxEncoder:
    """A loaded encoder.

    Each section of a vector has unit length, because such models compare vectors by cosine. The
    encoder processes one picture at a time: a quantised graph computes its ranges from a whole
    batch, so that the vector of a picture would depend on the other pictures.
    """

    def __init__(self, folder: OnnxFolder, session: Any) -> None:
        self._folder = folder
        self._session = session
        self._inputs = onnx_facts.inputs_for(session, folder.preprocessing.crop)

    @property
    def id(self) -> str:
        """The id of the embedder, `OnnxFolder.id`."""
        return self._folder.id

    @property
    def dim(self) -> int:
        """The number of values in a vector, `OnnxFolder.dim`."""
        return self._folder.dim

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections of a vector, `OnnxFolder.sections`."""
        return self._folder.sections

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers that the session reports."""
        return tuple(self._session.get_providers())

    @property
    def min_side(self) -> int:
        """The number of pixels that the shorter side of a picture should have."""
        return self._folder.preprocessing.min_side

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float16]:
        """Return vectors float16 [n, dim] of n pictures.

        Raises ImgscoreError if the shape of the output differs from the shape in the facts.
        """
        result = np.empty((len(pictures), self.dim), np.float16)
        for row, picture in zip(result, pictures, strict=True):
            output = self._run(prepare(picture.pixels, self._folder.preprocessing))
            parts = self._parts(output)
            if [len(part) for part in parts] != [self._folder.facts.dim] * len(self.sections):
                raise ImgscoreError(
                    f"{self._folder.weights} gives {output.shape} for an image",
                    "use another model",
                )
            row[:] = np.concatenate(
                [part / max(float(np.linalg.norm(part)), 1e-12) for part in parts]
            )
        return result

    def _run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        facts = self._folder.facts
        kind = self._inputs[facts.source].dtype
        inputs = {**self._inputs, facts.source: pixels.astype(kind, copy=False)}
        output: NDArray[np.float32] = self._session.run([facts.output], inputs)[0][0]
        return output.astype(np.float32, copy=False)

    def _parts(self, output: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        if not self._folder.facts.tokens:
            return [output]
        return [output[0], output[self._folder.prefix_tokens :].mean(axis=0)]
