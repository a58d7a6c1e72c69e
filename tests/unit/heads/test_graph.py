"""The graph kernel and its neighbours."""

import numpy as np
import pytest

from imgscore.heads import graph
from imgscore.heads.arrays import unit


@pytest.mark.parametrize("count", [20, graph.MIN_NODES_FOR_SPANS + 70])
def test_nearest_few_or_many_nodes_gives_largest_cosines(count):
    nodes = unit(np.random.default_rng(0).normal(size=(count, 16)).astype(np.float32))
    cosine = nodes[5:20] @ nodes.T
    cosine[np.arange(15), 5 + np.arange(15)] = -np.inf
    count_expected = min(graph.CANDIDATES, count - 1)
    _, nearest = graph._nearest(nodes, slice(5, 20))
    assert np.array_equal(np.sort(nearest, axis=1), np.sort(cosine, axis=1)[:, -count_expected:])


def test_neighbours_loose_cluster_beside_dense_one_stays_connected():
    noise = np.random.default_rng(0).normal(size=(40, 512)).astype(np.float32) / np.sqrt(512)
    noise[:20] *= 0.1
    noise[20:] *= 0.5
    noise[:20, 0] += 1
    noise[20:, :2] += (0.8, 0.33)
    nodes = unit(noise)
    # Each node of the loose cluster is nearer to the dense one than to its own.
    cosine = nodes[20:] @ nodes.T
    np.fill_diagonal(cosine[:, 20:], -1)
    assert (np.argsort(cosine, axis=1)[:, -graph.NEIGHBOURS :] < 20).mean() > 0.9
    neighbour, _, _ = graph.neighbours(nodes)
    assert (neighbour[20:] >= 20).mean() > 0.9


@pytest.mark.parametrize("columns", [3, 60])
def test_graph_kernel_equals_scaled_inverse(columns):
    nodes = unit(np.random.default_rng(0).normal(size=(800, 8)).astype(np.float32))
    exact = np.linalg.inv(graph._links(nodes).dense())
    size = np.sqrt(np.diag(exact))[:columns]
    # The variances of the first columns are exact; only the others are estimated.
    kernel = graph.graph_kernel(nodes, columns)[:columns]
    assert kernel == pytest.approx(exact[:columns, :columns] / size[:, None] / size, abs=0.02)


@pytest.mark.parametrize(("count", "known"), [(400, 400), (400, 390)])
def test_kernel_columns_equals_kernel_of_all_nodes(count, known):
    nodes = unit(np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32))
    columns = np.array([known - 1, 3, count - 1, 3])
    exact = np.linalg.inv(graph._links(nodes).dense())
    library = graph.Graph.of(nodes[:known])._replace(variance=np.diag(exact)[:known])
    kernel, _ = graph.kernel_columns(library, nodes[:known], nodes[known:], columns)
    size = np.sqrt(np.diag(exact))
    exact = exact[:, columns] / size[:, None] / size[columns]
    # The further nodes change the neighbours of no other node, so that some edges differ.
    error = np.abs(kernel - exact)[:known]
    assert error.max() < (0.02 if known == count else 0.1)


def test_kernel_columns_of_many_columns_equals_that_of_few():
    nodes = unit(np.random.default_rng(0).normal(size=(800, 8)).astype(np.float32))
    library = graph.Graph.of(nodes)
    many = np.random.default_rng(1).integers(0, 800, 90)
    kernel, _ = graph.kernel_columns(library, nodes, nodes[:0], many)
    few, _ = graph.kernel_columns(library, nodes, nodes[:0], many[:5])
    # The variances of the other nodes are estimated for few columns.
    assert kernel[many[:5], :5] == pytest.approx(few[many[:5]], abs=0.02)


@pytest.mark.parametrize("columns", [5, 200])
def test_kernel_columns_mean_extends_the_kernel(columns):
    """The kernel of all nodes and their mean has no negative eigenvalues."""
    nodes = unit(np.random.default_rng(0).normal(size=(800, 8)).astype(np.float32))
    library = graph.Graph.of(nodes)
    kernel, mean = graph.kernel_columns(library, nodes, nodes[:0], np.arange(columns))
    exact, _ = graph.kernel_columns(library, nodes, nodes[:0], np.arange(800))
    assert mean.column[:columns] == pytest.approx(exact.mean(axis=1)[:columns], rel=0.25)
    column = mean.column[:columns, None]
    both = np.block([[kernel[:columns], column], [column.T, np.array([[mean.variance]])]])
    assert np.linalg.eigvalsh(both.astype(np.float64)).min() > -1e-4
