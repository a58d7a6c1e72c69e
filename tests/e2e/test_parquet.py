"""`export` and `import`: training on a table, odd names, labels, and name vectors."""

import itertools
import os
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.errors import UsageError
from imgscore.parquet import EMBEDDER, read
from imgscore.store import labels
from imgscore.store.schema import LabelEvent
from imgscore.store.store import Store
from tests.conftest import put
from tests.support.commands import imgscore

pyarrow = pytest.importorskip("pyarrow", reason="pip install pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")

ODD = b"odd\nname \xff\xfe.png"


@pytest.fixture
def taught(inbox: Path) -> Path:
    """Six suns in keep/, six texts in trash/, two suns without a label, one with an odd name."""
    put(inbox / "keep", "sun", 6)
    put(inbox / "trash", "text", 6)
    left = put(inbox, "sun", 2, first=6)
    os.rename(left[0], os.fsencode(inbox) + b"/" + ODD)
    assert imgscore("scan").code == 0
    return inbox


def test_export_table_trains_the_mlp_recipe(taught: Path, tmp_path: Path) -> None:
    """A network trained on the table as in the MLP recipe has the same scores here as in torch."""
    torch = pytest.importorskip("torch", reason="pip install torch")
    table, weights = tmp_path / "labelled.parquet", tmp_path / "model.pt"
    written = imgscore("export", table, "--labelled", "--json").row
    assert (written["rows"], written["labels"], written["left_out"]) == (12, 12, 0)
    rows = parquet.read_table(table, columns=["sig", "uform_emb", "val"]).to_pylist()
    layers = []
    for inputs, outputs in itertools.pairwise((len(rows[0]["uform_emb"]), 64, 16, 1)):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    descent = torch.optim.SGD(model.parameters(), lr=0.01)
    pairs = [(torch.tensor(row["uform_emb"]), torch.tensor([row["val"]])) for row in rows]
    for inputs, wanted in torch.utils.data.DataLoader(pairs, batch_size=1, shuffle=True):
        descent.zero_grad()
        torch.nn.BCEWithLogitsLoss()(model(inputs), wanted).backward()
        descent.step()
    torch.save(model.state_dict(), weights)
    assert imgscore("heads", "import", weights).code == 0
    with torch.no_grad():
        expected = {
            row["sig"]: torch.sigmoid(model(inputs)).item()
            for row, (inputs, _) in zip(rows, pairs, strict=True)
        }
    for row in imgscore("score", "--json", *sorted((taught / "keep").iterdir())).rows:
        assert row["head"] == "2"
        assert row["score"] == pytest.approx(expected[row["sha256"]], abs=1e-5)


def test_heads_import_nan_weights_are_refused(taught: Path, tmp_path: Path) -> None:
    """Rows without a label have an empty val, which makes the weights NaN."""
    torch = pytest.importorskip("torch", reason="pip install torch")
    model = torch.nn.Linear(4, 1)
    model.weight.data[:] = float("nan")
    torch.save(model.state_dict(), tmp_path / "model.pt")
    refused = imgscore("heads", "import", tmp_path / "model.pt", "--json")
    assert refused.code == 2 and "--labelled" in refused.err


def test_import_exported_table_restores_names_and_labels(taught: Path, tmp_path: Path) -> None:
    table = tmp_path / os.fsdecode(b"t\xff\n.parquet")
    written = imgscore("export", table, "--json").row
    assert (written["rows"], written["labels"]) == (14, 12)
    with table.open("rb") as file:
        columns = parquet.read_table(file).to_pydict()
    (odd,) = [name for name in columns["filename"] if "odd" in name]
    assert odd.endswith("odd\nname \\udcff\\udcfe.png")
    assert {type(value) for value in columns["val"]} == {float, type(None)}
    paths.store_folder().rename(tmp_path / "the-old-store")
    (taught / "keep").rename(tmp_path / "away")  # so that only the table has the labels
    first = imgscore("import", table, "--json").row
    again = imgscore("import", table, "--json").row
    assert (first["labels"], first["embeddings"]) == (12, 14)
    assert (again["rows"], again["labels"], again["embeddings"]) == (14, 0, 0)


def test_import_label_of_the_table_holds_until_undone(taught: Path, tmp_path: Path) -> None:
    table, sun = tmp_path / "all.parquet", taught / "keep" / "sun-000.png"
    imgscore("export", table)
    assert imgscore("label", "trash", sun).code == 0
    assert imgscore("import", table, "--json").row["labels"] == 1
    assert imgscore("score", sun, "--json").row["label"] == "keep"
    assert imgscore("undo", "label", "--json").code == 0
    assert imgscore("score", sun, "--json").row["label"] == "trash"


def test_export_label_without_vector_is_reported(taught: Path, tmp_path: Path) -> None:
    event = LabelEvent(1, "default", bytes(32), "trash", "cli", os.fsencode(taught / "old.png"))
    with Store(paths.store_folder()) as store:
        store.commit(lambda txn: labels.append(txn, event))
    written = imgscore("export", tmp_path / "all.parquet")
    assert "12 of them labelled" in written.out and "1 labels left out" in written.out


def test_import_table_without_labels_adds_no_label(inbox: Path, tmp_path: Path) -> None:
    put(inbox, "sun", 3)
    imgscore("scan")
    written = imgscore("export", tmp_path / "all.parquet", "--json").row
    assert (written["rows"], written["labels"]) == (3, 0)
    written = imgscore("export", tmp_path / "none.parquet", "--labelled", "--json").row
    assert written["rows"] == 0
    for name, rows in (("all", 3), ("none", 0)):
        answer = imgscore("import", tmp_path / f"{name}.parquet", "--json")
        assert answer.code == 0 and answer.row["rows"] == rows and answer.row["labels"] == 0


def test_export_with_use_filename_appends_name_vectors(taught: Path, tmp_path: Path) -> None:
    """With `use_filename` a row includes the name's vector; an import takes the image's part."""

    def width(table: Path) -> int:
        return len(parquet.read_table(table)["uform_emb"][0])

    config = paths.config_file()
    plain, named = tmp_path / "plain.parquet", tmp_path / "named.parquet"
    imgscore("export", plain)
    alone = config.read_text()
    config.write_text("use_filename = true\n" + alone)
    imgscore("export", named)
    assert width(named) == width(plain) + 256
    for number, (table, text) in enumerate(
        itertools.product((plain, named), (alone, config.read_text()))
    ):
        paths.store_folder().rename(tmp_path / f"store-{number}")
        config.write_text(text)
        assert imgscore("import", table, "--json").row["embeddings"] == 14


@pytest.mark.parametrize("name", ["nothing.parquet", "config.toml"])
def test_import_file_that_is_no_table_is_a_usage_error(name: str, inbox: Path) -> None:
    table = paths.config_file().with_name(name)
    refused = imgscore("import", table)
    assert refused.code == 2 and name in refused.err


def test_export_failed_leaves_no_file(taught: Path, tmp_path: Path) -> None:
    refused = imgscore("export", tmp_path / "no-folder" / "all.parquet")
    assert refused.code == 2 and "cannot be written" in refused.err


@pytest.mark.parametrize("name", [".", "/", "in", "x" * 300])
def test_export_unusable_name_is_refused(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(inbox, "sun", 1)
    assert imgscore("scan").code == 0
    folder = tmp_path / "elsewhere"
    (folder / "in").mkdir(parents=True)
    monkeypatch.chdir(folder)
    refused = imgscore("export", name)
    assert refused.code == 2 and "what to do: " in refused.err
    assert [path.name for path in folder.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [([float("nan")] * 4, "a number that is not finite"), ([0.5] * 3, "3 numbers, not 4")],
)
def test_read_embedding_that_is_wrong_is_refused_with_its_own_reason(
    tmp_path: Path, numbers: list[float], reason: str
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    row = {"filename": "a.png", "sig": "00" * 32, "uform_emb": numbers, "val": 1.0}
    table = pyarrow.Table.from_pylist([row]).replace_schema_metadata({EMBEDDER: b"m"})
    pyarrow.parquet.write_table(table, tmp_path / "table.parquet")
    with pytest.raises(UsageError, match=reason):
        list(read(tmp_path / "table.parquet", embedder="m", dim=4))


def test_export_and_import_keep_the_grades(taught: Path, tmp_path: Path) -> None:
    sun, other = sorted((taught / "keep").iterdir())[:2]
    assert imgscore("label", "3", sun).code == imgscore("label", "1", other).code == 0
    table = tmp_path / "table.parquet"
    assert imgscore("export", table, "--json").row["labels"] == 12
    values = {row["sig"]: row["val"] for row in parquet.read_table(table).to_pylist()}
    digests = [imgscore("score", path, "--json").row["sha256"] for path in (sun, other)]
    assert [values[digest] for digest in digests] == [0.5, 0.1]
    assert imgscore("label", "clear", sun, other).code == 0
    assert imgscore("import", table, "--json").row["labels"] == 2
    rows = imgscore("score", sun, other, "--json").rows
    assert [(row["label"], row["grade"]) for row in rows] == [("undecided", 0.5), ("trash", 0.1)]
    assert imgscore("import", table, "--json").row["labels"] == 0
    # Another program may write any number from 0 to 1, and no other.
    for value, code in ((0.123456, 0), (1.01, 2), (-0.5, 2)):
        changed = parquet.read_table(table).to_pylist()
        next(row for row in changed if row["sig"] == digests[0])["val"] = value
        schema = parquet.read_schema(table)
        parquet.write_table(pyarrow.Table.from_pylist(changed, schema=schema), table)
        assert imgscore("import", table).code == code
        assert imgscore("score", sun, "--json").row["grade"] == 0.12
