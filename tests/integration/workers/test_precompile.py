"""What workers import is compiled once, before they may no longer write it down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KEEP = [sys.executable, "-c", "from imgscore.workers import precompile; precompile.compile_once()"]


def test_what_no_installer_compiled_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.access(os.path.dirname(pytest.__file__), os.W_OK):
        pytest.skip("cannot write to site-packages")
    # Python looks there, and nowhere else, for what is compiled: as if nothing were.
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", os.fspath(tmp_path))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    subprocess.run(KEEP, check=True)
    compiled = {path.name.split(".")[0] for path in tmp_path.rglob("*.pyc")}
    assert {"onnxruntime_inference_collection", "index_file", "lite0"} <= compiled
    spare = next(tmp_path.rglob("index_file.*.pyc"))
    spare.unlink()
    subprocess.run(KEEP, check=True)
    assert not spare.exists()
