"""Read a folder in UForm's layout: its files, its config, and the id of its embedder.

This module is separate from `uform.py`, because the idle daemon needs the id but must not import
numpy and Pillow, as `uform.py` does.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import NamedTuple

import msgspec

from imgscore.embedders import manifest
from imgscore.embedders.base import Section, sections_of
from imgscore.errors import ConfigError
from imgscore.system import accelerators

PREPROCESSING_VERSION = 3
"""The version of the preprocessing. Increase it if a change of decode or of `uform.prepare` changes
the vector of a picture."""
# The uform package tries these file names in this order.
CONFIGS = ("torch_config.json", "config.json")
MERGED_WEIGHTS = ("torch_weight", "weight", "model")
"""The names, without the extension, of files that contain the weights of all encoders."""
IMAGE_WEIGHTS = "image_encoder"
TEXT_WEIGHTS = "text_encoder"
TOKENIZER = "tokenizer.json"

Channels = tuple[float, float, float]


class ImageConfig(msgspec.Struct, frozen=True):
    """The fields that imgscore reads from the image encoder's part of a config.

    `image_size`: the side of the input image in pixels.
    `normalization_means`, `normalization_deviations`: one number for each channel, for pixel values
    from 0 to 1.
    `dim`: the number of values of a token; 0 if the config does not state it.
    `patch_size`, `num_layers`, `num_heads`, `pooling`, `num_reg_tokens`: the shape of the network.
    Only weights for torch need them, because an ONNX file contains its shape.
    """

    embedding_dim: int
    image_size: int
    normalization_means: Channels
    normalization_deviations: Channels
    dim: int = 0
    patch_size: int = 0
    num_layers: int = 0
    num_heads: int = 0
    pooling: str = "cls"
    num_reg_tokens: int = 0

    @property
    def special_tokens(self) -> int:
        """The number of tokens before the tokens of the patches: the class token and registers."""
        return 1 + self.num_reg_tokens


class Folder(NamedTuple):
    """A folder with a UForm model that is not loaded yet.

    `weights`: an ONNX file, or a .safetensors or .pt file that needs torch.
    `sha256`: the sha256 of the weights, in hex.
    `text_weights`: the weights of the text encoder. None means that the folder has no text encoder
    or no tokenizer.
    `label`: the first part of the id.
    """

    path: Path
    config: Path
    image: ImageConfig
    weights: Path
    sha256: str
    text_weights: Path | None
    label: str

    @property
    def id(self) -> str:
        """The id of the embedder.

        The id consists of the label, a hash of the weights and the config, and the preprocessing
        version.
        """
        facts = msgspec.json.encode([self.sha256, self.image])
        digest = hashlib.sha256(facts).hexdigest()
        return f"{self.label}-{digest[:12]}-p{PREPROCESSING_VERSION}"

    @property
    def has_text(self) -> bool:
        """Whether the model can turn texts into vectors."""
        return self.text_weights is not None and self.text_weights.suffix == ".onnx"

    @property
    def text_id(self) -> str:
        """The id of the text encoder.

        Raises ConfigError if the folder has no text encoder in ONNX.
        """
        if self.text_weights is None or self.text_weights.suffix != ".onnx":
            raise ConfigError(
                f"use_filename = true needs a text encoder in ONNX, but {self.path} has none",
                "copy text_encoder.onnx and tokenizer.json there, or set use_filename = false",
            )
        return f"text-{_known_sha256(self.path, self.text_weights)[:12]}"

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections of the vector.

        The embedding is the model's own result, made for comparison with texts. Beside it are the
        mean and the standard deviation of the tokens of the last layer, from which the embedding
        is made. If the config does not state the size of a token, the embedding is the only
        section.
        """
        embedding, token = self.image.embedding_dim, self.image.dim
        if not token:
            return sections_of(("embedding", embedding))
        return sections_of(("embedding", embedding), ("mean", token), ("deviation", token))

    @property
    def dim(self) -> int:
        """The number of values in a vector."""
        return self.sections[-1].stop

    @property
    def text_dim(self) -> int:
        """The number of values in a vector of a text. The embedding of an image has as many."""
        return self.image.embedding_dim


def open_folder(path: Path, label: str = "uform") -> Folder:
    """Read a folder in UForm's layout.

    Raises ConfigError if the config or the weights are missing, or if the config is invalid.
    """
    config = _first(path, CONFIGS)
    if config is None:
        raise ConfigError(
            f"{path} has no model in a layout that imgscore supports",
            "give a folder with config.json and image_encoder.onnx, onnx/vision_model.onnx or "
            "visual/model.onnx",
        )
    weights = _first(path, _weight_names())
    if weights is None:
        raise ConfigError(
            f"{path} has neither image_encoder.onnx nor weights in .safetensors or .pt",
            "download the model again, or copy the missing file there",
        )
    merged = weights if weights.stem in MERGED_WEIGHTS else None
    text = _first(path, (f"{TEXT_WEIGHTS}.onnx", f"{TEXT_WEIGHTS}{weights.suffix}")) or merged
    return Folder(
        path,
        config,
        _image_config(config),
        weights,
        _known_sha256(path, weights),
        text if (path / TOKENIZER).exists() else None,
        label,
    )


def _weight_names() -> tuple[str, ...]:
    """Return the file names of the image encoder's weights, the preferred name first.

    Weights for torch are useful with an accelerator, which cannot run UForm's quantised ONNX files
    fast. Weights in .safetensors are therefore used wherever torch is installed, and weights in .pt
    where there is also an accelerator. Everything else uses ONNX if there is an ONNX file.
    """
    stems = (IMAGE_WEIGHTS, *MERGED_WEIGHTS)
    tensors, pickled = (
        tuple(f"{stem}{suffix}" for stem in stems) for suffix in (".safetensors", ".pt")
    )
    onnx = (f"{IMAGE_WEIGHTS}.onnx",)
    if importlib.util.find_spec("torch") is None:
        return (*onnx, *tensors, *pickled)
    if accelerators.is_present():
        return (*tensors, *pickled, *onnx)
    return (*tensors, *onnx, *pickled)


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _image_config(config: Path) -> ImageConfig:
    try:
        tree = msgspec.json.decode(config.read_bytes())
        image = msgspec.convert(tree.get("image_encoder", tree), ImageConfig)
    except (OSError, msgspec.DecodeError, AttributeError) as error:
        raise ConfigError(
            f"{config} does not describe a UForm image encoder: {error}",
            "download the model again, or use another model",
        ) from None
    if image.embedding_dim < 1 or image.image_size < 1 or min(image.normalization_deviations) <= 0:
        raise ConfigError(
            f"{config}: sizes and deviations must be positive", "download the model again"
        )
    return image


def _known_sha256(folder: Path, weights: Path) -> str:
    """Return the sha256 of the weights.

    If the folder has a manifest, the sha256 is read from the manifest. The daemon then reads no
    large file when it starts. `uform.load` later compares this value with the file. If there is no
    manifest, the sha256 is computed from the file.
    """
    recorded = manifest.read(folder)
    if recorded is not None and weights.name in recorded.files:
        return recorded.files[weights.name].sha256
    try:
        return manifest.sha256_of(weights)
    except OSError as error:
        raise ConfigError(
            f"{weights} cannot be read: {error.strerror}", "check the permissions of the file"
        ) from None
