"""The model in int8, for comparison: `python tools/quantise_lite0.py IMAGES OUTPUT [--bits 7]`.

Static, per channel, calibrated by the extremes on 200 real images. Activations are unsigned: of
signed ones, onnxruntime leaves 18 of 49 convolutions in float32. Not shipped: LITE0.md says why.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np
from compare_lite0 import image_files
from make_lite0 import build
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from imgscore.images.decode import decode
from imgscore.images.views import views


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """The first view of some images, one at a time."""

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


def main() -> None:
    """Builds in float32, quantises, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--bits", type=int, choices=(7, 8), default=8, help="of weights; 7 fit all processors"
    )
    arguments = parser.parse_args()
    files = random.Random(1).sample(image_files(arguments.folder), 200)
    with tempfile.NamedTemporaryFile(suffix=".onnx") as plain:
        plain.write(build(half=False).SerializeToString())
        plain.flush()
        quantize_static(
            plain.name,
            arguments.output,
            Calibration(files),
            per_channel=True,
            reduce_range=arguments.bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Add", "Clip"],
        )


if __name__ == "__main__":
    main()
