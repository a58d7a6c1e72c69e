"""UForm's image encoder in torch: a vision transformer, for checkpoints in .safetensors and .pt.

The names of the weights are the names in the checkpoints. torch is an optional package: only
functions import it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from imgscore.embedders.torch_device import TorchNetwork, open_device
from imgscore.embedders.uform_spec import Folder, ImageConfig
from imgscore.errors import ImgscoreError

MEANS, DEVIATIONS = "means", "deviations"
"""The names of the normalisation of pixels among the weights."""
NORM_EPSILON = 1e-6
"""The epsilon of all layer normalisations of the checkpoints."""


def load_network(folder: Folder, device: str) -> TorchNetwork:
    """Load the image encoder of a folder on a device.

    `device`: "cpu", "cuda" or "rocm". Raises ImgscoreError if torch or the device is missing, or if
    the config does not describe the weights.
    """
    target = open_device(device)
    state = _state(folder.weights)
    config = folder.image
    if min(config.dim, config.patch_size, config.num_layers, config.num_heads) < 1:
        raise ImgscoreError(
            f"{folder.config} does not describe the shape of the network (dim, patch_size, "
            "num_layers, num_heads)",
            "copy the config.json that belongs to the weights",
        )
    _check_names(state, folder)
    return TorchNetwork(Encoder(_fused(state, config), config), target)


def _state(weights: Path) -> Mapping[str, Any]:
    """Return the tensors of the image encoder, by name."""
    import torch

    if weights.suffix == ".safetensors":
        from safetensors.torch import load_file

        state: Mapping[str, Any] = load_file(weights)
    else:
        # With weights_only=True, torch loads only tensors. With weights_only=False, a pickle in the
        # file could run any code.
        state = torch.load(weights, map_location="cpu", weights_only=True)
    nested = state.get("image_encoder")
    if isinstance(nested, Mapping):
        return nested
    prefix = "image_encoder."
    prefixed = {name[len(prefix) :]: state[name] for name in state if name.startswith(prefix)}
    return prefixed or state


class Encoder:
    """The network: a map from pixels uint8 [n, h, w, 3] to float32 outputs [n, outputs].

    An output is the embedding, then the mean and the deviation of the tokens of the patches.
    """

    def __init__(self, weights: Mapping[str, Any], config: ImageConfig) -> None:
        self._weights = dict(weights)
        self._config = config

    def to(self, device: Any, dtype: Any) -> Encoder:
        """Return a copy of the network on another device, with weights of another type.

        Pixels are normalised in float32 with any type.
        """
        import torch

        weights = {
            name: tensor.to(device, torch.float32 if name in (MEANS, DEVIATIONS) else dtype)
            for name, tensor in self._weights.items()
        }
        return Encoder(weights, self._config)

    def __call__(self, pixels: Any) -> Any:
        """Return the outputs of a batch."""
        import torch
        from torch.nn import functional

        weights, config = self._weights, self._config
        tokens = self._patches(pixels)
        count = len(tokens)
        special = [weights["cls_token"].expand(count, -1, -1)]
        if config.num_reg_tokens:
            special.append(weights["reg_token"].expand(count, -1, -1))
        tokens = torch.cat([*special, tokens], dim=1)
        for index in range(config.num_layers):
            tokens = self._block(f"blocks.{index}.", tokens)
        tokens = self._norm("norm", tokens)
        pooled = tokens[:, 0] if config.pooling == "cls" else tokens.mean(dim=1)
        embedding = functional.linear(pooled, weights["embedding_projection.weight"]).float()
        own = tokens[:, config.special_tokens :].float()
        return torch.cat([embedding, own.mean(1), own.std(1, correction=0)], dim=1)

    def _patches(self, pixels: Any) -> Any:
        """Return the tokens [n, patches, dim] of pixels uint8 [n, h, w, 3]."""
        from torch.nn import functional

        weights, config = self._weights, self._config
        images = (pixels.float() / 255 - weights[MEANS]) / weights[DEVIATIONS]
        images = images.to(weights["cls_token"].dtype)
        side, patch = config.image_size // config.patch_size, config.patch_size
        rows = images.view(-1, side, patch, side, patch, 3).permute(0, 1, 3, 5, 2, 4)
        patches = functional.linear(
            rows.reshape(len(pixels), side * side, 3 * patch * patch),
            weights["patch_embed.weight"],
            weights["patch_embed.bias"],
        )
        return patches + weights["pos_embed"]

    def _block(self, prefix: str, tokens: Any) -> Any:
        from torch.nn import functional

        heads = self._config.num_heads
        inner = self._linear(f"{prefix}attn", self._norm(prefix + "norm1", tokens))
        query, key, value = inner.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self._linear(prefix + "attn.out", mixed.transpose(1, 2).flatten(2))
        inner = self._linear(prefix + "mlp.hidden_layer", self._norm(prefix + "norm2", tokens))
        return tokens + self._linear(prefix + "mlp.output_layer", functional.gelu(inner))

    def _linear(self, name: str, tokens: Any) -> Any:
        from torch.nn import functional

        return functional.linear(
            tokens, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        )

    def _norm(self, name: str, tokens: Any) -> Any:
        from torch.nn import functional

        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(tokens, weight.shape, weight, bias, NORM_EPSILON)


def _fused(state: Mapping[str, Any], config: ImageConfig) -> dict[str, Any]:
    """Return the weights in float32, in the form that needs the fewest operations.

    Query, key and value become one matrix. The factors of the layer scales become part of the
    matrices before them.
    """
    import torch

    weights = {name: tensor.float() for name, tensor in state.items()}
    weights["patch_embed.weight"] = weights["patch_embed.weight"].flatten(1)
    weights[MEANS] = torch.tensor(config.normalization_means)
    weights[DEVIATIONS] = torch.tensor(config.normalization_deviations)
    for index in range(config.num_layers):
        block = f"blocks.{index}."
        for part in ("weight", "bias"):
            names = (f"{block}attn.{name}.{part}" for name in ("query", "key", "value"))
            parts = [weights.pop(name) for name in names]
            weights[f"{block}attn.{part}"] = torch.cat(parts)
        for scale, layer in (("ls1", "attn.out"), ("ls2", "mlp.output_layer")):
            factor = weights.pop(f"{block}{scale}.gamma")
            weights[f"{block}{layer}.weight"] *= factor[:, None]
            weights[f"{block}{layer}.bias"] *= factor
    return weights


def _check_names(names: Collection[str], folder: Folder) -> None:
    """Raise ImgscoreError if the names of the tensors do not fit the config."""
    config = folder.image
    expected = {"cls_token", "pos_embed", "embedding_projection.weight"}
    expected |= {"reg_token"} if config.num_reg_tokens else set()
    layers = ["patch_embed", "norm"]
    for index in range(config.num_layers):
        parts = ("norm1", "norm2", "attn.query", "attn.key", "attn.value", "attn.out")
        layers += [f"blocks.{index}.{part}" for part in parts]
        layers += [f"blocks.{index}.mlp.{part}_layer" for part in ("hidden", "output")]
        expected |= {f"blocks.{index}.{part}.gamma" for part in ("ls1", "ls2")}
    expected |= {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    differing = sorted(expected.symmetric_difference(names))
    if differing:
        raise ImgscoreError(
            f"{folder.weights} does not fit {folder.config.name}: {differing[0]}",
            "copy the config.json that belongs to the weights",
        )
