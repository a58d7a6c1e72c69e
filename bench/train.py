"""Time and peak memory to train on 25,000 labels, from the store to the head's file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figure, Setting
from bench.parts import measure_parts
from bench.sandbox import make_taste, resample, store_examples
from imgscore.embedders import registry
from imgscore.store.store import Store

MAX_SECONDS = 8.0
MODEL = "efficientnet-lite0"
REAL = 400

# A training worker's task, in its own process, so that the peak of its memory can be measured.
WORKER = """
import json, resource, sys, time
from pathlib import Path
from imgscore.workers.training import train
from imgscore.workers.messages import Train
from imgscore.workers.context import Context
start, cpu = time.perf_counter(), time.process_time()
done = train(Context(Path(sys.argv[1]), Path(sys.argv[2]), "efficientnet-lite0", "cpu"),
             Train("default"))
print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu,
                  "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                  "report": done.record.report}))
"""
# The least work of any training: read all vectors, and compute the product of the features.
BASELINE = """
import json, sys, time
from pathlib import Path
import numpy as np
from imgscore.store import vectors
from imgscore.store.store import Store
start = time.perf_counter()
with Store(Path(sys.argv[1]), readonly=True) as store, store.read() as txn:
    parts = [np.frombuffer(values, np.float16).reshape(-1, int(sys.argv[3]))
             for _, values in vectors.blocks(txn, sys.argv[2])]
    matrix = np.concatenate(parts).astype(np.float32)
matrix.T @ matrix
print(json.dumps({"seconds": time.perf_counter() - start}))
"""


def measure(setting: Setting) -> Iterator[Figure]:
    """Train on mixtures of real vectors with noise, and on labels that are not quite linear."""
    count = setting.choose(5_000, 25_000)
    model = registry.spec(MODEL)
    real = measure_parts(setting.images(setting.choose(80, REAL))).vectors
    values = resample(real, count)
    folder, heads = setting.scratch / "store", setting.scratch / "heads"
    with Store(folder) as store:
        store_examples(store, model.id, values, make_taste(values))
    baseline = _run(BASELINE, os.fspath(folder), model.id, str(model.dim))
    result = _run(WORKER, os.fspath(folder), os.fspath(heads))
    seconds, size = result["seconds"], sum(map(_size, heads.rglob("*")))
    quality = result["report"].get("quality", {}).get("auc", {}).get("value")
    yield Figure(
        f"training on {count} labels × {model.dim}, store to head file "
        f"({result['cpu']:.1f} s CPU, held-out AUC {quality:.3f}, head {size / 1e6:.1f} MB)",
        f"{seconds:.1f} s",
        f"{baseline['seconds']:.2f} s, reading the vectors and one XᵀX",
        seconds / baseline["seconds"],
        f"≤ {MAX_SECONDS:.0f} s",
        seconds <= MAX_SECONDS,
    )
    raw = values.nbytes * 2
    yield Figure(
        f"peak memory of that training (the vectors are {values.nbytes / 1e6:.0f} MB in float16)",
        f"{result['peak'] / 1e6:.0f} MB",
        f"{raw / 1e6:.0f} MB, the vectors in float32",
        result["peak"] / raw,
    )


def _run(program: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
