"""Compile the modules that workers import, before the first worker imports them.

Python stores compiled bytecode next to the source files. A worker may not write there, because
Landlock confines it. Some installers do not compile the modules. Without this step, each worker
would compile numpy and onnxruntime again at its start.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

MODULES = (
    "imgscore.workers.scoring",
    "imgscore.workers.training",
    "imgscore.workers.index_file",
    "imgscore.workers.run_queries",
    "imgscore.images.decode",
    "imgscore.embedders.lite0",
    "onnxruntime",
)


def compile_once() -> None:
    """Import MODULES in a process that may write bytecode.

    Do nothing if these modules are already compiled.
    """
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None or sys.dont_write_bytecode:
        return
    compiled = Path(importlib.util.cache_from_source(spec.origin))
    if not compiled.exists() and os.access(Path(spec.origin).parent, os.W_OK):
        modules = ", ".join(MODULES)
        code = f"from imgscore.embedders import telemetry; telemetry.disable(); import {modules}"
        subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=False)
