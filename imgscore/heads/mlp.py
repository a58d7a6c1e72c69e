"""The original recipe, unchanged: an MLP that is trained in torch by SGD, one image at a time.

An MLP (multi-layer perceptron) is a small neural network. The recipe is kept for comparison. Only
training and reading a .pt file need torch. Scoring uses numpy.
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
# These are the settings of the original recipe.
HIDDEN_WIDTHS = (2048, 2048, 2048, 256)
LEARNING_RATE = 3e-4
EPOCHS = 15
FOLDS = 3
"""The number of folds of the cross-validation. It is small because each fold needs a complete
training."""
SEED = 0

Layer = tuple[Floats, Floats]


@dataclass(frozen=True)
class MlpHead:
    """A head whose probability of keep is P(keep) = sigmoid(output of the network).

    The recipe computes no deviation, and the deviation of each score is therefore reported as 0.

    `layers`: pairs of weight [out, in] and bias [out], from the input to the output. A ReLU follows
    each layer except the last.
    `centre`, `scale`: the inputs of the network are (x - centre) · scale. The original recipe has
    centre 0 and scale 1.
    """

    embedder: str
    settings: Mapping[str, Any]
    layers: tuple[Layer, ...]
    centre: Floats
    scale: Floats
    kind: str = KIND

    @property
    def dimensions(self) -> int:
        """The width d of the embeddings that the head scores."""
        return int(self.layers[0][0].shape[1])

    def score(self, embeddings: Half, extras: Floats | None = None) -> Scores:
        """Return the scores of embeddings float16 [n, d], computed in blocks.

        Extras are not used.
        """
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
        """Return arrays and JSON-able values that describe the head; see base.Head."""
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
    """The recipe of the MLP; see base.Recipe.

    The only setting is `standardise`. It is False by default. If it is True, the inputs are centred
    and scaled with the mean and deviation of the background, a sample of the library.
    """

    kind = KIND

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Fitted:
        """Train a head on all labels. For each fold, also train a head without this fold.

        See base.Recipe for the parameters. If `folds` is None, FOLDS folds are made. The training
        takes about 0.2 s for each label. Raises UsageError if torch is not installed.
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
        """Return the head that `arrays` and `values` describe; see base.Recipe."""
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
    """Train the network as in the original recipe, and return its layers.

    The loss is BCEWithLogits. The optimiser is SGD with batches of one image, in random order. The
    initial weights are torch's random defaults.
    """
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
    """Read a head from a .pt file that contains the state dict of the network in this module.

    `embedder`: the id of the head's embedder.
    `dimensions`: the width of the embeddings of this embedder.

    The file is read with weights_only=True and can therefore not run code. Raises UsageError in
    three cases: the file does not contain a state dict of this network; a value is not finite; the
    network is for embeddings of another width.
    """
    torch = _torch()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        tensors = [np.asarray(tensor.detach().float().numpy()) for tensor in state.values()]
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as a state dict: {error}",
            "save it with torch.save(model.state_dict(), file)",
        ) from error
    try:
        layers = _chained(tuple(zip(tensors[::2], tensors[1::2], strict=True)))
    except ValueError as error:
        raise UsageError(
            f"{path} is not a network that imgscore can import: {error}",
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
            f"train it on embeddings of {embedder}, or select the embedder that it was trained "
            "on: imgscore model use",
        )
    centre, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
    return MlpHead(embedder, {"standardise": False}, layers, centre, scale)


def _chained(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Check that the layers form a network with one output, and return them unchanged.

    Raises ValueError if the last layer does not have exactly one output. Raises ValueError if a
    layer is not linear, or if its input does not fit the output of the layer before it.
    """
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
