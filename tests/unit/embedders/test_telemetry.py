"""Nothing leaves the machine: onnxruntime neither sends telemetry nor stores any."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

import imgscore

EMBED = """
from imgscore.embedders import registry
registry.load("efficientnet-lite0", "cpu", print)
"""
SESSION = """
from imgscore.embedders.onnx_session import make_session
from imgscore.heads.projector import GRAPH
make_session(GRAPH)
"""
IMPORT_ALL = """
import importlib, os, pkgutil, imgscore
before = dict(os.environ)
for module in pkgutil.walk_packages(imgscore.__path__, "imgscore."):
    if not module.name.startswith(("imgscore.cli", "imgscore.bulk_embed", "imgscore.demo")):
        importlib.import_module(module.name)
assert dict(os.environ) == before
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


def test_make_session_writes_no_telemetry_files(environment: Path) -> None:
    assert written_files(environment, SESSION) == []


def test_onnxruntime_alone_writes_telemetry_files(environment: Path) -> None:
    if not written_files(environment, "import onnxruntime"):
        pytest.skip("this build of onnxruntime has no telemetry")


def test_disable_precedes_each_import_of_onnxruntime() -> None:
    count = 0
    for file in Path(imgscore.__file__).parent.rglob("*.py"):
        for before, line in itertools.pairwise(file.read_text().splitlines()):
            if line.strip() == "import onnxruntime" and before != "if TYPE_CHECKING:":
                assert before.strip() == "telemetry.disable()", file
                count += 1
    assert count == 2


def test_import_imgscore_changes_no_environment_variable(environment: Path) -> None:
    subprocess.run([sys.executable, "-c", IMPORT_ALL], check=True, timeout=120)
