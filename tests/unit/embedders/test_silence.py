"""Nothing leaves the machine: the runtime that embeds neither reports nor prepares to."""

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
# The runtime keeps quiet by itself where it believes to be tested.
SUPPRESSORS = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "BUILD_BUILDID")


def left_behind(home: Path, code: str) -> list[str]:
    """What a program writes into a home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ORT_")}
    environment = {key: value for key, value in kept.items() if key not in SUPPRESSORS}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
    return [os.fspath(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_the_runtime_makes_no_identifier_and_no_queue(environment: Path) -> None:
    assert left_behind(environment, EMBED) == []


def test_it_would_if_it_were_not_told(environment: Path) -> None:
    if not left_behind(environment, "import onnxruntime"):
        pytest.skip("this build of onnxruntime reports nothing")
