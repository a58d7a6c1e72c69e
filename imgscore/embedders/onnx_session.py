"""The one place that makes an onnxruntime session, with the settings a background process needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

CPU = ("CPUExecutionProvider",)


def make_session(
    model: bytes | Path, *, threads: int = 1, providers: Sequence[str] = CPU
) -> onnxruntime.InferenceSession:
    """A session on a model file, or on its bytes. With one thread, it starts none of its own.

    Make it in the process that uses it: sessions do not survive a fork.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Waiting threads sleep: spinning costs 60 % of a core at 10 images a second, against 20 %.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena never gives its peak back, and shapes vary from image to image.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors only: its warnings are about the graph, not the user
    return onnxruntime.InferenceSession(model, options, providers=list(providers))
