"""A tiny UForm checkpoint: the torch classes of uform with random weights, exported to ONNX."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def config(dim: int = 32, size: int = 32) -> dict[str, Any]:
    """A config in UForm's layout; `dim`: length of an embedding, `size`: side of an image."""
    return {
        "image_encoder": {
            "dim": 48,
            "patch_size": 8,
            "image_size": size,
            "num_layers": 2,
            "num_heads": 4,
            "embedding_dim": dim,
            "pooling": "cls",
            "normalization_means": [0.481, 0.457, 0.408],
            "normalization_deviations": [0.268, 0.261, 0.275],
        },
        "text_encoder": {
            "model_type": "bert",
            "dim": 32,
            "context_dim": 48,
            "vocab_size": 5 + 2 * len(LETTERS),
            "padding_idx": 0,
            "num_layers": 2,
            "num_heads": 4,
            "embedding_dim": dim,
            "multimodal_layers_ids": [],
            "head_one_neuron": True,
            "pooling": "mean",
            "max_position_embeddings": 64,
        },
    }


def make(folder: Path, *, seed: int = 0, dim: int = 32, quantised: bool = False) -> Path:
    """Write a checkpoint: config, tokenizer, ONNX and torch weights. Skips without torch.

    `quantised`: the ONNX encoders have 8-bit weights, as UForm publishes them.
    """
    torch = pytest.importorskip("torch", reason="pip install torch")
    pytest.importorskip("onnx", reason="pip install onnx")
    from uform.torch_encoders import ImageEncoder, TextEncoder

    folder.mkdir(parents=True, exist_ok=True)
    whole = config(dim)
    (folder / "config.json").write_text(json.dumps(whole))
    _write_tokenizer(folder / "tokenizer.json")
    torch.manual_seed(seed)
    encoders = {}
    for name, kind in (("image_encoder", ImageEncoder), ("text_encoder", TextEncoder)):
        fields = {key: value for key, value in whole[name].items() if key in kind.__annotations__}
        encoders[name] = encoder = kind(**fields).eval()
        for parameter in encoder.parameters():
            # With the initial layer scales, the blocks have no effect: all embeddings are equal.
            torch.nn.init.normal_(parameter, std=0.5)
    weights = {name: encoder.state_dict() for name, encoder in encoders.items()}
    torch.save(weights, folder / "model.pt")
    size = whole["image_encoder"]["image_size"]
    pixels = torch.zeros(1, 3, size, size)
    tokens = torch.ones(1, 64, dtype=torch.int32)
    _export(encoders["image_encoder"], (pixels,), ["images"], folder, quantised)
    _export(
        encoders["text_encoder"],
        (tokens, tokens),
        ["input_ids", "attention_mask"],
        folder,
        quantised,
    )
    return folder


def with_tensors(checkpoint: Path, folder: Path, prefix: str = "image_encoder.") -> Path:
    """Write a copy with bfloat16 weights in .safetensors, as UForm publishes them.

    `prefix`: the prefix of the tensors' names, as in a file with all encoders.
    """
    torch = pytest.importorskip("torch", reason="pip install torch")
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    state = torch.load(checkpoint / "model.pt", weights_only=True)["image_encoder"]
    tensors = {prefix + name: value.bfloat16() for name, value in state.items()}
    save_file(tensors, folder / ("model.safetensors" if prefix else "image_encoder.safetensors"))
    return folder


def _export(
    encoder: Any, inputs: tuple[Any, ...], names: list[str], folder: Path, quantised: bool
) -> None:
    import torch

    encoder.return_features = True
    target = folder / ("image_encoder.onnx" if names == ["images"] else "text_encoder.onnx")
    outputs = ["features", "embeddings"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            inputs,
            str(target),
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (*names, *outputs)},
            dynamo=False,
        )
    if quantised:
        _quantise(target)


def _quantise(model: Path) -> None:
    """Quantise the weights to 8 bits; activations are quantised by the range of each batch."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = model.with_suffix(".whole.onnx")
    model.rename(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_dynamic(whole, model, weight_type=QuantType.QUInt8)
    whole.unlink()


def _write_tokenizer(file: Path) -> None:
    """Write a WordPiece tokenizer whose pieces are single letters."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{x}" for x in LETTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(file))
