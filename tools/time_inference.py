"""A view's cost by precision, batch, threads: `python tools/time_inference.py [MODEL.onnx …]`.

The shipped model and others (in float32 by make_lite0.py; in float16 by `--halved OUTPUT`, which
needs onnx and torch), by turns on one thread; then two processes of one thread against one of two.
Figures: bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders import lite0_spec
from imgscore.embedders.onnx_session import make_session

Pixels = NDArray[np.uint8]
SHAPES = ((224, 224), (192, 256), (160, 288))
TURNS, VIEWS, TASKS = 15, 6, 40
_runs: list[Callable[[Pixels], object]] = []


def runner(model: Path, threads: int = 1) -> Callable[[Pixels], object]:
    """A call that embeds a batch [n, h, w, 3]."""
    session = make_session(model, threads=threads)
    return lambda pixels: session.run(None, {"pixels": pixels})


def batches(count: int) -> list[Pixels]:
    """One batch of each shape of view."""
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (count, *shape, 3), np.uint8) for shape in SHAPES]


def compare(models: list[Path]) -> None:
    """Milliseconds of CPU a view, on one thread, by turns with the shipped model."""
    ways = [(path.name, runner(path), 1) for path in models]
    ways += [(f"{models[0].name}, batches of {count}", ways[0][1], count) for count in (4, 16)]
    seconds: list[list[float]] = [[] for _ in ways]
    inputs = {count: batches(count) for _, _, count in ways}
    for turn in range(TURNS + 1):
        for (_, run, count), found in zip(ways, seconds, strict=True):
            start = time.process_time()
            for pixels in inputs[count]:
                run(pixels)
            if turn:  # the first is for caches
                found.append((time.process_time() - start) / len(SHAPES) / count)
    for (name, _, _), found in zip(ways, seconds, strict=True):
        ratio = statistics.median(a / b for a, b in zip(found, seconds[0], strict=True))
        print(f"{name:40} {statistics.median(found) * 1000:6.2f} ms   ratio {ratio:.2f}")


def _begin(threads: int) -> None:
    _runs.append(runner(lite0_spec.MODEL, threads))
    _share(0)


def _share(_: int) -> None:
    for pixels in batches(1) * (VIEWS // len(SHAPES)):
        _runs[0](pixels)


def rate(processes: int, threads: int) -> float:
    """Views a second of the shipped model, by the clock."""
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _begin, (threads,)) as pool:
        list(pool.map(_share, range(processes * 2)))
        start = time.perf_counter()
        list(pool.map(_share, range(TASKS)))
        return TASKS * VIEWS / (time.perf_counter() - start)


def halve(output: Path) -> None:
    """The model with float16 arithmetic, where the processor has it for onnxruntime."""
    from make_lite0 import build
    from onnxruntime.transformers.float16 import convert_float_to_float16

    halved = convert_float_to_float16(build(half=False), op_block_list=["Cast"])
    output.write_bytes(halved.SerializeToString())


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--halved", type=Path, help="write the float16 model there, and take it in")
    arguments = parser.parse_args()
    if arguments.halved:
        halve(arguments.halved)
        arguments.models.append(arguments.halved)
    compare([lite0_spec.MODEL, *arguments.models])
    found = [(rate(2, 1), rate(1, 2)) for _ in range(3)]
    for name, column in (("two processes of one thread", 0), ("one process of two threads", 1)):
        print(f"{name:40} {statistics.median(pair[column] for pair in found):6.1f} views/s")


if __name__ == "__main__":
    main()
