"""A folder in UForm's layout: which files it has, what its config says, and the id that follows.

Nothing heavy: the idle daemon reads this, and neither uform nor onnxruntime.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from imgscore.embedders import manifest
from imgscore.embedders.base import Section, sections_of
from imgscore.errors import ConfigError

# Raise it when decode or `uform.prepare` change what a picture's vector is.
PREPROCESSING_VERSION = 2
# The names that uform itself looks for, in its order.
CONFIGS = ("torch_config.json", "config.json")
MERGED = ("torch_weight.pt", "weight.pt", "model.pt")
TOKENIZER = "tokenizer.json"

Channels = tuple[float, float, float]


class ImageConfig(msgspec.Struct, frozen=True):
    """What we need of a config's image encoder. Means and deviations are of values in 0…1."""

    embedding_dim: int
    image_size: int
    normalization_means: Channels
    normalization_deviations: Channels


class Folder(NamedTuple):
    """A checkpoint on disk, not loaded.

    `weights` is an ONNX file, or a .pt that needs torch. `text_weights` is None where the folder
    has no text encoder, or no tokenizer for it.
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
        """Label, weights and preprocessing: vectors of two ids never mix."""
        facts = msgspec.json.encode([self.sha256, self.image])
        digest = hashlib.sha256(facts).hexdigest()
        return f"{self.label}-{digest[:12]}-p{PREPROCESSING_VERSION}"

    @property
    def text_id(self) -> str:
        """Id of the text encoder. Raises ConfigError where the folder has none in ONNX."""
        if self.text_weights is None or self.text_weights.suffix != ".onnx":
            raise ConfigError(
                f"{self.path} has no text encoder in ONNX, and use_filename asks for one",
                "copy text_encoder.onnx and tokenizer.json there, or set use_filename = false",
            )
        return f"text-{_known_sha256(self.path, self.text_weights)[:12]}"

    @property
    def sections(self) -> tuple[Section, ...]:
        """One: the embedding."""
        return sections_of(("embedding", self.image.embedding_dim))


def open_folder(path: Path, label: str = "uform") -> Folder:
    """Read a folder in UForm's layout. Raises ConfigError, which says what is missing."""
    config = _first(path, CONFIGS)
    if config is None:
        raise ConfigError(
            f"{path} is no UForm model: it has no config.json",
            "give a folder with config.json, tokenizer.json and image_encoder.onnx",
        )
    weights = _first(path, ("image_encoder.onnx", *MERGED, "image_encoder.pt"))
    if weights is None:
        raise ConfigError(
            f"{path} has neither image_encoder.onnx nor weights in .pt",
            "download the model again, or copy the missing file there",
        )
    merged = weights if weights.name in MERGED else None
    text = _first(path, (f"text_encoder{weights.suffix}",)) or merged
    return Folder(
        path,
        config,
        _image_config(config),
        weights,
        _known_sha256(path, weights),
        text if (path / TOKENIZER).exists() else None,
        label,
    )


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _image_config(config: Path) -> ImageConfig:
    try:
        tree = msgspec.json.decode(config.read_bytes())
        found = msgspec.convert(tree.get("image_encoder", tree), ImageConfig)
    except (OSError, msgspec.DecodeError, AttributeError) as error:
        raise ConfigError(
            f"{config} does not describe a UForm image encoder: {error}",
            "download the model again, or use another one",
        ) from None
    if found.embedding_dim < 1 or found.image_size < 1 or min(found.normalization_deviations) <= 0:
        raise ConfigError(f"{config}: sizes and deviations must be positive", "use another model")
    return found


def _known_sha256(folder: Path, weights: Path) -> str:
    """As recorded at the download, so that a start costs no look at the weights; else of the file.

    `uform.load` compares the record with the file.
    """
    recorded = manifest.read(folder)
    if recorded is not None and weights.name in recorded.files:
        return recorded.files[weights.name].sha256
    try:
        return manifest.sha256_of(weights)
    except OSError as error:
        raise ConfigError(
            f"{weights} cannot be read: {error.strerror}", "check its permissions"
        ) from None
