"""The original recipe, unchanged: an MLP that is trained in torch by SGD, one image at a time.

An MLP (multi-layer perceptron) is a small neural network. The recipe is kept for comparison. Only
training and reading a .pt file need torch. Scoring uses numpy.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.errors import UsageError
from imgscore.fsutil import open_regular
from imgscore.heads.arrays import BLOCK_ROWS, Bools, Floats, Half, Ints
from imgscore.heads.base import Examples, Fitted, OnProgress, Scores, no_progress
from imgscore.heads.calibration import sigmoid
from imgscore.heads.checks import check_trial, check_values, require
from imgscore.heads.groups import split_answers
from imgscore.heads.sides import smaller_side

KIND = "mlp"
# These are the settings of the original recipe.
HIDDEN_WIDTHS = (2048, 2048, 2048, 256)
LEARNING_RATE = 3e-4
EPOCHS = 15
FOLDS = 3
"""The number of folds of the cross-validation. It is small because each fold needs a complete
training."""
SEED = 0

MAX_BYTES = 1 << 30
"""The size in bytes of the largest .pt file that is read. The original network has 70 MB."""

Layer = tuple[Floats, Floats]


@dataclass(frozen=True)
class MlpHead:
    """A head whose score is sigmoid(output of the network).

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

    @property
    def uses_names(self) -> bool:
        """False: the columns behind the traits are not used."""
        return False

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

    `device`: the device that trains the network: a name of the config, see `_torch_device`.
    """

    kind = KIND

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def fit(
        self,
        examples: Examples,
        folds: Ints | None = None,
        settings: Mapping[str, Any] | None = None,
        on_progress: OnProgress = no_progress,
    ) -> Fitted:
        """Train a head on all labels. For each fold, also train a head without this fold.

        See base.Recipe for the parameters. If `folds` is None, FOLDS folds are made. The training
        then takes 45 steps for each label. A step took 8 ms of CPU time on one core in 2026.
        Raises UsageError if torch is not installed.
        """
        examples.check(labels=True)
        if folds is None:
            folds = split_answers(
                examples.upper,
                examples.comparisons,
                examples.all_groups,
                min(FOLDS, smaller_side(examples.upper)),
            )
        every_fold, folds = folds, folds[: len(examples)]
        masks = [folds != fold for fold in np.unique(folds)]
        done, total = 0, EPOCHS * (len(examples) + sum(int(rows.sum()) for rows in masks))

        def on_step() -> None:
            nonlocal done
            done += 1
            on_progress(done, total)

        score = np.empty(len(examples), np.float32)
        for rows in masks:
            head = self._head(examples, rows, settings, on_step)
            score[~rows] = head.score(examples.embeddings[~rows]).score
        head = self._head(examples, np.ones(len(examples), bool), settings, on_step)
        return Fitted(head, Scores(score, np.zeros_like(score)), every_fold)

    def fit_head(self, examples: Examples, settings: Mapping[str, Any] | None = None) -> MlpHead:
        """Train a head on all labels, and no other network; see base.Recipe."""
        examples.check(labels=True)
        return self._head(examples, np.ones(len(examples), bool), settings, lambda: None)

    def _head(
        self,
        examples: Examples,
        rows: Bools,
        settings: Mapping[str, Any] | None,
        on_step: Callable[[], None],
    ) -> MlpHead:
        """Train a head on some labelled images. `on_step`: is called after each step."""
        chosen = {"standardise": bool((settings or {}).get("standardise", False))}
        width = examples.embeddings.shape[1]
        centre, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
        if chosen["standardise"] and len(examples.background):
            sample = examples.background.astype(np.float32)
            centre, scale = sample.mean(axis=0), 1 / (sample.std(axis=0) + 1e-3)
        inputs = (examples.embeddings[rows].astype(np.float32) - centre) * scale
        layers = _train(inputs, examples.grades[rows], self.device, on_step)
        return MlpHead(examples.embedder, chosen, layers, centre, scale)

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> MlpHead:
        """Return the head that `arrays` and `values` describe; see base.Recipe."""
        layers = tuple(
            (arrays[f"{number}.weight"], arrays[f"{number}.bias"])
            for number in range(int(values["layers"]))
        )
        width = _chained(layers)[0][0].shape[1]
        for name in ("centre", "scale"):
            require(arrays[name].shape == (width,), f"{name} does not fit the input")
        return MlpHead(
            str(values["embedder"]),
            dict(values["settings"]),
            layers,
            arrays["centre"],
            arrays["scale"],
        )


def _train(
    inputs: Floats, grades: Floats, device: str, on_step: Callable[[], None]
) -> tuple[Layer, ...]:
    """Train the network as in the original recipe, and return its layers.

    The loss is BCEWithLogits, whose targets are the grades. The optimiser is SGD with batches of
    one image, in random order. The initial weights are torch's random defaults.

    The steps are written out. For one image, the gradient of a weight matrix is the product of two
    vectors, which is added to the matrix at once. torch.optim would write the gradient to memory
    first: a step then took 33 ms of CPU time instead of 8 ms, for equal weights (to 4e-9).
    """
    torch = _torch()
    torch.manual_seed(SEED)
    widths = (inputs.shape[1], *HIDDEN_WIDTHS, 1)
    linear = [torch.nn.Linear(width, following) for width, following in itertools.pairwise(widths)]
    chosen = _torch_device(torch, device)
    with torch.inference_mode():
        layers = [
            (layer.weight.detach().to(chosen), layer.bias.detach().to(chosen)) for layer in linear
        ]
        rows = torch.from_numpy(inputs).to(chosen)
        target = torch.from_numpy(grades.astype(np.float32)).to(chosen)[:, None]
        for _ in range(EPOCHS):
            for row in torch.randperm(len(rows)).tolist():
                _step(torch, layers, rows[row], target[row])
                on_step()
        return tuple((weight.cpu().numpy(), bias.cpu().numpy()) for weight, bias in layers)


def _step(torch: Any, layers: list[tuple[Any, Any]], image: Any, target: Any) -> None:
    """Take one step of SGD: change the layers in place by the gradient of one image's loss."""
    values = [image]
    for weight, bias in layers[:-1]:
        values.append(torch.addmv(bias, weight, values[-1]).relu_())
    weight, bias = layers[-1]
    gradient = torch.sigmoid(torch.addmv(bias, weight, values[-1])) - target
    for (weight, bias), value in zip(reversed(layers), reversed(values), strict=True):
        before = weight.T @ gradient
        weight.addr_(gradient, value, alpha=-LEARNING_RATE)
        bias.add_(gradient, alpha=-LEARNING_RATE)
        gradient = before * (value > 0)


def _torch_device(torch: Any, device: str) -> str:
    """Return torch's name of a device of the config.

    A GPU is used for "auto", "cuda" and "rocm" if torch can use one. torch calls an AMD GPU "cuda",
    too. All other devices run only models in onnxruntime, and the network is trained on the CPU.
    """
    return "cuda" if device in ("auto", "cuda", "rocm") and torch.cuda.is_available() else "cpu"


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
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise ValueError("the file is too large")
            state = torch.load(file, map_location="cpu", weights_only=True)
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
    head = MlpHead(embedder, {"standardise": False}, layers, centre, scale)
    try:
        check_values({f"tensor {number}": tensor for number, tensor in enumerate(tensors)})
        with np.errstate(all="ignore"):
            check_trial(head)
    except ValueError as error:
        raise UsageError(f"{path} is not a usable head: {error}", "train it again") from error
    return head


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
