"""The images and checkpoints of `bench.accelerator`, and the arguments of its steps."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

BUILT_IN = "efficientnet-lite0"
SHAPES = {
    "uform-small": (384, 16, 12, 6, 256),
    "uform-base": (768, 16, 12, 12, 256),
    "uform-large": (1024, 14, 24, 16, 768),
}
"""Width, patch, layers, heads and embedding of the networks. The published base has fewer layers
than 12; which number is not known here, and more layers are slower."""
KINDS = {"12 megapixels": (4000, 3000), "half a megapixel": (820, 615)}


class Job(NamedTuple):
    """The arguments of a step."""

    part: str
    subject: str
    kind: str
    device: str
    work: Path
    scale: float
    seeds: Path


def make(job: Job) -> Iterator[dict[str, Any]]:
    """Write the images of each kind, and a checkpoint of each UForm model."""
    job.work.mkdir(parents=True, exist_ok=True)
    seeds = sorted(job.seeds.iterdir())
    tasks = [
        (seed, folder_of(job, kind) / f"{number:03}-{seed.stem}.jpg", size, number)
        for kind, size in KINDS.items()
        for number, seed in enumerate(islice(cycle(seeds), 8 if job.scale < 0.5 else 48))
    ]
    with multiprocessing.get_context("spawn").Pool(cpus()) as pool:
        sizes = pool.starmap(_make_image, tasks)
    for kind in KINDS:
        mine = [size for task, size in zip(tasks, sizes, strict=True) if kind_of(task[1]) == kind]
        yield {"text": f"{len(mine)} {kind}, {sum(mine) / len(mine) / 1e6:.2f} MB each"}
    for name in SHAPES:
        yield {"text": f"{name}: {make_checkpoint(job, name) / 1e6:.0f} MB"}


def _make_image(seed: Path, target: Path, size: tuple[int, int], number: int) -> int:
    from PIL import Image

    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(seed) as image:
        plain = image.convert("RGB")
    left, top = (number * 37) % 200, (number * 53) % 150
    box = (left, top, plain.width - 200 + left, plain.height - 150 + top)
    plain.resize(size, Image.Resampling.BICUBIC, box=box).save(target, quality=88)
    return target.stat().st_size


def make_checkpoint(job: Job, name: str) -> int:
    """Write config.json and image_encoder.safetensors (bfloat16) with random weights."""
    import torch
    from safetensors.torch import save_file

    dim, patch, layers, heads, embedding = SHAPES[name]
    if job.scale < 0.1:
        layers = 1
    folder = job.work / name
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "dim": dim, "patch_size": patch, "image_size": 224, "num_layers": layers,
        "num_heads": heads, "embedding_dim": embedding, "pooling": "cls",
        "normalization_means": [0.48145466, 0.4578275, 0.40821073],
        "normalization_deviations": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"image_encoder": config}))
    torch.manual_seed(1)

    def linear(rows: int, columns: int) -> Any:
        return torch.randn(rows, columns) / columns**0.5

    tensors = {
        "cls_token": torch.randn(1, 1, dim),
        "pos_embed": 0.3 * torch.randn(1, (224 // patch) ** 2, dim),
        "patch_embed.weight": linear(dim, 3 * patch * patch).view(dim, 3, patch, patch),
        "patch_embed.bias": torch.zeros(dim),
        "embedding_projection.weight": linear(embedding, dim),
    }
    for layer in ["norm", *(f"blocks.{n}.norm{m}" for n in range(layers) for m in (1, 2))]:
        tensors[f"{layer}.weight"] = torch.ones(dim)
        tensors[f"{layer}.bias"] = torch.zeros(dim)
    for n in range(layers):
        for part in ("attn.query", "attn.key", "attn.value", "attn.out"):
            tensors[f"blocks.{n}.{part}.weight"] = linear(dim, dim)
            tensors[f"blocks.{n}.{part}.bias"] = torch.zeros(dim)
        for part, rows, columns in (("hidden", 4 * dim, dim), ("output", dim, 4 * dim)):
            tensors[f"blocks.{n}.mlp.{part}_layer.weight"] = linear(rows, columns)
            tensors[f"blocks.{n}.mlp.{part}_layer.bias"] = torch.zeros(rows)
        for part in ("ls1", "ls2"):
            tensors[f"blocks.{n}.{part}.gamma"] = torch.full((dim,), 0.5)
    file = folder / "image_encoder.safetensors"
    save_file({name: value.bfloat16().contiguous() for name, value in tensors.items()}, file)
    return file.stat().st_size


def folder_of(job: Job, kind: str) -> Path:
    """The folder with the images of a kind."""
    return job.work / "images" / kind.replace(" ", "-")


def kind_of(file: Path) -> str:
    """The kind of an image."""
    return file.parent.name.replace("-", " ")


def files_of(job: Job, kind: str) -> list[Path]:
    """The images of a kind."""
    return sorted(folder_of(job, kind).iterdir())


def model_of(job: Job) -> str:
    """The model of a step, for the config."""
    return job.subject if job.subject == BUILT_IN else str(job.work / job.subject)


def cpus() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0))
