"""Run a torch network on a device: choose the data type, and compute in batches.

torch is an optional package, and only the functions of this module import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from imgscore.errors import ImgscoreError

if TYPE_CHECKING:
    import torch

MAX_BATCH = 256
"""The largest number of inputs in a batch. On an H200, larger batches are not faster."""
CPU_BATCH = 8
"""The same on a CPU, where larger batches only need more memory."""


def open_device(device: str) -> torch.device:
    """Return the torch device for a device of the config. Raises ImgscoreError if it is missing.

    `device`: "cpu", "cuda" or "rocm". torch has the same name for CUDA and ROCm.
    """
    try:
        import torch
    except ImportError:
        raise ImgscoreError(
            "these weights need torch, which is not installed",
            "pip install 'imgscore[torch]', or use a model with image_encoder.onnx",
        ) from None
    if device == "cpu":
        return torch.device("cpu")
    built_for = "rocm" if torch.version.hip else "cuda" if torch.version.cuda else "cpu"
    if built_for != device:
        raise ImgscoreError(
            f"the installed torch {torch.__version__} is built for {built_for}, not for {device}",
            f'install a torch for {device}, or set device = "cpu"',
        )
    try:
        # TF32 multiplies float32 numbers by their first 11 bits, on the fast units of the GPU. The
        # built-in network has integers of at most 9 bits, so its results stay exact.
        torch.set_float32_matmul_precision("high")
        torch.cuda.init()
        torch.empty(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ImgscoreError(
            f"torch cannot use {device}: {reason}",
            'check the driver (nvidia-smi or rocminfo), or set device = "cpu"',
        ) from None
    return torch.device("cuda")


class Module(Protocol):
    """A network whose weights are torch tensors."""

    def to(self, device: Any, dtype: Any) -> Module:
        """Return a copy on another device, with weights of another type."""

    def __call__(self, pixels: Any) -> Any:
        """Return the outputs float32 [n, outputs] of pixels uint8 [n, h, w, 3]."""


class TorchNetwork:
    """A network on a device. On a GPU it computes in float16, on a CPU in float32.

    If float16 overflows, the batch is computed again in float32.

    The networks use matrix products instead of convolutions. For each new size of a batch, a
    convolution of cuDNN takes up to 50 ms to be prepared; with the sizes of a pipeline, the 49
    convolutions of the built-in network then took most of the time.
    """

    def __init__(self, module: Module, device: torch.device, *, half: bool = True) -> None:
        """`half`: whether the network may compute in float16."""
        import torch

        self._torch = torch
        self._device = device
        self._is_gpu = device.type != "cpu"
        self._given = module
        self._exact: Module | None = None
        """the network in float32, which is made when float16 overflows for the first time"""
        dtype = torch.float16 if self._is_gpu and half else torch.float32
        self._module = module.to(device, dtype)
        self.max_batch = MAX_BATCH if self._is_gpu else CPU_BATCH
        self.device = torch.cuda.get_device_name(device) if self._is_gpu else "CPU"
        kind = ("ROCm" if torch.version.hip else "CUDA") if self._is_gpu else "CPU"
        self.providers: tuple[str, ...] = (f"torch {kind}",)

    def allocate(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return an array for the inputs of a batch. The GPU copies from it without a wait."""
        torch = self._torch
        inputs: NDArray[np.uint8] = torch.empty(
            shape, dtype=torch.uint8, pin_memory=self._is_gpu
        ).numpy()
        return inputs

    def start(self, inputs: NDArray[np.uint8]) -> Any:
        """Start to compute inputs uint8 [n, h, w, 3], and return a handle for `collect`.

        On a GPU, the function returns before the batch is computed. If the memory of the GPU does
        not suffice, the batch is computed in halves, and `max_batch` is reduced for later batches.
        """
        try:
            return self._start(inputs)
        except self._torch.OutOfMemoryError:
            half = len(inputs) // 2
            if not half:
                raise
            self._torch.cuda.empty_cache()
            self.max_batch = min(self.max_batch, half)
            parts = [self.collect(self.start(part)) for part in (inputs[:half], inputs[half:])]
            return None, self._torch.from_numpy(np.concatenate(parts)), None

    def _start(self, inputs: NDArray[np.uint8]) -> Any:
        torch = self._torch
        if not inputs.flags.writeable:
            inputs = inputs.copy()  # torch warns about tensors that cannot be written.
        with torch.inference_mode():
            host = torch.from_numpy(inputs)
            if not self._is_gpu:
                return None, self._module(host), None
            pixels = host.to(self._device, non_blocking=True)
            outputs = self._module(pixels)
            result = torch.empty(outputs.shape, dtype=torch.float32, pin_memory=True)
            result.copy_(outputs, non_blocking=True)
            done = torch.cuda.Event()
            done.record()
            return done, result, (host, pixels)

    def is_done(self, handle: Any) -> bool:
        """Return whether the device has computed a batch."""
        done = handle[0]
        return done is None or bool(done.query())

    def collect(self, handle: Any) -> NDArray[np.float32]:
        """Wait for a batch, and return its outputs float32 [n, outputs]."""
        done, outputs, kept = handle
        if done is not None:
            done.synchronize()
        result: NDArray[np.float32] = outputs.numpy()
        if kept is None or np.isfinite(result).all():
            return result
        if self._exact is None:
            self._exact = self._given.to(self._device, self._torch.float32)
        with self._torch.inference_mode():
            exact: NDArray[np.float32] = self._exact(kept[1]).cpu().numpy()
        return exact
