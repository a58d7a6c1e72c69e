"""UForm's image encoder as an embedder, with the preprocessing of imgscore.

The weights are read from a checkpoint. The published ONNX files compute their quantisation range
from a whole batch: in a batch, the vector of a picture would depend on the other pictures. The
network therefore computes one picture at a time if its file is quantised like this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgscore.embedders import load_errors, manifest
from imgscore.embedders.base import ImmediateNetwork, Network, Section, StagedEmbedder
from imgscore.embedders.onnx_session import CPU, device_name, make_session, max_batch
from imgscore.embedders.uform_spec import Folder, ImageConfig
from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    import onnxruntime

    from imgscore.images.decode import Picture

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def load(
    folder: Folder, threads: int = 1, providers: Sequence[str] = CPU, device: str = "cpu"
) -> StagedEmbedder:
    """Load the embedder of a folder.

    `threads`: the number of threads of the session. `providers`: the execution providers for ONNX
    weights. `device`: the device for weights for torch: "cpu", "cuda" or "rocm".

    Raises ImgscoreError if the weights are damaged, unreadable or not a model.
    """
    _check_sha256(folder)
    with load_errors.named(folder.weights):
        if folder.weights.suffix == ".onnx":
            session = make_session(folder.weights, threads=threads, providers=providers)
            network: Network = OnnxNetwork(folder, session)
        else:
            from imgscore.embedders.uform_torch import load_network

            network = load_network(folder, device)
    return StagedEmbedder(UformInputs(folder), network)


def _check_sha256(folder: Folder) -> None:
    try:
        if manifest.sha256_of(folder.weights) != folder.sha256:
            raise ImgscoreError(
                f"{folder.weights} is damaged: its sha256 differs from the sha256 at its download",
                f"move {folder.path} elsewhere and download the model again",
            )
    except OSError as error:
        raise ImgscoreError(
            f"{folder.weights} cannot be read: {error.strerror}",
            "check the permissions of the file",
        ) from None


class UformInputs:
    """The preprocessor of a folder: it resizes pictures, and scales embeddings to unit length."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.id = folder.id
        self.sections: tuple[Section, ...] = folder.sections
        self.dim = self.outputs = folder.dim
        self.min_side = 0
        """Pictures of the size that `images.views` needs are large enough for 224 pixels."""
        self.max_input_bytes = 3 * folder.image.image_size**2

    def blank(self) -> Pixels:
        """Return a black input uint8 [size, size, 3]."""
        size = self._folder.image.image_size
        return np.zeros((size, size, 3), np.uint8)

    def inputs(self, picture: Picture) -> Pixels:
        """Return the input uint8 [1, size, size, 3] of a picture."""
        return prepare(picture.pixels, self._folder.image.image_size)[np.newaxis]

    @np.errstate(over="ignore", invalid="ignore")
    def vector(self, outputs: Floats) -> NDArray[np.float16]:
        """Return the vector float16 [dim] of a picture from the output of its input.

        The embedding gets unit length, because UForm compares embeddings by cosine. Raises
        ImgscoreError if the size of the output differs from the size in the config.
        """
        if outputs.shape != (1, self.dim):
            raise ImgscoreError(
                f"{self._folder.weights} gives {outputs.shape[-1]} numbers for a picture, not "
                f"{self.dim}",
                "its config.json belongs to another model; download the model again",
            )
        result = outputs[0].astype(np.float32)
        embedding = result[: self._folder.image.embedding_dim]
        embedding /= max(float(np.linalg.norm(embedding)), 1e-12)
        vector: NDArray[np.float16] = result.astype(np.float16)
        return vector


def prepare(pixels: Pixels, size: int) -> Pixels:
    """Return the middle square of pixels uint8 [h, w, 3], as uint8 [size, size, 3].

    After `normalise`, the result is equal to the result of uform's own processor, including the
    rounding, for all images that are not portraits. uform's numpy processor (3.1.3) does not scale
    the height of portrait images. This function resizes portrait images like landscape images.

    This function crops the image before it resizes the image. In the opposite order, an image of
    20000 × 2 pixels would first become 2,240,000 × 224 pixels.
    """
    height, width = pixels.shape[:2]
    if width < height:
        scaled_width, scaled_height = size, int(height / width * size)
    else:
        scaled_width, scaled_height = int(width / height * size), size
    left = round((scaled_width - size) / 2) * width / scaled_width
    top = round((scaled_height - size) / 2) * height / scaled_height
    box = (
        left,
        top,
        min(width, left + size * width / scaled_width),
        min(height, top + size * height / scaled_height),
    )
    square = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(square)


def normalise(pixels: Pixels, config: ImageConfig) -> Floats:
    """Return pixels uint8 [n, size, size, 3] as normalised float32 [n, 3, size, size]."""
    values = pixels.astype(np.float32) / 255.0
    values -= np.array(config.normalization_means, np.float32)
    values /= np.array(config.normalization_deviations, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


class OnnxNetwork(ImmediateNetwork):
    """The image encoder of an ONNX file, with the outputs `features` and `embeddings`."""

    def __init__(self, folder: Folder, session: onnxruntime.InferenceSession) -> None:
        (source,) = session.get_inputs()
        outputs = [output.name for output in session.get_outputs()]
        if len(outputs) != 2:
            raise ImgscoreError(
                f"{folder.weights} has {len(outputs)} outputs; it must have 2 (features and "
                "embeddings)",
                "export the model as UForm does",
            )
        self._config = folder.image
        self._session = session
        self._source, self._outputs = source.name, outputs
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.device = device_name(self.providers)
        self.max_batch = max_batch(session, folder.weights)

    def run(self, inputs: Pixels) -> Floats:
        """Return the outputs float32 [n, dim] of inputs uint8 [n, size, size, 3]."""
        images = {self._source: normalise(inputs, self._config)}
        if not self._config.dim:
            embedding: Floats = self._session.run(self._outputs[1:], images)[0]
            return embedding
        features, embedding = self._session.run(self._outputs, images)
        tokens = features[:, self._config.special_tokens :]
        return np.concatenate([embedding, tokens.mean(axis=1), tokens.std(axis=1)], axis=1)
