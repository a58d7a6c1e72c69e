"""Make onnxruntime sessions with the settings that a background process needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgscore.embedders import telemetry

if TYPE_CHECKING:
    import onnxruntime

CPU = ("CPUExecutionProvider",)


def make_session(
    model: bytes | Path, *, threads: int = 1, providers: Sequence[str] = CPU
) -> onnxruntime.InferenceSession:
    """A session for a model: a file, or its bytes. With threads = 1 it starts no thread.

    Make it in the process that uses it: sessions do not survive a fork.
    """
    telemetry.disable()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Let waiting threads sleep: at 10 images a second, spinning takes 60 % of a core, not 20 %.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena never releases its peak memory, and patterns need a fixed shape; shapes vary here.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors only: its warnings concern the graph, not the user
    return onnxruntime.InferenceSession(model, options, providers=list(providers))
