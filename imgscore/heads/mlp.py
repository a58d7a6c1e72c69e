"""The original recipe, unchanged: an MLP trained in torch by SGD with batches of one image.

It is kept for comparison. Only training and reading a .pt file need torch; scoring uses numpy.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.errors import UsageError
from imgscore.heads.arrays import BLOCK_ROWS, Bools, Floats, Half, Ints
from imgscore.heads.base import Examples, Fitted, Scores
from imgscore.heads.calibration import sigmoid
from imgscore.heads.groups import split

KIND = "mlp"
# The recipe's own settings.
HIDDEN_WIDTHS = (2048, 2048, 2048, 256)
LEARNING_RATE = 3e-4
EPOCHS = 15
FOLDS = 3
"""Folds of the cross-validation: each costs a whole training."""
SEED = 0

Layer = tuple[Floats, Floats]


@dataclass(frozen=True)
class MlpHead:
    """P(keep) = sigmoid(the network's output). The recipe has no deviation: it is reported as 0.

    layers: (weight [out, in], bias [out]) from input to output, with ReLU between them. Inputs are
    (x - centre) · scale; the original recipe has centre 0 and scale 1.
    """

    embedder: str
    settings: Mapping[str, Any]
    layers: tuple[Layer, ...]
    centre: Floats
    scale: Floats
    kind: str = KIND

    @property
    def dimensions(self) -> int:
        """Width d of the embeddings."""
        return int(self.layers[0][0].shape[1])

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Scores of float16 [n, d], computed in blocks. Extras are not used."""
        score = np.empty(len(embeddings), np.float32)
        for start in range(0, len(embeddings), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            values = (embeddings[rows].astype(np.float32) - self.centre) * self.scale
            for weight, bias in self.layers[:-1]:
                values = np.maximum(values @ weight.T + bias, 0)
            weight, bias = self.layers[-1]
            score[rows] = sigmoid((values @ weight.T + bias)[:, 0])
        return Scores(score, np.zeros_like(score))

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """See base.Head."""
        arrays: dict[str, NDArray[Any]] = {"centre": self.centre, "scale": self.scale}
        for number, (weight, bias) in enumerate(self.layers):
            arrays |= {f"{number}.weight": weight, f"{number}.bias": bias}
        values = {
            "embedder": self.embedder,
            "settings": dict(self.settings),
            "layers": len(self.layers),
        }
        return arrays, values


class MlpRecipe:
    """See base.Recipe. Setting standardise (default no): scale inputs by the background."""

    kind = KIND

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Fitted:
        """Train once on all labels and once for each fold; without `folds`, FOLDS are made.

        Takes about 0.2 s a label. Raises UsageError if torch is not installed.
        """
        examples.check()
        folds = split(examples.keep, examples.groups, FOLDS) if folds is None else folds
        chosen = {"standardise": bool((settings or {}).get("standardise", False))}
        width = examples.embeddings.shape[1]
        centre, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
        if chosen["standardise"] and len(examples.background):
            sample = examples.background.astype(np.float32)
            centre, scale = sample.mean(axis=0), 1 / (sample.std(axis=0) + 1e-3)
        inputs = (examples.embeddings.astype(np.float32) - centre) * scale

        def head(rows: Bools) -> MlpHead:
            layers = _train(inputs[rows], examples.keep[rows])
            return MlpHead(examples.embedder, chosen, layers, centre, scale)

        score = np.empty(len(examples), np.float32)
        for fold in np.unique(folds):
            held = folds == fold
            score[held] = head(~held).score(examples.embeddings[held]).score
        return Fitted(
            head(np.ones(len(examples), bool)), Scores(score, np.zeros_like(score)), folds
        )

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> MlpHead:
        """See base.Recipe."""
        layers = tuple(
            (arrays[f"{number}.weight"], arrays[f"{number}.bias"])
            for number in range(int(values["layers"]))
        )
        return MlpHead(
            str(values["embedder"]),
            dict(values["settings"]),
            _chained(layers),
            arrays["centre"],
            arrays["scale"],
        )


def _train(inputs: Floats, keep: Bools) -> tuple[Layer, ...]:
    """Train as the recipe does: BCEWithLogits, SGD, batch 1, shuffled, torch's initial weights."""
    torch = _torch()
    torch.manual_seed(SEED)
    widths = (inputs.shape[1], *HIDDEN_WIDTHS, 1)
    linear = [torch.nn.Linear(width, following) for width, following in itertools.pairwise(widths)]
    modules = [module for layer in linear for module in (layer, torch.nn.ReLU())][:-1]
    network = torch.nn.Sequential(*modules)
    optimiser = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    loss = torch.nn.BCEWithLogitsLoss()
    rows = torch.from_numpy(inputs)
    target = torch.from_numpy(keep.astype(np.float32))[:, None]
    for _ in range(EPOCHS):
        for row in torch.randperm(len(rows)).tolist():
            optimiser.zero_grad()
            loss(network(rows[row : row + 1]), target[row : row + 1]).backward()
            optimiser.step()
    return tuple((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in linear)


def read_checkpoint(path: Path, embedder: str, dimensions: int) -> MlpHead:
    """Read a head from a .pt file with the state dict of the recipe's network.

    dimensions: width of the embeddings of `embedder`. The file is read with weights_only=True, so
    that it cannot run code. Raises UsageError if it is not such a state dict, if a value is not
    finite, or if it is for embeddings of another width.
    """
    torch = _torch()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        tensors = [np.asarray(tensor.detach().float().numpy()) for tensor in state.values()]
    except Exception as error:
        raise UsageError(
            f"{path} is not a readable state dict: {error}",
            "save it with torch.save(model.state_dict(), file)",
        ) from error
    try:
        layers = _chained(tuple(zip(tensors[::2], tensors[1::2], strict=True)))
    except ValueError as error:
        raise UsageError(
            f"{path} is not the recipe's network: {error}",
            "save the state dict of a network of linear layers with ReLU between them",
        ) from error
    if not all(np.isfinite(tensor).all() for tensor in tensors):
        raise UsageError(
            f"{path} has numbers that are not finite: was it trained on rows without a label?",
            "train it on the output of: imgscore export --labelled",
        )
    width = layers[0][0].shape[1]
    if width != dimensions:
        raise UsageError(
            f"{path} takes {width} numbers, but {embedder!r} gives {dimensions}",
            "train it on embeddings of this embedder, or switch with: imgscore model use",
        )
    centre, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
    return MlpHead(embedder, {"standardise": False}, layers, centre, scale)


def _chained(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers, if their widths fit each other and the last has one output; else ValueError."""
    if not layers or layers[-1][0].shape[:1] != (1,):
        raise ValueError("the last layer does not give one number")
    for number, (weight, bias) in enumerate(layers):
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise ValueError(f"layer {number} is not a linear layer")
        if number and weight.shape[1] != layers[number - 1][0].shape[0]:
            raise ValueError(
                f"the input of layer {number} does not fit the output of layer {number - 1}"
            )
    return layers


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise UsageError(
            "the mlp head needs torch, which is not installed",
            "pip install 'imgscore[torch]', or use head = \"auto\"",
        ) from error
    return torch
