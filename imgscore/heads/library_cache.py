"""Store the nodes and graphs of the library between two trainings, in a file of the cache.

The file is written for a sample of the library. It is used as long as at most a twentieth of the
sample has changed, because labelled images that are not nodes are joined to the graph anyway (see
`LibraryNodes.join`). A file that is damaged, too old or of another embedder is not used, and is
replaced after the next training.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from imgscore.fsutil import open_regular, write_atomic
from imgscore.heads.checks import check_values, require
from imgscore.heads.extras import NAMES
from imgscore.heads.features import Features
from imgscore.heads.graph import Graph
from imgscore.heads.library_nodes import MAX_NODES, LibraryNodes

VERSION = 1
HEADER_KEY = "imgscore"
"""The key in the safetensors header under which the JSON text is stored."""
MIN_IMAGES = 1000
"""The smallest number of images of a library that is stored. For a smaller library, the computation
takes less than 0.3 s, and heads then never depend on an earlier state of the library."""
MAX_CHANGED = 0.05
"""The largest share of the sample that may have changed since the file was written."""
MAX_SECONDS = 24 * 3600.0
"""The largest age of the file in seconds. Renamed files and measured traits change no digest."""
MAX_BYTES = 1 << 26
"""The size in bytes of the largest file that is read. Files of 7,500 nodes have 8 MB."""


class _Stored(NamedTuple):
    """The content of the file: the nodes, and the number of their graphs.

    `digests`: the sample from which the nodes were computed. `created`: the time of this
    computation, in seconds since 1970.
    """

    nodes: LibraryNodes
    graphs: int
    digests: Sequence[bytes]
    created: float


class LibraryCache:
    """The file, for one embedder. `key`: all facts that change the features of an image."""

    def __init__(self, file: Path, key: str) -> None:
        self._file, self._key = file, key
        self._stored: _Stored | None = None

    def load(self, digests: Sequence[bytes]) -> LibraryNodes | None:
        """Return the nodes for a library with the sample `digests`, or None if they are unknown."""
        if len(digests) < MIN_IMAGES:
            return None
        try:
            self._stored = self._read(digests)
        # safetensors has its own exceptions, and a hostile header can have any JSON value.
        except (OSError, SafetensorError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return self._stored.nodes

    def _read(self, digests: Sequence[bytes]) -> _Stored:
        with open_regular(self._file) as opened:
            status = os.fstat(opened.fileno())
            require(status.st_size <= MAX_BYTES, "the file is too large")
            # safetensors opens only paths. This path names the file that is open already.
            with safe_open(f"/proc/self/fd/{opened.fileno()}", framework="numpy") as file:
                about = json.loads((file.metadata() or {}).get(HEADER_KEY, "{}"))
                require(about["version"] == VERSION and about["key"] == self._key, "another key")
                created = float(about["created"])
                require(abs(time.time() - created) <= MAX_SECONDS, "the file is too old")
                known = [row.tobytes() for row in file.get_tensor("digests")]
                changed = max(len({*known} - {*digests}), len({*digests} - {*known}))
                require(changed <= MAX_CHANGED * len(digests), "the library has changed")
                arrays = {
                    name: file.get_tensor(name)
                    for name in file.keys()  # noqa: SIM118
                    if name != "digests"
                }
        nodes = _checked(arrays, about)
        return _Stored(nodes, len(nodes.graphs), known, created)

    def save(self, digests: Sequence[bytes], nodes: LibraryNodes) -> None:
        """Write the nodes, unless the file contains them. A full disk is no error.

        `digests`: the sample from which the nodes were computed, unless `load` has returned them.
        """
        if len(digests) < MIN_IMAGES:
            return
        stored, created = self._stored, time.time()
        if stored is not None and stored.nodes is nodes:
            if stored.graphs == len(nodes.graphs):
                return
            digests, created = stored.digests, stored.created
        arrays, values = nodes.features.state()
        arrays |= {"rows": nodes.rows, "plain": nodes.plain, "traits": nodes.traits}
        arrays["digests"] = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)
        for size, graph in nodes.graphs.items():
            arrays |= {f"graph {size} {name}": part for name, part in graph._asdict().items()}
        about = {
            "version": VERSION,
            "key": self._key,
            "created": created,
            "values": values,
            "sizes": [*nodes.graphs],
        }
        data = serialise(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            {HEADER_KEY: json.dumps(about)},
        )
        with suppress(OSError):  # Without the file, the next training computes the nodes again.
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self._file, data, mode=0o600)
            self._stored = _Stored(nodes, len(nodes.graphs), digests, created)


def _checked(arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> LibraryNodes:
    """Return the nodes in the arrays of a file. Raises ValueError if they do not fit together."""
    graphs = {}
    for size in map(int, about["sizes"]):
        graph = Graph(**{name: arrays.pop(f"graph {size} {name}") for name in Graph._fields})
        _check_graph(graph, size)
        graphs[size] = graph
    # Unknown traits are NaN.
    check_values(arrays | {"traits": np.nan_to_num(arrays["traits"], posinf=np.inf)})
    features = Features.restore(arrays, about["values"])
    nodes = LibraryNodes(features, arrays["rows"], arrays["plain"], arrays["traits"], graphs)
    width = features.directions.shape[1]
    count = len(nodes.rows)
    require(nodes.rows.dtype == nodes.plain.dtype == np.float16, "the rows are not float16")
    require(nodes.rows.shape == (count, width) and 0 < count <= MAX_NODES, "the rows do not fit")
    require(nodes.plain.shape == (len(nodes.plain), width), "the rows do not fit")
    require(nodes.traits.shape == (count, len(NAMES)), "the traits do not fit")
    require(all(size <= count for size in graphs), "a graph has too many nodes")
    return nodes


def _check_graph(graph: Graph, size: int) -> None:
    require(graph.neighbour.dtype == np.int32, "the neighbours are not int32")
    require(graph.neighbour.shape == graph.weight.shape == (size, graph.weight.shape[1]), "edges")
    require(graph.density.shape == graph.variance.shape == (size,), "the nodes do not fit")
    inside = (graph.neighbour >= 0) & (graph.neighbour < size)
    require(bool(inside.all()), "a neighbour is no node")
    check_values({"weight": graph.weight, "density": graph.density, "variance": graph.variance})
    require(bool((graph.weight > 0).all()), "a weight is not positive")
