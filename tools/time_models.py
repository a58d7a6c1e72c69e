"""Images a CPU second of each UForm size, with random weights: speed does not depend on the values.

    python tools/time_models.py FOLDER [NAME …]

makes each model in FOLDER through uform's own torch classes, exports it, quantises it as UForm
publishes its files, and times decoding and embedding a photograph on one CPU. Needs torch and onnx.
"""

import io
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZES: dict[str, dict[str, int]] = {
    "uform3-small": {"dim": 384, "patch_size": 16, "num_heads": 6, "num_layers": 12, "out": 256},
    "uform3-base": {"dim": 768, "patch_size": 16, "num_heads": 12, "num_layers": 12, "out": 256},
    "uform3-large": {"dim": 1024, "patch_size": 14, "num_heads": 16, "num_layers": 24, "out": 768},
}
SECONDS = 10.0


def make(folder: Path, size: dict[str, int]) -> None:
    """A model in UForm's layout, without its text side."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from uform.torch_encoders import ImageEncoder

    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {key: value for key, value in size.items() if key != "out"}
    config |= {"image_size": 224, "embedding_dim": size["out"], "pooling": "cls"}
    whole = {
        "image_encoder": {
            **config,
            "normalization_means": [0.481, 0.457, 0.408],
            "normalization_deviations": [0.268, 0.261, 0.275],
        }
    }
    encoder = ImageEncoder(**config).eval()
    encoder.return_features = True
    plain, quantised = folder / "plain.onnx", folder / "image_encoder.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            (torch.zeros(1, 3, 224, 224),),
            str(plain),
            input_names=["images"],
            output_names=["features", "embeddings"],
            dynamic_axes={name: {0: "batch"} for name in ("images", "features", "embeddings")},
            dynamo=False,
        )
        quantize_dynamic(plain, quantised, weight_type=QuantType.QUInt8)
    plain.unlink()
    (folder / "config.json").write_text(json.dumps(whole))


def time_one(model: str) -> None:
    """Print a model's speed and size as this process sees them."""
    from imgscore.embedders import registry
    from imgscore.images.decode import decode

    random = np.random.default_rng(0)
    photograph = Image.fromarray(random.integers(0, 256, (75, 100, 3), np.uint8))
    stream = io.BytesIO()
    photograph.resize((4000, 3000), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    data = stream.getvalue()
    embedder = registry.load(model, "cpu")
    embedder.embed([decode(data)])
    counts = {"decode and embed": 0, "embed": 0}
    took = dict(counts)
    picture = decode(data)
    for what in counts:
        # CPU seconds: what else the machine does meanwhile does not count.
        began = time.process_time()
        while (now := time.process_time()) - began < SECONDS:
            embedder.embed([decode(data) if what == "decode and embed" else picture])
            counts[what] += 1
        took[what] = now - began
    rates = ", ".join(f"{what} {counts[what] / took[what]:.1f}/s" for what in counts)
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(f"{Path(model).name}: {embedder.dim} numbers, {rates}, {peak:.0f} MB at most", flush=True)


def main() -> None:
    """Each model in a process of its own, on one CPU."""
    if sys.argv[1] == "--time":
        time_one(sys.argv[2])
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(sys.argv[1]).resolve()
    models = ["efficientnet-lite0"]
    for name in sys.argv[2:] or SIZES:
        if not (folder / name / "config.json").exists():
            make(folder / name, SIZES[name])
        size = (folder / name / "image_encoder.onnx").stat().st_size
        print(f"{name}: image_encoder.onnx {size / 1e6:.1f} MB", flush=True)
        models.append(str(folder / name))
    for model in models:
        os.spawnv(os.P_WAIT, sys.executable, [sys.executable, __file__, "--time", model])


if __name__ == "__main__":
    main()
