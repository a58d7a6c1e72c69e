"""UForm's image encoder as an embedder, with the preprocessing of imgscore.

The weights are read from a checkpoint. The encoder processes one picture at a time. The published
ONNX files compute their quantisation range from a whole batch. In a batch, the vector of a picture
would thus depend on the other pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgscore.embedders import manifest
from imgscore.embedders.base import Embedder, Section
from imgscore.embedders.onnx_session import CPU, make_session
from imgscore.embedders.uform_spec import Folder, ImageConfig
from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    import onnxruntime

    from imgscore.images.decode import Picture

Floats = NDArray[np.float32]
Encode = Callable[[Floats], Floats]
"""The type of a function that maps prepared pixels float32 [1, 3, size, size] to an embedding
float32 [1, dim]."""


def load(folder: Folder, threads: int = 1, providers: Sequence[str] = CPU) -> Embedder:
    """Load the embedder of a folder.

    `threads`: the number of threads of the session.
    `providers`: the execution providers for ONNX weights. Weights in a .pt file need the torch
    extra and run on the CPU.

    Raises ImgscoreError if the weights are damaged, unreadable or not a model.
    """
    try:
        if manifest.sha256_of(folder.weights) != folder.sha256:
            raise ImgscoreError(
                f"{folder.weights} is damaged: its sha256 differs from the sha256 at its download",
                f"delete {folder.path} and download the model again",
            )
    except OSError as error:
        raise ImgscoreError(
            f"{folder.weights} cannot be read: {error.strerror}",
            "check the permissions of the file",
        ) from None
    try:
        if folder.weights.suffix != ".onnx":
            return Uform(folder, _torch_encoder(folder), CPU)
        session = make_session(folder.weights, threads=threads, providers=providers)
        return Uform(folder, _onnx_encoder(folder, session), tuple(session.get_providers()))
    except ImgscoreError:
        raise
    # For a file that is not a model, onnxruntime and torch raise exceptions of unrelated classes.
    except Exception as error:
        raise ImgscoreError(
            f"{folder.weights} cannot be loaded: {error}",
            "copy the file again from its source, or use another model",
        ) from error


class Uform:
    """One loaded checkpoint. Vectors have unit length, because UForm compares them by cosine."""

    def __init__(self, folder: Folder, encode: Encode, providers: tuple[str, ...]) -> None:
        self._folder = folder
        self._encode = encode
        self._providers = providers

    @property
    def id(self) -> str:
        """The id of the embedder, `Folder.id`."""
        return self._folder.id

    @property
    def dim(self) -> int:
        """The number of values in a vector, which is embedding_dim in the model's config."""
        return self._folder.image.embedding_dim

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections of the vector. There is only one section, the whole embedding."""
        return self._folder.sections

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers that the session reports. A torch model runs on the CPU."""
        return self._providers

    @property
    def min_side(self) -> int:
        """0, because pictures of the size that `views` needs are large enough for 224 pixels."""
        return 0

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float16]:
        """Return vectors float16 [n, dim] of n pictures.

        Raises ImgscoreError if the size of the model's output differs from the size in the config.
        """
        result = np.empty((len(pictures), self.dim), np.float16)
        for index, picture in enumerate(pictures):
            vector = self._encode(prepare(picture.pixels, self._folder.image))
            if vector.shape != (1, self.dim):
                raise ImgscoreError(
                    f"{self._folder.weights} gives {vector.shape}, not (1, {self.dim})",
                    "its config.json belongs to another model; download the model again",
                )
            result[index] = vector[0] / max(float(np.linalg.norm(vector)), 1e-12)
        return result


def prepare(pixels: NDArray[np.uint8], config: ImageConfig) -> Floats:
    """Return the middle square of pixels uint8 [h, w, 3], as normalised float32 [1, 3, size, size].

    The result is equal to the result of uform's own processor, including the rounding, for all
    images that are not portraits. uform's numpy processor (3.1.3) does not scale the height of
    portrait images. This function resizes portrait images like landscape images.

    This function crops the image before it resizes the image. In the opposite order, an image of
    20000 × 2 pixels would first become 2,240,000 × 224 pixels.
    """
    height, width = pixels.shape[:2]
    size = config.image_size
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
    values = np.asarray(square, np.float32) / 255.0
    values -= np.array(config.normalization_means, np.float32)
    values /= np.array(config.normalization_deviations, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[np.newaxis])


def _onnx_encoder(folder: Folder, session: onnxruntime.InferenceSession) -> Encode:
    (source,) = session.get_inputs()
    outputs = [output.name for output in session.get_outputs()]
    if len(outputs) != 2:
        raise ImgscoreError(
            f"{folder.weights} has {len(outputs)} outputs; it must have 2 (features and "
            "embeddings)",
            "export the model as UForm does",
        )

    def encode(images: Floats) -> Floats:
        embedding: Floats = session.run(outputs[1:], {source.name: images})[0]
        return embedding

    return encode


def _torch_encoder(folder: Folder) -> Encode:
    try:
        import torch
        from uform.torch_encoders import ImageEncoder
    except ImportError:
        raise ImgscoreError(
            f"{folder.weights} needs torch, which is not installed",
            "pip install 'imgscore[torch]', or use a model with image_encoder.onnx",
        ) from None
    # With weights_only=True, torch loads only tensors. With weights_only=False, a pickle in the
    # file could run any code.
    state = torch.load(folder.weights, map_location="cpu", weights_only=True)
    encoder = ImageEncoder.from_pretrained(str(folder.config), state).eval()

    def encode(images: Floats) -> Floats:
        with torch.inference_mode():
            embedding: Floats = encoder(torch.from_numpy(images), return_features=False).numpy()
        return embedding

    return encode
