"""The images to label next."""

import numpy as np

from imgscore.heads.base import Examples, Scores
from imgscore.heads.library import fit_features
from imgscore.heads.next_labels import next_labels
from imgscore.heads.training import train


def test_next_labels_skips_near_duplicates(made_up):
    examples = made_up(40)
    features = fit_features(examples.background)
    head = train(examples).head
    pool = np.concatenate([examples.background, examples.background, examples.embeddings])
    chosen = next_labels(head, features, examples, pool, 20)
    assert len(chosen) == 20
    # No image is chosen twice, and no labelled one.
    assert len(set((chosen % 200).tolist())) == 20
    assert chosen.max() < 400
    assert len(next_labels(head, features, examples, examples.embeddings, 5)) == 0


class EquallyUnsure:
    """A head with the same score for all images: the choice then depends on the images alone."""

    def score(self, embeddings, extras=None):
        return Scores(np.full(len(embeddings), 0.5), np.zeros(len(embeddings)))


def test_next_labels_centre_of_a_cluster_comes_first():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(104, 60)).astype(np.float32)
    # Row 0 is the centre of the first 40.
    values[:40] = values[0] + 0.9 * values[:40]
    values = values.astype(np.float16)
    grades = np.array([1, 1, 0, 0], np.float32)
    examples = Examples(values[100:], grades, values)
    head, features = EquallyUnsure(), fit_features(values)
    assert next_labels(head, features, examples, values[:100], 1).tolist() == [0]
