"""The original recipe, in torch."""

import itertools

import numpy as np
import pytest

from imgscore.errors import UsageError
from imgscore.heads import mlp
from imgscore.heads.files import load, save
from imgscore.heads.measures import Ranking

torch = pytest.importorskip("torch", reason="pip install torch")


def test_fit_learns_and_survives_save_and_load(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr(mlp, "HIDDEN_WIDTHS", (32, 16))
    monkeypatch.setattr(mlp, "LEARNING_RATE", 0.05)
    examples = made_up(120)
    fitted = mlp.MlpRecipe().fit(examples, None, {"standardise": True})
    score = fitted.head.score(examples.embeddings).score
    assert Ranking(score, examples.keep).auc() > 0.9
    save(fitted.head, tmp_path / "head")
    assert np.array_equal(load(tmp_path / "head").score(examples.embeddings).score, score)


def network(width):
    widths = (width, *mlp.HIDDEN_WIDTHS, 1)
    layers = []
    for width, following in itertools.pairwise(widths):
        layers += [torch.nn.Linear(width, following), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def test_read_checkpoint_scores_equal_torch(made_up, tmp_path):
    embeddings = made_up(20).embeddings
    model = network(40)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    head = mlp.read_checkpoint(tmp_path / "model.pt", "made-up", 40)
    with torch.no_grad():
        expected = torch.sigmoid(model(torch.from_numpy(embeddings.astype(np.float32))))[:, 0]
    assert np.allclose(head.score(embeddings).score, expected.numpy(), atol=1e-5)


def test_read_checkpoint_that_does_not_fit_raises(tmp_path):
    torch.save(network(40).state_dict(), tmp_path / "model.pt")
    with pytest.raises(UsageError, match="40"):
        mlp.read_checkpoint(tmp_path / "model.pt", "other", 41)
    torch.save(torch.nn.Linear(40, 7).state_dict(), tmp_path / "linear.pt")
    with pytest.raises(UsageError, match="one number"):
        mlp.read_checkpoint(tmp_path / "linear.pt", "other", 40)
    (tmp_path / "rubbish.pt").write_bytes(b"rubbish")
    with pytest.raises(UsageError, match="state dict"):
        mlp.read_checkpoint(tmp_path / "rubbish.pt", "other", 40)
    torch.save(network(40), tmp_path / "pickled.pt")
    with pytest.raises(UsageError, match="state dict"):
        mlp.read_checkpoint(tmp_path / "pickled.pt", "other", 40)
