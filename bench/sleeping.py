"""Workers that sleep instead of reading, decoding and embedding files, for benchmarks.

`python -m bench.sleeping SECONDS` scans the inboxes of the config with such workers until all files
are in the store. `python -m bench.sleeping SECONDS DIR WORKERS` runs `imgscore embed` with them.
Both print a JSON object with the wall time and the CPU time of this process, in seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import sleeping_worker
from imgscore import paths
from imgscore.config import Config
from imgscore.dispatch import settings_in_force
from imgscore.embedders import registry
from imgscore.images.traits import Traits
from imgscore.store.schema import Fingerprint
from imgscore.workers import process
from imgscore.workers.frames import frame
from imgscore.workers.messages import FileIndexed, Ready

VALUES = 1_000_000
"""the numbers of which each vector is a part: 2 MB, which stay in the cache of the disk"""
TRAITS = Traits(
    width=1920,
    height=1080,
    format="JPEG",
    bytes_per_pixel=0.25,
    brightness=0.5,
    contrast=0.25,
    colourfulness=0.125,
    sharpness=0.0625,
    grid=bytes(range(256)),
)


def replace_workers(seconds: float, vectors: Path, model: str = Config().model) -> None:
    """Let this process start workers that sleep for `seconds` for each file.

    `vectors`: a file to which valid vectors are written.
    """
    values = np.random.default_rng(1).gamma(0.5, 1.0, VALUES).astype(np.float16)
    vectors.write_bytes(values.tobytes())
    size = 2 * registry.spec(model).image_dim
    seen = Fingerprint(*(2**63 + number for number in range(5)))
    answer = frame(FileIndexed(seen, bytes(range(32)), bytes(size), TRAITS))
    arguments = (str(seconds), str(size), str(vectors), answer.hex(), frame(Ready()).hex())
    process.FILE_WORKER = ("-I", "-S", sleeping_worker.__file__, *arguments)


def main() -> None:
    """Scan or embed until every file is in the store, and print the times."""
    seconds, *rest = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        replace_workers(float(seconds), Path(folder) / "vectors", settings_in_force().model)
        start, cpu_start = time.perf_counter(), time.process_time()
        files = _embed(*rest) if rest else _scan()
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    print(json.dumps({"files": files, "seconds": wall, "cpu": cpu}))


def _scan() -> int:
    from imgscore.engine.engine import open_engine
    from imgscore.store.lock import StoreLock
    from imgscore.store.store import Store
    from imgscore.verbs import scan
    from imgscore.verbs.base import drive

    with (
        StoreLock(paths.data_folder()),
        Store(paths.store_folder()) as store,
        open_engine(store, settings_in_force(), paths.heads_folder()) as engine,
    ):
        for _ in drive(engine, scan.run(engine, scan.Request())):
            if engine.indexer.indexed and not engine.indexer.pending:
                break
        return engine.indexer.indexed


def _embed(folder: str, workers: str) -> int:
    from imgscore.cli import main as cli

    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        sys.argv = ["imgscore", "embed", folder, "--workers", workers, "--json"]
        cli.main()
    count: int = json.loads(out.getvalue().splitlines()[-1])["embedded"]
    return count


if __name__ == "__main__":
    main()
