"""The modules that workers import are compiled once, before a worker is confined."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KEEP = [sys.executable, "-c", "from imgscore.workers import precompile; precompile.compile_once()"]


def test_compile_once_without_bytecode_compiles_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.access(os.path.dirname(pytest.__file__), os.W_OK):
        pytest.skip("cannot write to site-packages")
    # Python reads bytecode only from this folder, which is empty.
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", os.fspath(tmp_path))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    subprocess.run(KEEP, check=True)
    compiled = {path.name.split(".")[0] for path in tmp_path.rglob("*.pyc")}
    assert {"onnxruntime_inference_collection", "index_file", "lite0"} <= compiled
    deleted = next(tmp_path.rglob("index_file.*.pyc"))
    deleted.unlink()
    subprocess.run(KEEP, check=True)
    assert not deleted.exists()
