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


@pytest.mark.parametrize("undecided", [0, 8])
def test_fit_takes_the_steps_of_torchs_sgd(made_up, monkeypatch, undecided):
    """The written-out steps give the weights of torch.optim.SGD, as in the original recipe."""
    monkeypatch.setattr(mlp, "HIDDEN_WIDTHS", (32, 16))
    monkeypatch.setattr(mlp, "LEARNING_RATE", 0.05)
    examples = made_up(20)
    examples.grades[4 : 4 + undecided] = 0.5
    head = mlp.MlpRecipe().fit_head(examples)
    torch.manual_seed(mlp.SEED)
    model = network(examples.embeddings.shape[1])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    loss = torch.nn.BCEWithLogitsLoss()
    rows = torch.from_numpy(examples.embeddings.astype(np.float32))
    target = torch.from_numpy(examples.grades)[:, None]
    for _ in range(mlp.EPOCHS):
        for row in torch.randperm(len(rows)).tolist():
            optimiser.zero_grad()
            loss(model(rows[row : row + 1]), target[row : row + 1]).backward()
            optimiser.step()
    weights = [layer.weight.detach().numpy() for layer in model if hasattr(layer, "weight")]
    assert len(weights) == len(head.layers)
    for (weight, _), expected in zip(head.layers, weights, strict=True):
        assert np.allclose(weight, expected, atol=1e-5)


def test_fit_reports_every_step_once(made_up, monkeypatch):
    monkeypatch.setattr(mlp, "HIDDEN_WIDTHS", (4,))
    steps = []
    mlp.MlpRecipe().fit(made_up(12), on_progress=lambda *step: steps.append(step))
    # Three folds, each of which leaves out a third of the labels, and the head itself.
    total = mlp.EPOCHS * 12 * 3
    assert steps == [(done, total) for done in range(1, total + 1)]


def test_fit_head_trains_the_head_of_fit(made_up, monkeypatch):
    monkeypatch.setattr(mlp, "HIDDEN_WIDTHS", (4,))
    examples = made_up(12)
    head, fitted = mlp.MlpRecipe().fit_head(examples), mlp.MlpRecipe().fit(examples).head
    assert np.array_equal(
        head.score(examples.embeddings).score, fitted.score(examples.embeddings).score
    )


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
