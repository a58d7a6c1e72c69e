"""Queries about a taste (evaluate, suspects, next, explain), heads, and tables."""

import hashlib
from pathlib import Path

import pytest

from imgscore import paths
from tests.conftest import put
from tests.support.commands import imgscore


@pytest.fixture
def taught(inbox: Path) -> Path:
    """16 suns, 15 of them in keep/ and one in trash/; 16 texts in trash/."""
    suns, texts = put(inbox, "sun", 20), put(inbox, "text", 20)
    for path in [*suns[1:16]]:
        path.rename(inbox / "keep" / path.name)
    for path in [suns[0], *texts[:16]]:
        path.rename(inbox / "trash" / path.name)
    assert imgscore("scan").code == 0
    return inbox


def test_query_verbs_trained_taste_answer(taught: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    evaluated = imgscore("evaluate", "--plot", plot, "--json")
    assert evaluated.code == 0, evaluated.err
    assert evaluated.row["quality"]["labels"] == 32
    assert evaluated.row["quality"]["auc"]["value"] > 0.8
    assert [point["labels"] for point in evaluated.row["curve"]] == [10, 32]
    assert plot.read_text().startswith("<svg")
    refused = imgscore("evaluate", "--plot", tmp_path / "plot.png")
    assert refused.code == 2 and ".svg" in refused.err
    assert evaluated.row["doubtful"] is None
    assert 0.5 < evaluated.row["quality"]["accuracy"]["value"] <= 1
    listed = imgscore("evaluate", "--doubtful", "--json").row["doubtful"]
    distances = [abs((row["label"] == "keep") - row["score"]) for row in listed]
    assert distances == sorted(distances, reverse=True) and min(distances) > 0.4
    assert listed[0]["path"].endswith("trash/sun-000.png")
    printed = imgscore("evaluate", "--doubtful").out
    assert "accuracy" in printed and "AUC" in printed
    assert f"trash but {listed[0]['score']:.3f}" in printed

    suspects = imgscore("suspects", "-n", "3", "--json").rows
    assert suspects[0]["path"].endswith("trash/sun-000.png")
    assert (suspects[0]["label"], suspects[0]["grade"]) == ("trash", 0)
    assert suspects[0]["score"] > 0.5

    chosen = imgscore("next", "-n", "4", "--json").rows
    names = {Path(row["path"]).name for row in chosen}
    assert 0 < len(names) == len(chosen) <= 4
    assert all((taught / name).exists() for name in names)

    explained = imgscore("explain", taught / "sun-017.jpg", "--json").row
    assert explained["error"] is None and explained["low"] <= explained["score"]
    assert all("sun" in row["path"] for row in explained["keeps"])
    assert explained["traits"]["format"] == "JPEG" and explained["embedder"]
    missing = imgscore("explain", tmp_path / "nothing.png")
    assert missing.code == 1 and "no such file" in missing.out


def test_score_of_an_unwatched_folder_lists_the_worst_first(taught: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    (batch / "sub").mkdir(parents=True)
    put(batch, "sun", 3, first=50)
    put(batch / "sub", "text", 3, first=50)
    (batch / "broken.png").write_bytes(b"no image")
    before = {path: path.stat().st_mtime_ns for path in batch.rglob("*.*")}
    every = imgscore("score", batch, "--recursive", "--json").rows
    scored = [row for row in every if row["error"] is None]
    assert len(scored) == 6 and len(every) == 7
    worst = imgscore("score", batch, "--recursive", "--sort", "worst", "-n", "3", "--json")
    assert worst.code == 1  # one file failed; it is listed last
    assert all("text" in row["path"] for row in worst.rows[:3])
    assert [row["score"] for row in worst.rows[:3]] == sorted(row["score"] for row in scored)[:3]
    assert [Path(row["path"]).name for row in worst.rows[3:]] == ["broken.png"]
    best = imgscore("score", batch, "--recursive", "--sort", "best", "--json").rows[:6]
    assert [row["score"] for row in best] == sorted((row["score"] for row in scored), reverse=True)
    named = imgscore("score", batch, "--recursive", "--sort", "name", "--json").rows[:6]
    assert [row["path"] for row in named] == sorted(row["path"] for row in scored)
    lines = imgscore("score", batch, "--recursive", "--sort", "worst", "-n", "1").out.splitlines()
    assert "text" in lines[0] and lines[1].startswith("failed") and len(lines) == 2
    assert imgscore("score", batch, "-n", "0").code == 2
    # Files that are not watched keep their dates.
    assert before == {path: path.stat().st_mtime_ns for path in batch.rglob("*.*")}


def test_heads_use_older_version_scores_by_it(taught: Path) -> None:
    (first,) = imgscore("heads", "list", "--json").rows
    assert first["in_use"] and first["labels"] == 32
    (taught / "trash" / "sun-000.png").rename(taught / "keep" / "sun-000.png")
    imgscore("scan")
    rows = imgscore("heads", "list", "--json").rows
    assert [row["head"] for row in rows] == ["1", "2"]
    assert imgscore("heads", "use", "1").code == 0
    score = imgscore("score", taught / "sun-016.png", "--json").row
    assert score["head"] == "1" and score["score"] is not None
    assert [row["in_use"] for row in imgscore("heads", "list", "--json").rows] == [True, False]
    assert imgscore("heads", "use", "99").code == 1
    own = paths.heads_folder() / "default" / "2.safetensors"
    imported = imgscore("heads", "import", own, "--json").row
    assert (imported["head"], imported["in_use"]) == ("3", True)
    score = imgscore("score", taught / "sun-016.png", "--json").row
    assert score["head"] == "3" and score["score"] is not None
    (taught / "not-a-head.safetensors").write_text("no")
    refused = imgscore("heads", "import", taught / "not-a-head.safetensors")
    assert refused.code == 2 and "not-a-head" in refused.err


def test_export_then_import_restores_the_store(taught: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    table = tmp_path / "everything.parquet"
    assert imgscore("export", table, "--json").row["rows"] == 40
    columns = parquet.read_table(table)
    assert columns.column_names == ["filename", "sig", "uform_emb", "val"]
    values = dict(zip(*(columns[name].to_pylist() for name in ("sig", "val")), strict=True))
    kept = (taught / "keep" / "sun-001.jpg").read_bytes()
    assert values[hashlib.sha256(kept).hexdigest()] == 1
    assert sorted(map(str, values.values())).count("None") == 8

    paths.store_folder().rename(tmp_path / "old")
    answer = imgscore("import", table, "--json")
    assert answer.code == 0, answer.err
    counts = {"rows": 40, "labels": 32, "embeddings": 40, "taste": "default", "error": None}
    assert answer.row == counts
    again = imgscore("import", table, "--json").row
    assert (again["labels"], again["embeddings"]) == (0, 0)
    status = imgscore("status", "--json").row
    assert status["watches"][0]["labels"] == {"keep": 15, "trash": 17}

    broken = tmp_path / "broken.parquet"
    broken.write_bytes(table.read_bytes()[:1000])
    refused = imgscore("import", broken)
    assert refused.code == 2 and "broken.parquet" in refused.err
