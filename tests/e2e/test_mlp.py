"""The original recipe: an MLP over the embeddings of images and file names."""

from pathlib import Path

import pytest

from imgscore import paths
from imgscore.cli.path_text import short
from tests.conftest import put
from tests.support.commands import Start, imgscore

pytestmark = pytest.mark.core


@pytest.fixture
def labelled(inbox: Path) -> Path:
    """An inbox with four suns in keep/, four texts in trash/, and one more of each."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 5)[:4]:
            path.rename(inbox / folder / path.name)
    return inbox


def test_mlp_with_file_names_is_trained_by_the_daemon_and_evaluated(
    labelled: Path, start: Start
) -> None:
    pytest.importorskip("torch", reason="pip install torch")
    config = paths.config_file()
    config.write_text('head = "mlp"\nuse_filename = true\n' + config.read_text())
    status = start().settle()
    assert status["head"] == "1" and status["troubles"] == []
    assert status["watches"][0]["scored"] == 2
    (head,) = imgscore("heads", "list", "--json").rows
    assert head["report"]["kind"] == "mlp" and head["report"]["embedder"].endswith("+hashed-1")
    trained = imgscore("train", "--json")
    assert trained.code == 0 and trained.row["error"] is None, trained.err
    evaluated = imgscore("evaluate", "--json")
    assert evaluated.code == 0 and evaluated.row["kind"] == "mlp", evaluated.err
    scored = imgscore("score", labelled / "sun-004.png", "--json").row
    assert scored["score"] is not None and scored["error"] is None


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_training_with_a_library_that_fails_names_the_reason(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Any error in a training is reported by the verb, with the exit code 1."""
    assert imgscore("scan").code == 0  # trains head 1
    config = paths.config_file()
    config.write_text('head = "mlp"\n' + config.read_text())
    library = tmp_path / "library"
    library.mkdir()
    (library / "torch.py").write_text("raise FileNotFoundError('No usable temporary directory')\n")
    monkeypatch.setenv("PYTHONPATH", str(library))
    failed = imgscore(verb)
    assert failed.code == 1
    text = failed.out + failed.err
    assert "FileNotFoundError: No usable temporary directory" in text
    assert "in use" not in failed.out and "see the log" not in text
    as_json = imgscore(verb, "--json")
    assert as_json.code == 1 and "No usable temporary directory" in as_json.out + as_json.err


def test_train_with_a_damaged_head_names_its_file(labelled: Path) -> None:
    assert imgscore("scan").code == 0
    file = paths.head_file(paths.heads_folder(), "default", "1")
    file.write_bytes(b"rubbish")
    failed = imgscore("train")
    assert failed.code == 1 and short(str(file)) in failed.out
    assert "in use" not in failed.out and "could not be trained" in failed.out
