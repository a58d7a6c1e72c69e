"""Compare the ONNX file with the torch network: `python tools/check_lite0.py IMAGE_FOLDER`.

With `--golden FILE` it also writes the vectors of three synthetic views, by torch and by the file.
The tests compare the file with them, without torch. LITE0.md has the results.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lite0_network import Lite0, pretrained
from make_lite0 import TAPPED_BLOCKS
from numpy.typing import NDArray

from imgscore.embedders import lite0_spec
from imgscore.embedders.onnx_session import make_session
from imgscore.images.decode import decode
from imgscore.images.views import views

Pixels = NDArray[np.uint8]
SHAPES = ((224, 224), (160, 352), (288, 192))  # height and width of the synthetic views


def synthetic_view(height: int, width: int) -> Pixels:
    """Waves of different directions and colours: the same on every machine. [height, width, 3]."""
    down, right = np.mgrid[:height, :width].astype(np.float64)
    waves = [np.sin(right / 9 + down / 31), np.sin(down / 13), np.sin(right * down / 1500)]
    return np.round(127.5 + 127.5 * np.stack(waves, axis=2)).astype(np.uint8)


@torch.no_grad()
def reference(network: Lite0, view: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The embedding [2528] and the class logits [1000] of one view [h, w, 3], by torch."""
    maps = network.maps(torch.tensor(view)[None].permute(0, 3, 1, 2).float())
    parts = [maps[-1].mean((2, 3))]
    for block in TAPPED_BLOCKS:
        parts.append(maps[block].mean((2, 3)))
        parts.append(maps[block].std((2, 3), correction=0))
    return torch.cat(parts, dim=1)[0].numpy(), network._fc(parts[0])[0].numpy()


def main() -> None:
    """Compare on real images, measure both times, and write the golden vectors if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--golden", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = pretrained()
    session = make_session(lite0_spec.MODEL.read_bytes())
    weight, bias = (
        parameter.detach().numpy() for parameter in (network._fc.weight, network._fc.bias)
    )

    files = sorted(
        path
        for path in arguments.folder.rglob("*")
        if path.suffix in {".jpg", ".png", ".webp", ".jpeg"}
    )
    cosines, logit_gaps, seconds = [], [], {"torch": 0.0, "onnx": 0.0}
    for file in random.Random(0).sample(files, min(arguments.images, len(files))):
        picture = decode(file.read_bytes())
        for view in views(picture.pixels, (picture.traits.width, picture.traits.height)):
            start = time.perf_counter()
            expected, logits = reference(network, view)
            between = time.perf_counter()
            actual = session.run(None, {"pixels": view[None]})[0][0]
            seconds["torch"] += between - start
            seconds["onnx"] += time.perf_counter() - between
            cosines.append(actual @ expected / np.linalg.norm(actual) / np.linalg.norm(expected))
            chosen = (weight @ actual[: weight.shape[1]] + bias).argmax()
            logit_gaps.append(float(logits.max() - logits[chosen]))
    print(f"{len(cosines)} views: cosine min {min(cosines):.6f}, mean {np.mean(cosines):.6f}")
    same = np.mean(np.array(logit_gaps) == 0)
    print(f"same most likely class: {same:.2%}; largest gap in logits {max(logit_gaps):.4f}")
    for name, total in seconds.items():
        print(f"{name}, one thread: {1000 * total / len(cosines):.1f} ms a view")
    if arguments.golden:
        golden: dict[str, Any] = {}
        for height, width in SHAPES:
            view = synthetic_view(height, width)
            golden[f"{height}x{width}"] = reference(network, view)[0]
            shipped = session.run(None, {"pixels": view[None]})[0][0]
            golden[f"{height}x{width} shipped"] = shipped
        np.savez_compressed(arguments.golden, **golden)


if __name__ == "__main__":
    main()
