"""Make the shipped int8 model: `python tools/quantise_lite0.py [OUTPUT] [--calibrate IMAGES]`.

The quantisation is static and per channel. lite0_ranges.json has the ranges of activations, so that
the same packages give the same bytes without the images. --calibrate measures the ranges again, as
minimum and maximum on 200 images. Put the sha256 into lite0_spec.py. Needs the same packages as
make_lite0.py. Figures: LITE0.md.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from make_lite0 import build
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from imgscore.embedders import lite0_spec
from imgscore.images.decode import decode
from imgscore.images.formats import is_image_name
from imgscore.images.views import views

RANGES = Path(__file__).parent / "lite0_ranges.json"
MAX_PAIR_SUM = 128
"""Sum of two neighbouring weight codes of one sign. Processors without VNNI add two products of an
unsigned and a signed byte in 16 bits, with saturation; 255 × 128 < 2¹⁵ never saturates."""
SCALE_STEP = 1.0005
"""Factor by which a channel's scale grows until its pairs fit."""


def image_files(folder: Path) -> list[Path]:
    """All images under a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if is_image_name(path.name.encode()))


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Yields the first view of each image."""

    def __init__(self, files: list[Path]) -> None:
        self.files = iter(files)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next input of the model, or None at the end."""
        file = next(self.files, None)
        if file is None:
            return None
        picture = decode(file.read_bytes())
        size = (picture.traits.width, picture.traits.height)
        return {"pixels": views(picture.pixels, size)[0][None]}


def pair_sums(weights: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The largest sum of two neighbouring weights of one sign, [out], of weights [out, in, h, w].

    Neighbours are in the order of the processor's products: for each position, all inputs.
    """
    rows = weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    above, below = (np.maximum(signed, 0).sum(axis=2).max(axis=1) for signed in (pairs, -pairs))
    largest: NDArray[np.floating[Any]] = np.maximum(above, below)
    return largest


def extents(weights: NDArray[np.floating[Any]], paired: bool) -> NDArray[np.float64]:
    """The weight that the code 127 stands for in each channel [out].

    That is its largest weight, or more if `paired` and pairs would exceed MAX_PAIR_SUM.
    """
    extent: NDArray[np.float64] = np.abs(weights).max(axis=(1, 2, 3)).astype(np.float64)
    coarse = np.flatnonzero(extent) if paired else np.empty(0, np.int64)
    while len(coarse):
        codes = np.rint(weights[coarse] / extent[coarse, None, None, None] * 127)
        coarse = coarse[pair_sums(codes) > MAX_PAIR_SUM]
        extent[coarse] *= SCALE_STEP
    return extent


def overrides(model: onnx.ModelProto) -> dict[str, list[dict[str, Any]]]:
    """The range of each channel of each convolution's weights, by the name of the weights.

    Depthwise weights are not paired: the processor multiplies them one by one, into 32 bits.
    """
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    ranges = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            paired = not any(item.name == "group" and item.i > 1 for item in node.attribute)
            ranges[node.input[1]] = [
                {
                    "axis": 0,
                    "quant_type": QuantType.QInt8,
                    "symmetric": True,
                    "rmin": np.float32(-extent),
                    "rmax": np.float32(extent),
                }
                for extent in extents(weights[node.input[1]], paired)
            ]
    return ranges


def quantised(files: list[Path] | None) -> bytes:
    """The int8 model, calibrated on `files`, or with the stored RANGES.

    Activations are unsigned: with signed ones, onnxruntime leaves 18 of 49 convolutions in float32.
    """
    if files is not None:
        RANGES.unlink(missing_ok=True)
    model = build(half=False)
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "plain.onnx", Path(folder) / "small.onnx"
        plain.write_bytes(model.SerializeToString())
        quantize_static(
            plain,
            small,
            None if files is None else Calibration(files),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Add", "Clip"],
            extra_options={"TensorQuantOverrides": overrides(model)},
            calibration_cache_path=RANGES,
        )
        return bytes(onnx.load(small).SerializeToString(deterministic=True))


def main() -> None:
    """Build in float32, quantise and write the model, and print its sha256."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, default=lite0_spec.PACKAGED_MODEL)
    parser.add_argument("--calibrate", type=Path, metavar="IMAGES")
    arguments = parser.parse_args()
    files = None
    if arguments.calibrate:
        files = random.Random(1).sample(image_files(arguments.calibrate), 200)
    data = quantised(files)
    arguments.output.write_bytes(data)
    print(f"{arguments.output}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
