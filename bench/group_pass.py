"""The comparison of all images of a large store, by the engine with real workers.

    python -m bench.group_pass --corpus FOLDER [--images 100000] [--workers 2]

The store contains mixtures of two of at most 200 images of the folder, one in five with a copy. It
prints the wall time of the comparison, and the CPU time of the workers and of the engine.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.group_store import fill
from imgscore.config import Config, DaemonConfig
from imgscore.embedders import registry
from imgscore.engine.engine import open_engine
from imgscore.errors import ImageError
from imgscore.images.decode import decode
from imgscore.images.traits import Traits
from imgscore.store import groups
from imgscore.store.store import Store

MAX_REAL = 200
"""the largest number of images of the folder that are read"""


def _read(folder: Path) -> tuple[np.ndarray, list[Traits]]:
    """Embed images of a folder. Return their vectors and traits."""
    preprocessor = registry.preprocessor(registry.BUILT_IN)
    embedder = registry.load(registry.BUILT_IN, "cpu", lambda _: None)
    values, traits = [], []
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files[:: max(1, len(files) // MAX_REAL)][:MAX_REAL]:
        try:
            picture = decode(path.read_bytes(), preprocessor.min_side, settled=True)
        except ImageError:
            continue
        values.append(embedder.embed_inputs(preprocessor.inputs(picture)))
        traits.append(picture.traits)
    return np.stack(values).astype(np.float32), traits


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Make the store, compare its images, and print the times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="the folder for the store; 10 kB an image")
    options = parser.parse_args()
    real, traits = _read(options.corpus)
    with (
        tempfile.TemporaryDirectory(dir=options.scratch) as folder,
        Store(Path(folder) / "store") as store,
    ):
        spec = registry.spec(registry.BUILT_IN)
        fill(store, spec, real, traits, options.images)
        config = Config(daemon=DaemonConfig(free_mb=0, workers=options.workers))
        began, own = time.monotonic(), _cpu(resource.RUSAGE_SELF)
        with open_engine(store, config, Path(folder) / "heads") as engine:
            while engine.group_finder.uncompared:
                engine.step(1.0)
        wall = time.monotonic() - began
        own = _cpu(resource.RUSAGE_SELF) - own
        with store.read() as txn:
            count = groups.count(txn)
    print(
        f"{options.images:,} mixtures of {len(real)} images, {options.workers} workers: "
        f"{count:,} groups in {wall:.1f} s; {_cpu(resource.RUSAGE_CHILDREN):.1f} s CPU of the "
        f"workers, {own:.1f} s of the engine"
    )


if __name__ == "__main__":
    main()
