"""Turn texts into vectors with the text encoder of a model.

The vectors of texts and of images can be compared: the image that a text describes has the largest
cosine. File names and search words are such texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders import uform_spec
from imgscore.embedders.onnx_spec import OnnxFolder, TextSide
from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer

TextEncoder = Callable[[Sequence[str]], NDArray[np.float32]]
"""The type of a function that maps n texts to unit vectors float32 [n, dim]."""
_Tokens = dict[str, NDArray[np.int64]]
# The outputs that contain the vector of a text, in the order of preference.
POOLED = ("text_embeds", "text_embeddings", "text_features", "embedding", "pooler_output")


def load(folder: uform_spec.Folder | OnnxFolder) -> TextEncoder:
    """Load the text encoder of a model.

    The encoder processes one text at a time, because a vector of a quantised model depends on the
    other inputs of a batch. Raises ImgscoreError if the model has no text encoder, or if it cannot
    be loaded.
    """
    try:
        if isinstance(folder, OnnxFolder):
            if folder.text is None:
                raise ImgscoreError(f"{folder.path} has no text encoder", "use another model")
            return _onnx(folder.text, folder.dim, folder.preprocessing.crop)
        return _uform(folder)
    except ImgscoreError:
        raise
    # For a file that is not a model, onnxruntime and tokenizers raise exceptions of unrelated
    # classes.
    except Exception as error:
        raise ImgscoreError(
            f"the text encoder in {folder.path} cannot be loaded: {error}",
            "copy its files again from their source, or use another model",
        ) from error


def _uform(folder: uform_spec.Folder) -> TextEncoder:
    weights = folder.text_weights
    if weights is None or weights.suffix != ".onnx":
        raise ImgscoreError(
            f"{folder.path} has no text encoder in ONNX",
            "copy text_encoder.onnx and tokenizer.json there, or use another model",
        )
    from uform.numpy_processors import TextProcessor

    processor = TextProcessor(str(folder.config), str(folder.path / uform_spec.TOKENIZER))
    return _encoder(weights, folder.image.embedding_dim, processor, ("embeddings",))


def _onnx(text: TextSide, dim: int, size: tuple[int, int]) -> TextEncoder:
    """Return the text encoder of an ONNX folder. `size`: the width and height of its images."""
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_file(str(text.tokenizer))
    tokenizer.enable_truncation(text.length)
    if text.padded:
        stored = tokenizer.padding or {}
        token = text.pad_token or stored.get("pad_token")
        number = None if token is None else tokenizer.token_to_id(token)
        tokenizer.enable_padding(
            length=text.length,
            pad_id=stored.get("pad_id", 0) if number is None else number,
            pad_token=token or "[PAD]",
        )
    else:
        tokenizer.no_padding()

    def tokens(value: str) -> _Tokens:
        encoded = tokenizer.encode(value.lower() if text.lower else value)
        return {
            "input_ids": np.array([encoded.ids], np.int64),
            "attention_mask": np.array([encoded.attention_mask], np.int64),
        }

    return _encoder(text.weights, dim, tokens, POOLED, size)


def _encoder(
    weights: Path,
    dim: int,
    tokens: Callable[[str], _Tokens],
    outputs: Sequence[str],
    size: tuple[int, int] = (1, 1),
) -> TextEncoder:
    """Return the encoder for a graph. `tokens`: a function that maps a text to the graph's inputs.

    `outputs`: the names of the output to use, in the order of preference. `size`: the width and
    height of the blank image that a graph for images and texts needs.
    """
    from imgscore.embedders.onnx_session import make_session

    session = make_session(weights)
    named = [output.name for output in session.get_outputs()]
    output = next((name for name in outputs if name in named), named[0])
    kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float16)": np.float16}
    sources = {source.name: source for source in session.get_inputs()}
    blank = np.zeros((1, 3, size[1], size[0]), np.float32)
    if len(sources) == 1:  # A graph with one input may give it any name.
        (only,) = sources
        names = {only: "input_ids"}
    else:
        names = {name: name for name in sources}

    def inputs_of(text: str) -> dict[str, NDArray[Any]]:
        prepared: dict[str, NDArray[Any]] = {**tokens(text), "pixel_values": blank}
        return {
            name: prepared[names[name]].astype(kinds.get(source.type, np.float32), copy=False)
            for name, source in sources.items()
        }

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        result = np.empty((len(texts), dim), np.float32)
        for row, text in zip(result, texts, strict=True):
            vector = session.run([output], inputs_of(text))[0][0]
            if vector.shape != (dim,):
                raise ImgscoreError(
                    f"{weights} gives {vector.shape} for a text, and the images have {dim} numbers",
                    "the two encoders belong to different models; copy the model again",
                )
            row[:] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return result

    return encode
