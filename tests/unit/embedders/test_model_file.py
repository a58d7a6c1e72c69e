"""The folders in which imgscore looks for the built-in model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgscore.embedders import lite0, lite0_spec, model_file
from imgscore.errors import ImgscoreError

NAME = lite0_spec.PACKAGED_MODEL.name


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(model_file.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "prefix", os.fspath(tmp_path / "prefix"))
    monkeypatch.setenv("XDG_DATA_DIRS", f"relative:{tmp_path / 'first'}:{tmp_path / 'second'}")
    return tmp_path


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"model")
    return folder / NAME


def test_find_takes_the_package_then_the_environment_then_the_data_folders(prefix: Path) -> None:
    packaged = prefix / "package" / NAME
    assert model_file.find(packaged) == packaged  # an error names this path
    second = put(prefix / "second/imgscore/models")
    assert model_file.find(packaged) == second
    first = put(prefix / "first/imgscore/models")
    assert model_file.find(packaged) == first
    environment = put(prefix / "prefix/share/imgscore/models")
    assert model_file.find(packaged) == environment
    assert model_file.find(put(packaged.parent)) == packaged


def test_find_with_the_variable_looks_nowhere_else(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = put(prefix / "package")
    monkeypatch.setenv(model_file.VARIABLE, os.fspath(prefix / "mine"))
    assert model_file.find(packaged) == prefix / "mine" / NAME


def test_find_of_the_installed_model_gives_a_file_that_loads(tmp_path: Path) -> None:
    """A new process, as a distribution starts it: the file is in a folder of its own."""
    (tmp_path / NAME).write_bytes(lite0_spec.MODEL.read_bytes())
    script = "from imgscore.embedders import lite0, lite0_spec as s; lite0.load(); print(s.MODEL)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, model_file.VARIABLE: os.fspath(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == os.fspath(tmp_path / NAME)


def test_load_of_another_file_in_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"another model")
    with pytest.raises(ImgscoreError, match="sha256"):
        lite0.load(model=tmp_path / NAME)
    with pytest.raises(ImgscoreError) as caught:
        lite0.load(model=tmp_path / "missing.onnx")
    assert model_file.VARIABLE in caught.value.remedy
