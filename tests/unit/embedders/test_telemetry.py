"""Nothing leaves the machine: onnxruntime neither sends telemetry nor stores any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EMBED = """
import imgscore
from imgscore.embedders import registry
registry.load("efficientnet-lite0", "cpu", print)
"""
# onnxruntime sends no telemetry where one of these marks a test run.
SUPPRESSORS = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "BUILD_BUILDID")


def written_files(home: Path, code: str) -> list[str]:
    """Files that a program writes into its home, relative to it."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("ORT_") and key not in SUPPRESSORS
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
    return [os.fspath(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_load_writes_no_telemetry_files(environment: Path) -> None:
    assert written_files(environment, EMBED) == []


def test_onnxruntime_alone_writes_telemetry_files(environment: Path) -> None:
    if not written_files(environment, "import onnxruntime"):
        pytest.skip("this build of onnxruntime has no telemetry")
