"""Make onnxruntime sessions with settings that are suitable for a background process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgscore.embedders import telemetry

if TYPE_CHECKING:
    import onnxruntime

CPU = ("CPUExecutionProvider",)
CPU_BATCH = 8
"""The largest batch on a CPU, where larger batches only need more memory."""
ACCELERATOR_BATCH = 64
"""The largest batch on an accelerator."""


def make_session(
    model: bytes | Path, *, threads: int = 1, providers: Sequence[str] = CPU
) -> onnxruntime.InferenceSession:
    """Return a session for a model. With threads=1, the session starts no thread.

    `model`: the path of a model file, or the bytes of the file.

    Make the session in the process that uses it. A session does not work after a fork.
    """
    telemetry.disable()
    import onnxruntime

    if tuple(providers) != CPU and hasattr(onnxruntime, "preload_dlls"):
        # Load CUDA and cuDNN from the packages of NVIDIA (or of torch) in site-packages. Without
        # this call, onnxruntime only searches the folders of the system's linker.
        onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Let waiting threads sleep instead of spin. At 10 images a second, the threads use 60 % of a
    # core if they spin, and 20 % if they sleep.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Switch the memory arena off, because it never releases memory. Switch memory patterns off,
    # because they need inputs of one shape, but views have different shapes.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    # Log only errors. The warnings of onnxruntime are about the graph and do not help the user.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=list(providers))


def device_name(providers: Sequence[str]) -> str:
    """Return the name of the device on which a session runs, for the user."""
    return providers[0].removesuffix("ExecutionProvider")


def max_batch(session: onnxruntime.InferenceSession, model: Path) -> int:
    """Return how many inputs the session can compute together without an effect on each other.

    The result is 1 if the file is dynamically quantised (its ranges are those of a whole batch), or
    if an input has a fixed number of rows.
    """
    if any(isinstance(source.shape[0], int) for source in session.get_inputs()):
        return 1
    if b"DynamicQuantizeLinear" in model.read_bytes():
        return 1
    on_cpu = session.get_providers()[0] == CPU[0]
    return CPU_BATCH if on_cpu else ACCELERATOR_BATCH
