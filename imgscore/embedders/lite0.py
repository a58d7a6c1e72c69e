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
from imgscore.embedders.base import Embedder, Section
from imgscore.embedders.onnx_session import CPU, make_session
from imgscore.errors import ImgscoreError
from imgscore.images.views import views

if TYPE_CHECKING:
    import onnxruntime

    from imgscore.images.decode import Picture


def load(
    threads: int = 1, providers: Sequence[str] = CPU, model: Path = lite0_spec.MODEL
) -> Embedder:
    """Load the embedder. The id, dim and sections are constants in `lite0_spec`.

    Raises ImgscoreError if the model file cannot be read or its sha256 is not the expected value.
    """
    try:
        data = model.read_bytes()
    except OSError as error:
        raise ImgscoreError(
            f"{model}: the built-in model cannot be read: {error.strerror}", "reinstall imgscore"
        ) from error
    if hashlib.sha256(data).hexdigest() != lite0_spec.MODEL_SHA256:
        raise ImgscoreError(
            f"{model}: the built-in model is damaged (its sha256 is not the expected one)",
            "reinstall imgscore",
        )
    return Lite0(make_session(data, threads=threads, providers=providers))


class Lite0:
    """The loaded built-in model.

    The model processes one view at a time. The use of memory is therefore constant, and no vector
    depends on the other views of a batch.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    @property
    def id(self) -> str:
        """The id of the embedder, `lite0_spec.ID`."""
        return lite0_spec.ID

    @property
    def dim(self) -> int:
        """The number of values in a vector, `lite0_spec.DIM`."""
        return lite0_spec.DIM

    @property
    def sections(self) -> tuple[Section, ...]:
        """The parts of a vector, `lite0_spec.SECTIONS`."""
        return lite0_spec.SECTIONS

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers that the session reports."""
        return tuple(self._session.get_providers())

    @property
    def min_side(self) -> int:
        """0, because pictures of the size that `views` needs are large enough."""
        return 0

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float16]:
        """Return vectors float16 [n, dim] of n pictures."""
        result = np.empty((len(pictures), self.dim), dtype=np.float16)
        for index, picture in enumerate(pictures):
            size = (picture.traits.width, picture.traits.height)
            tiles = [self._run(view) for view in views(picture.pixels, size)]
            result[index] = pool_tiles(np.stack(tiles))
        return result

    def _run(self, view: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's output float32 [dim] for one view uint8 [h, w, 3]."""
        output: NDArray[np.float32] = self._session.run(None, {"pixels": view[np.newaxis]})[0][0]
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
