"""The built-in embedder: EfficientNet-Lite0, run by onnxruntime.

The model is a file in the package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders import lite0_spec
from imgscore.embedders.base import ImmediateNetwork, StagedEmbedder
from imgscore.embedders.onnx_session import (
    ACCELERATOR_BATCH,
    CPU,
    CPU_BATCH,
    device_name,
    make_session,
)
from imgscore.errors import ImgscoreError
from imgscore.images.views import CELL_PIXELS, VIEW_SHAPES, views

if TYPE_CHECKING:
    import onnxruntime

    from imgscore.images.decode import Picture


def load(
    threads: int = 1, providers: Sequence[str] = CPU, model: Path = lite0_spec.MODEL
) -> StagedEmbedder:
    """Load the embedder. The id, dim and sections are constants in `lite0_spec`.

    Raises ImgscoreError if the model file cannot be read or its sha256 is not the expected value.
    """
    data = read_model(model)
    session = make_session(data, threads=threads, providers=providers)
    return StagedEmbedder(Lite0Inputs(), Lite0Network(session))


def read_model(model: Path) -> bytes:
    """Return the bytes of the model file, after a check of their sha256."""
    try:
        data = model.read_bytes()
    except OSError as error:
        raise ImgscoreError(
            f"{model}: the built-in model cannot be read: {error.strerror}", lite0_spec.MISSING
        ) from error
    if hashlib.sha256(data).hexdigest() != lite0_spec.MODEL_SHA256:
        raise ImgscoreError(
            f"{model}: the built-in model is damaged (its sha256 is not the expected one)",
            "reinstall imgscore",
        )
    return data


class Lite0Inputs:
    """The preprocessor of the built-in model: it cuts a picture into views."""

    id = lite0_spec.ID
    dim = outputs = lite0_spec.DIM
    sections = lite0_spec.SECTIONS
    min_side = 0
    """Pictures of the size that `views` needs are large enough."""
    max_input_bytes = max(long * short for long, short in VIEW_SHAPES) * CELL_PIXELS**2 * 3

    def blank(self) -> NDArray[np.uint8]:
        """Return a black view uint8 [h, w, 3]."""
        return np.zeros(
            (VIEW_SHAPES[0][0] * CELL_PIXELS, VIEW_SHAPES[0][1] * CELL_PIXELS, 3), np.uint8
        )

    def inputs(self, picture: Picture) -> NDArray[np.uint8]:
        """Return the views of a picture, uint8 [n, h, w, 3]."""
        return np.stack(views(picture.pixels, (picture.traits.width, picture.traits.height)))

    @np.errstate(over="ignore", invalid="ignore")
    def vector(self, outputs: NDArray[np.float32]) -> NDArray[np.float16]:
        """Return the vector float16 [dim] of a picture from the outputs of its views."""
        return pool_tiles(outputs).astype(np.float16)


class Lite0Network(ImmediateNetwork):
    """The built-in network in onnxruntime. Its quantisation is static, so batches change nothing.

    Views are computed in small batches on a CPU, where large batches bring no gain.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.device = device_name(self.providers)
        self.max_batch = CPU_BATCH if self.providers[0] == CPU[0] else ACCELERATOR_BATCH

    def run(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the outputs float32 [n, dim] of views uint8 [n, h, w, 3]."""
        output: NDArray[np.float32] = self._session.run(None, {"pixels": inputs})[0]
        return output


def pool_tiles(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Combine the vectors [tiles, dim] of equally large tiles into one vector [dim] of the image.

    Features and means are averaged. Deviations are combined by the law of total variance: the
    variance of the image is the mean of the tiles' variances plus the variance of the tiles' means.
    """
    result: NDArray[np.float32] = tiles.mean(axis=0)
    for mean, deviation in zip(lite0_spec.SECTIONS[1::2], lite0_spec.SECTIONS[2::2], strict=True):
        means = tiles[:, mean.start : mean.stop]
        deviations = tiles[:, deviation.start : deviation.stop]
        result[deviation.start : deviation.stop] = np.sqrt(
            (deviations**2).mean(axis=0) + means.var(axis=0)
        )
    return result
