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
from bench.parts import apart
from bench.sandbox import liked, resampled, store_examples
from imgscore.embedders import registry
from imgscore.store.store import Store

MAX_SECONDS = 15.0
MODEL = "efficientnet-lite0"
REAL = 400

# What a training worker does with its task, in a process of its own so that its peak is its own.
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
# The least that any training does: read all vectors, and multiply each feature with each.
FLOOR = """
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
    """Realistic vectors: real ones, mixed and with noise; a taste that is not quite linear."""
    count = setting.either(5_000, 25_000)
    model = registry.spec(MODEL)
    real = apart(setting.images(setting.either(80, REAL))).vectors
    values = resampled(real, count)
    folder, heads = setting.scratch / "store", setting.scratch / "heads"
    with Store(folder) as store:
        store_examples(store, model.id, values, liked(values))
    floor = _run(FLOOR, os.fspath(folder), model.id, str(model.dim))
    found = _run(WORKER, os.fspath(folder), os.fspath(heads))
    seconds, size = found["seconds"], sum(map(_size, heads.rglob("*")))
    quality = found["report"].get("quality", {}).get("auc", {}).get("value")
    yield Figure(
        f"training on {count} labels × {model.dim}, store to head file "
        f"({found['cpu']:.1f} s CPU, held-out AUC {quality:.3f}, head {size / 1e6:.1f} MB)",
        f"{seconds:.1f} s",
        f"{floor['seconds']:.2f} s, reading the vectors and one XᵀX",
        seconds / floor["seconds"],
        f"≤ {MAX_SECONDS:.0f} s",
        seconds <= MAX_SECONDS,
    )
    raw = values.nbytes * 2
    yield Figure(
        f"peak memory of that training (the vectors are {values.nbytes / 1e6:.0f} MB in float16)",
        f"{found['peak'] / 1e6:.0f} MB",
        f"{raw / 1e6:.0f} MB, the vectors in float32",
        found["peak"] / raw,
    )


def _run(program: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
