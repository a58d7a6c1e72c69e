"""Python keeps what it compiles beside the sources, where a confined process may not write.

Some installers compile nothing: without this, every worker would compile numpy and onnxruntime.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

MODULES = (
    "imgscore.workers.training",
    "imgscore.workers.index_file",
    "imgscore.workers.run_queries",
    "imgscore.images.decode",
    "imgscore.embedders.lite0",
    "onnxruntime",
)


def keep() -> None:
    """Let Python compile what workers import, where that has never been done and can be."""
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None or sys.dont_write_bytecode:
        return
    compiled = Path(importlib.util.cache_from_source(spec.origin))
    if not compiled.exists() and os.access(Path(spec.origin).parent, os.W_OK):
        modules = ", ".join(MODULES)
        code = f"from imgscore.embedders import telemetry; telemetry.disable(); import {modules}"
        subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=False)
