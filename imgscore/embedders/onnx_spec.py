"""Read the folder of an image encoder that was exported to ONNX by transformers or open_clip.

Two layouts are understood. Paths are relative to the folder:

- transformers (optimum, transformers.js): `config.json`, `preprocessor_config.json`,
  `onnx/vision_model.onnx` or `onnx/model.onnx`; to search by words, also `tokenizer.json`, and
  `onnx/text_model.onnx` or a `model.onnx` for images and texts. The ONNX files may also be in the
  folder itself.
- open_clip (immich): `config.json`, `visual/model.onnx`, `visual/preprocess_cfg.json`; to search by
  words, also `textual/model.onnx` and `textual/tokenizer.json`.

This module is separate from `onnx_encoder.py`, because the idle daemon needs the id but must not
import numpy and Pillow, as `onnx_encoder.py` does.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from imgscore.embedders import onnx_facts, preprocessing_spec
from imgscore.embedders.base import Section, sections_of
from imgscore.embedders.onnx_facts import Facts
from imgscore.embedders.preprocessing_spec import Preprocessing
from imgscore.errors import ConfigError

ENCODER_VERSION = 1
"""The version of the code that turns pixels into a vector. Increase it if a change of decode, of
`preprocessing.prepare` or of `onnx_encoder` changes the vector of a picture."""

Layout = Literal["transformers", "open_clip"]
# Exporters add these suffixes to the names of smaller variants. The order is the order of
# preference: the weights with the highest precision that run on every CPU come first.
VARIANTS = ("", "_fp16", "_int8", "_uint8", "_quantized", "_q8", "_q4f16", "_q4", "_bnb4")
# The number of tokens of a text, for models whose files do not contain it.
_TEXT_LENGTHS = {"clip": 77, "siglip": 64, "siglip2": 64}
MAX_TEXT_LENGTH = 2048
"""The largest number of tokens of a text. Larger numbers in a file mean "no limit"."""


class TextSide(NamedTuple):
    """The files of a text encoder, and the way its texts are prepared.

    `length`: the largest number of tokens of a text.
    `padded`: whether every text is padded to `length`.
    `pad_token`: the token for padding. None means the token in the tokenizer's file.
    `lower`: whether texts are changed to lower case before the tokenizer reads them.
    """

    weights: Path
    tokenizer: Path
    length: int
    padded: bool
    pad_token: str | None
    lower: bool


class OnnxFolder(NamedTuple):
    """A folder with an exported encoder that is not loaded yet.

    `weights`: the ONNX file of the image encoder.
    `sha256`: the sha256 of the weights, in hex. If the weights are in several files, the sha256 of
    the files' sha256.
    `facts`: the input and output of the image encoder.
    `prefix_tokens`: the number of tokens before the tokens of image patches, if the encoder returns
    tokens.
    `text`: the text encoder. None means that the folder has none.
    `label`: the first part of the id.
    """

    path: Path
    layout: Layout
    weights: Path
    sha256: str
    preprocessing: Preprocessing
    facts: Facts
    prefix_tokens: int
    text: TextSide | None
    label: str

    @property
    def id(self) -> str:
        """The id of the embedder.

        The id consists of the label, a hash of all that changes a vector, and a version.
        """
        parts = [self.sha256, self.preprocessing, self.facts, self.prefix_tokens]
        digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
        return f"{self.label}-{digest[:12]}-p{ENCODER_VERSION}"

    @property
    def dim(self) -> int:
        """The number of values in a vector."""
        return self.sections[-1].stop

    @property
    def text_dim(self) -> int:
        """The number of values in a vector of a text. The embedding of an image has as many."""
        return self.facts.dim

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections of a vector: the embedding, or the class token and the mean of patches."""
        if self.facts.tokens:
            return sections_of(("class", self.facts.dim), ("patches", self.facts.dim))
        return sections_of(("embedding", self.facts.dim))

    @property
    def has_text(self) -> bool:
        """Whether the model can turn texts into vectors."""
        return self.text is not None

    @property
    def text_id(self) -> str:
        """The id of the text encoder. Raises ConfigError if the folder has no text encoder."""
        if self.text is None:
            raise ConfigError(
                f"{self.path} has no text encoder",
                "use a model that has one (imgscore model list), or set use_filename = false",
            )
        return f"text-{onnx_facts.sha256_of(weights_files(self.text.weights))[:12]}"


def is_onnx_folder(path: Path) -> bool:
    """Return whether a folder has one of the two layouts, and not UForm's layout."""
    return (path / "visual" / "model.onnx").is_file() or (
        (path / "preprocessor_config.json").is_file() and _vision_weights(path) is not None
    )


def open_folder(path: Path, label: str | None = None) -> OnnxFolder:
    """Read a folder in one of the two layouts.

    `label`: the first part of the id. None means the name of the folder.

    Raises ConfigError if a file is missing, or if imgscore does not support the model.
    """
    label = label or _slug(path.name)
    if (path / "visual" / "model.onnx").is_file():
        return _open_open_clip(path, label)
    return _open_transformers(path, label)


def weights_files(weights: Path) -> list[Path]:
    """Return an ONNX file and the files that contain the rest of its weights.

    ONNX files have at most 2 GB. Larger weights are in files beside the ONNX file.
    """
    if weights.parent.name in ("visual", "textual"):
        beside = [
            file
            for file in weights.parent.iterdir()
            if file.is_file() and file.suffix not in (".onnx", ".json", ".txt", ".md", ".model")
        ]
    else:
        beside = [*weights.parent.glob(f"{weights.name}[._]data*")]
    return [weights, *sorted(file for file in beside if not file.name.startswith("."))]


# ---- transformers


def _vision_weights(path: Path) -> Path | None:
    return _weights(path, "vision_model") or _weights(path, "model")


def _weights(path: Path, name: str) -> Path | None:
    candidates = (
        folder / f"{name}{variant}.onnx" for variant in VARIANTS for folder in (path / "onnx", path)
    )
    return next((file for file in candidates if file.is_file()), None)


def _open_transformers(path: Path, label: str) -> OnnxFolder:
    config = _json(path / "config.json")
    weights = _vision_weights(path)
    if weights is None:
        raise ConfigError(
            f"{path} has no onnx/vision_model.onnx and no onnx/model.onnx",
            "export the model to ONNX (optimum-cli export onnx), or use another model",
        )
    steps = preprocessing_spec.of_transformers(path / "preprocessor_config.json")
    facts = onnx_facts.facts_of(weights, steps.crop)
    vision = config.get("vision_config")
    registers = (vision if isinstance(vision, dict) else config).get("num_register_tokens", 0)
    return OnnxFolder(
        path,
        "transformers",
        weights,
        onnx_facts.sha256_of(weights_files(weights)),
        steps,
        facts,
        1 + (registers if isinstance(registers, int) else 0),
        _transformers_text(path, config, weights if facts.texts else None),
        label,
    )


def _transformers_text(path: Path, config: dict[str, Any], both: Path | None) -> TextSide | None:
    """Return the text encoder. `both`: the ONNX file that encodes images and texts, if any."""
    weights, tokenizer = _weights(path, "text_model") or both, path / "tokenizer.json"
    if weights is None or not tokenizer.is_file():
        return None
    settings = _json(path / "tokenizer_config.json", optional=True)
    kind = str(config.get("model_type", ""))
    text = config.get("text_config")
    lengths = (
        (text if isinstance(text, dict) else {}).get("max_position_embeddings"),
        settings.get("model_max_length"),
        _TEXT_LENGTHS.get(kind),
    )
    length = next(
        (n for n in lengths if isinstance(n, int | float) and 1 <= n <= MAX_TEXT_LENGTH), None
    )
    if length is None:
        raise ConfigError(
            f"{path / 'tokenizer_config.json'} has no model_max_length",
            "add the number of tokens that the model was trained with",
        )
    siglip = kind.startswith("siglip")
    return TextSide(weights, tokenizer, int(length), siglip, _pad_token(settings), lower=siglip)


# ---- open_clip


def _open_open_clip(path: Path, label: str) -> OnnxFolder:
    weights = path / "visual" / "model.onnx"
    steps = preprocessing_spec.of_open_clip(path / "visual" / "preprocess_cfg.json")
    return OnnxFolder(
        path,
        "open_clip",
        weights,
        onnx_facts.sha256_of(weights_files(weights)),
        steps,
        onnx_facts.facts_of(weights, steps.crop),
        1,
        _open_clip_text(path),
        label,
    )


def _open_clip_text(path: Path) -> TextSide | None:
    folder = path / "textual"
    weights, tokenizer = folder / "model.onnx", folder / "tokenizer.json"
    if not weights.is_file() or not tokenizer.is_file():
        return None
    text = _json(path / "config.json").get("text_cfg")
    text = text if isinstance(text, dict) else {}
    options = text.get("tokenizer_kwargs")
    clean = options.get("clean") if isinstance(options, dict) else None
    length = text.get("context_length", 77)
    if not isinstance(length, int) or not 1 <= length <= MAX_TEXT_LENGTH:
        raise ConfigError(
            f"{path / 'config.json'}: context_length = {length!r} is not a number of tokens",
            "copy the model again from its source",
        )
    settings = _json(folder / "tokenizer_config.json", optional=True)
    return TextSide(weights, tokenizer, length, True, _pad_token(settings), clean == "canonicalize")


# ---- both


def _pad_token(settings: dict[str, Any]) -> str | None:
    """Return the token for padding of a tokenizer_config.json."""
    token = settings.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else None


def _json(file: Path, *, optional: bool = False) -> dict[str, Any]:
    if optional and not file.is_file():
        return {}
    try:
        tree = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read: {error}", "copy the model again from its source"
        ) from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} is not a JSON object", "copy the model again from its source")
    return tree


def _slug(name: str) -> str:
    """Return a name with the characters that an id may contain."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:40] or "onnx"
