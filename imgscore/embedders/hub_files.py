"""Choose the files of a repository on the hub that a model needs. This module is pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from imgscore.embedders import onnx_spec, uform_spec

# The first of these files that exists contains the weights for torch.
UFORM_TENSORS = ("image_encoder.safetensors", "model.safetensors")
UFORM_WEIGHTS = ("image_encoder.onnx", "text_encoder.onnx")
# These files of open_clip's layout describe the encoders. A repository may also contain other
# formats of the weights, in folders inside of these folders. A name that begins with a dot, such as
# "..", does not match.
_OPEN_CLIP = re.compile(r"(visual|textual)/[^/.][^/]*")
_TRANSFORMERS = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
README = "README.md"


def wanted_files(names: Collection[str], *, tensors: bool = False) -> list[str]:
    """Return the files to download, small files first. An empty list means: no known layout.

    `names`: the paths of all files of the repository. `tensors`: whether to download UForm's
    weights for torch, too, because this machine has an accelerator that torch can use.

    If the repository contains several variants of the weights, only the largest is chosen.
    """
    files = _uform(names, tensors=tensors) or _open_clip(names) or _transformers(names)
    if files and README in names:
        files.append(README)
    return sorted(files, key=lambda name: (".onnx" in name or name.endswith(".safetensors"), name))


def _uform(names: Collection[str], *, tensors: bool) -> list[str]:
    config = next((name for name in uform_spec.CONFIGS if name in names), None)
    if config is None or UFORM_WEIGHTS[0] not in names:
        return []
    torch = [name for name in UFORM_TENSORS if name in names][: int(tensors)]
    return [
        config,
        *(name for name in (uform_spec.TOKENIZER, *UFORM_WEIGHTS) if name in names),
        *torch,
    ]


def _open_clip(names: Collection[str]) -> list[str]:
    if "visual/model.onnx" not in names or "visual/preprocess_cfg.json" not in names:
        return []
    return ["config.json", *(name for name in names if _OPEN_CLIP.fullmatch(name))]


def _transformers(names: Collection[str]) -> list[str]:
    vision = _variant(names, "vision_model") or _variant(names, "model")
    if vision is None or "preprocessor_config.json" not in names:
        return []
    text = _variant(names, "text_model")
    weights = [name for name in (vision, text) if name is not None]
    beside = [name for file in weights for name in names if _is_data_of(name, file)]
    return [*(name for name in _TRANSFORMERS if name in names), *weights, *beside]


def _variant(names: Iterable[str], stem: str) -> str | None:
    """Return the ONNX file with this stem that has the highest precision."""
    candidates = (
        f"{folder}{stem}{variant}.onnx"
        for variant in onnx_spec.VARIANTS
        for folder in ("onnx/", "")
    )
    present = set(names)
    return next((name for name in candidates if name in present), None)


def _is_data_of(name: str, weights: str) -> bool:
    """Return whether a file contains weights that do not fit into the ONNX file `weights`."""
    return re.fullmatch(re.escape(weights) + r"[._]data[\w.-]*", name) is not None
