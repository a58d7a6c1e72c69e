"""SECURITY.md names a test for each of its statements; tests without another place are here."""

import ast
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from imgscore.embedders import registry
from imgscore.errors import ImgscoreError, UsageError
from imgscore.heads import files
from imgscore.heads.base import Examples
from imgscore.heads.training import train
from imgscore.parquet import read
from tests.support import uform_checkpoint

ROOT = Path(__file__).parents[3]
READ_PICKLES = {"pickle", "cPickle", "dill", "shelve", "joblib", "marshal", "cloudpickle"}


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.fspath(self.marker),)


def test_security_page_names_existing_tests() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 20
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert not missing


def test_modules_contain_no_reader_of_pickles() -> None:
    for file in [*(ROOT / "imgscore").rglob("*.py"), *(ROOT / "daemon").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                options = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert called != "torch.load" or options.get("weights_only") == "True", file
                assert options.get("allow_pickle", "False") == "False", file
            assert not {name.partition(".")[0] for name in names} & READ_PICKLES, file


def test_files_with_a_pickle_inside_are_refused(tmp_path: Path) -> None:
    marker, bomb = tmp_path / "it ran", tmp_path / "bomb"
    bomb.write_bytes(pickle.dumps(Bomb(marker)))
    pickle.loads(bomb.read_bytes())
    assert marker.is_dir()  # the pickle runs code
    marker.rmdir()
    with pytest.raises(ImgscoreError):
        files.load(bomb)
    pytest.importorskip("pyarrow", reason="pip install pyarrow")
    with pytest.raises(UsageError):
        list(read(bomb, embedder="x", dim=2))
    assert not marker.exists()


def test_model_folder_with_a_pickle_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    folder, marker = uform_checkpoint.make(tmp_path / "model"), tmp_path / "it ran"
    for file in folder.glob("*.onnx"):
        file.unlink()
    torch.save({"image_encoder": Bomb(marker)}, folder / "model.pt")
    with pytest.raises(ImgscoreError):
        registry.load(os.fspath(folder), "cpu", lambda note: None)
    assert not marker.exists()


def test_head_with_wrong_numbers_is_refused(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    rows = chance.normal(size=(40, 6)).astype(np.float16)
    grades = (rows[:, 0] > 0).astype(np.float32)
    head = train(Examples(rows, grades, rows, (), "made-up")).head
    path = tmp_path / "head.safetensors"
    files.save(head, path)
    assert files.load(path).embedder == "made-up"
    with safe_open(path, framework="numpy") as opened:
        about = opened.metadata()
    arrays = load_file(path)
    name = next(name for name, array in arrays.items() if array.dtype.kind == "f" and array.size)
    spoilt = arrays[name].copy()
    spoilt.flat[0] = np.nan
    save_file({**arrays, name: spoilt}, path, metadata=about)
    with pytest.raises(ImgscoreError, match="damaged"):
        files.load(path)
    save_file(arrays, path, metadata={"imgscore": '{"format": "imgscore-head", "version": 1}'})
    with pytest.raises(ImgscoreError, match="damaged"):
        files.load(path)


@pytest.mark.parametrize(
    "columns",
    [
        {"sig": ["00" * 32]},
        {"sig": [7], "val": [1]},
        {"sig": ["zz" * 32], "val": [1]},
        {"sig": ["00" * 31], "val": [1]},
        {"sig": ["00" * 32], "val": [2]},
        {"sig": ["00" * 32], "val": ["keep"]},
        {"sig": ["00" * 32], "val": [1], "uform_emb": [[1.0]]},
        {"sig": ["00" * 32], "val": [1], "uform_emb": [[1.0, float("nan")]]},
        {"sig": ["00" * 32], "val": [1], "uform_emb": [["a", "b"]]},
    ],
)
def test_table_of_another_form_is_refused(columns: dict[str, list[object]], tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    table = arrow.table(columns).replace_schema_metadata({b"imgscore.embedder": b"x"})
    parquet.write_table(table, tmp_path / "table.parquet")
    with pytest.raises(UsageError, match=r"table\.parquet"):
        list(read(tmp_path / "table.parquet", embedder="x", dim=2))
