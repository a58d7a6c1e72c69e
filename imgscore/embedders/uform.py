"""UForm's image encoder as an embedder: our session and preprocessing, the checkpoint's weights.

One picture at a time, always: the published ONNX files are quantised by the batch's own range, so
that in a batch a vector would depend on its neighbours.
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
"""Prepared pixels [1, 3, size, size] → the embedding [1, dim]."""


def load(folder: Folder, threads: int = 1, providers: Sequence[str] = CPU) -> Embedder:
    """The embedder of a folder. Raises ImgscoreError where its files are not what they should be.

    ONNX weights run on `providers`; .pt weights need the torch extra and run on the CPU.
    """
    try:
        if manifest.sha256_of(folder.weights) != folder.sha256:
            raise ImgscoreError(
                f"{folder.weights} is damaged: its sha256 is not the one that was downloaded",
                f"delete {folder.path} and download the model again",
            )
    except OSError as error:
        raise ImgscoreError(
            f"{folder.weights} cannot be read: {error.strerror}", "check its permissions"
        ) from None
    try:
        if folder.weights.suffix != ".onnx":
            return Uform(folder, _torch_encoder(folder), CPU)
        session = make_session(folder.weights, threads=threads, providers=providers)
        return Uform(folder, _onnx_encoder(folder, session), tuple(session.get_providers()))
    except ImgscoreError:
        raise
    # What onnxruntime and torch raise on a file that is no model has no common class.
    except Exception as error:
        raise ImgscoreError(
            f"{folder.weights} cannot be loaded: {error}",
            "copy it again from where it came, or use another model",
        ) from error


class Uform:
    """One loaded checkpoint. Vectors are of unit length: UForm's are compared by their angle."""

    def __init__(self, folder: Folder, encode: Encode, providers: tuple[str, ...]) -> None:
        self._folder = folder
        self._encode = encode
        self._providers = providers

    @property
    def id(self) -> str:
        """As `Folder.id`."""
        return self._folder.id

    @property
    def dim(self) -> int:
        """As the checkpoint's config says."""
        return self._folder.image.embedding_dim

    @property
    def sections(self) -> tuple[Section, ...]:
        """One: the embedding."""
        return self._folder.sections

    @property
    def providers(self) -> tuple[str, ...]:
        """As onnxruntime says; torch runs on the CPU."""
        return self._providers

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float16]:
        """Vectors [n, dim] of n pictures."""
        result = np.empty((len(pictures), self.dim), np.float16)
        for index, picture in enumerate(pictures):
            vector = self._encode(prepare(picture.pixels, self._folder.image))
            if vector.shape != (1, self.dim):
                raise ImgscoreError(
                    f"{self._folder.weights} gives {vector.shape}, not (1, {self.dim})",
                    "its config.json belongs to another model; download it again",
                )
            result[index] = vector[0] / max(float(np.linalg.norm(vector)), 1e-12)
        return result


def prepare(pixels: NDArray[np.uint8], config: ImageConfig) -> Floats:
    """Pixels [h, w, 3] → float32 [1, 3, size, size]: the middle square, normalised.

    What uform's own processor gives, but cropped before it is resized: 20000 × 2 pixels need not
    become 2,240,000 × 224 first. The sizes are rounded as uform rounds them. Upright images are
    resized as lying ones are; uform's numpy processor (3.1.3) leaves their height as it is.
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
            f"{folder.weights} has {len(outputs)} outputs, where UForm has features and embeddings",
            "export it as UForm does",
        )

    def encode(images: Floats) -> Floats:
        found: Floats = session.run(outputs[1:], {source.name: images})[0]
        return found

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
    # Tensors only: a pickle could run anything.
    state = torch.load(folder.weights, map_location="cpu", weights_only=True)
    encoder = ImageEncoder.from_pretrained(str(folder.config), state).eval()

    def encode(images: Floats) -> Floats:
        with torch.inference_mode():
            found: Floats = encoder(torch.from_numpy(images), return_features=False).numpy()
        return found

    return encode
