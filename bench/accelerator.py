"""The pipeline of an accelerator, measured whole and in parts, on a machine that may have a GPU.

    python -m bench.accelerator --device cuda --seeds FOLDER --out FOLDER [--parts …] [--scale 1.0]

FOLDER of seeds: a few photographs (JPEG). Each part runs in processes of its own with a time limit,
prints its rows at once, and appends them to OUT/table.md. So a part that fails or hangs costs only
itself. UForm's networks get random weights in the published layout: their speed does not depend on
the weights. `--device cpu --scale 0.02` tries the script on any machine.

The parts:
    make       writes the images and the checkpoints
    doctor     what `imgscore doctor` says about the device, from a confined process
    cosine     the vectors of batches on the device against those of single images on the CPU
    decode     what the cores decode and prepare, with nothing else
    network    what the bare network computes in batches of inputs that are in memory
    pipeline   the file workers and the device process together, without a store
    scan       `imgscore scan` into a fresh store, with the device, from start to end
    cpu        `imgscore scan` on the CPU alone, with 1, 2, 4, 8 and 16 workers
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.accelerator_files import BUILT_IN, KINDS, SHAPES, Job, cpus, files_of, make, model_of
from bench.accelerator_scans import configure, cpu, scan

PARTS = ("make", "doctor", "cosine", "decode", "network", "pipeline", "scan", "cpu")
SECONDS = {
    "make": 90, "doctor": 60, "cosine": 90, "decode": 60, "network": 40, "pipeline": 45,
    "scan": 60, "cpu": 60,
}  # fmt: skip
"""The time limit of one step of a part."""
MEASURE_SECONDS = 4.0


def main() -> None:
    """Run the parts, each step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seeds", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/imgscore-bench"))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--models", default=",".join((BUILT_IN, *SHAPES)))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--skip", default="", help="steps as PART/SUBJECT/KIND, with commas")
    parser.add_argument("--deadline", type=float, default=340.0, help="seconds for all steps")
    parser.add_argument("--step")
    arguments = parser.parse_args()
    if arguments.step:
        job = Job(*json.loads(arguments.step))
        job = job._replace(work=Path(job.work), seeds=Path(job.seeds))
        for row in STEPS[job.part](job):
            print("ROW " + json.dumps(row), flush=True)
        return
    table = Table(arguments.out / "table.md")
    parts, begin = arguments.parts.split(","), time.monotonic()
    for part in parts:
        for subject, kind in steps_of(part, arguments.models.split(",")):
            job = Job(
                part, subject, kind, arguments.device, arguments.work, arguments.scale,
                arguments.seeds,
            )  # fmt: skip
            if f"{part}/{subject}/{kind}" in arguments.skip.split(","):
                continue
            if time.monotonic() - begin > arguments.deadline:
                table.add(job, {"text": "not measured: no time left"})
                continue
            run_step(job, table)
    table.summary()


def steps_of(part: str, models: list[str]) -> list[tuple[str, str]]:
    """The (subject, kind) of each step of a part."""
    prepared = [model for model in models if model in (BUILT_IN, "uform-small")]
    match part:
        case "make" | "doctor":
            return [("", "")]
        case "cosine" | "network":
            return [(model, "") for model in models]
        case "decode":
            return [(model, kind) for model in prepared for kind in KINDS]
        case "pipeline":
            return [(model, kind) for model in models for kind in KINDS]
        case "scan":
            return [(model, kind) for model in prepared for kind in KINDS]
        case _:
            return [(str(count), kind) for kind in KINDS for count in (1, 2, 4, 8, 16)]


class Table:
    """The rows, printed and written as they come."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.values: dict[tuple[str, str, str], float] = {}
        self._write("\n| part | subject | images | result | |\n|---|---|---|---|---|")

    def _write(self, text: str) -> None:
        print(text, flush=True)
        with self.file.open("a") as stream:
            stream.write(text + "\n")

    def add(self, job: Job, row: dict[str, Any]) -> None:
        """Write one row."""
        if "rate" in row:
            self.values[job.part, job.subject, job.kind] = row["rate"]
            result = f"{row['rate']:.1f}/s"
        else:
            result = row["text"]
        note = row.get("note", "")
        self._write(f"| {job.part} | {job.subject} | {job.kind} | {result} | {note} |")

    def summary(self) -> None:
        """Write the ratio of each pipeline to the smaller of what the cores and the network do."""
        for (part, subject, kind), rate in list(self.values.items()):
            if part not in ("pipeline", "scan"):
                continue
            prepared = subject if subject == BUILT_IN else "uform-small"
            decode = self.values.get(("decode", prepared, kind))
            network = self.values.get(("network", subject, ""))
            if decode and network:
                least = min(decode, network)
                text = f"{rate:.0f} / min({decode:.0f}, {network:.0f}) = {rate / least:.2f}"
                self._write(f"| {part}: ratio | {subject} | {kind} | {text} | |")
        for kind in KINDS:
            one = self.values.get(("cpu", "1", kind))
            for count in (2, 4, 8, 16):
                rate = self.values.get(("cpu", str(count), kind), 0.0)
                if one and rate:
                    text = f"{rate / one / count:.2f} of {count} × one worker"
                    self._write(f"| cpu: ratio | {count} | {kind} | {text} | |")


def run_step(job: Job, table: Table) -> None:
    """Run a step in a process of its own, and add its rows."""
    limit = SECONDS[job.part]
    step = json.dumps([str(value) if isinstance(value, Path) else value for value in job])
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.accelerator", "--seeds", "", "--out", "", "--step", step],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        table.add(job, {"text": f"no result within {limit} s"})
    for line in output.splitlines():
        if line.startswith("ROW "):
            table.add(job, json.loads(line[4:]))
        else:
            print(line)
    if process.returncode not in (0, -9):
        table.add(job, {"text": f"failed: exit status {process.returncode}"})
    print(f"  ({job.part} {job.subject} {job.kind}: {time.monotonic() - start:.1f} s)", flush=True)


# ---- parts


def doctor(job: Job) -> Iterator[dict[str, Any]]:
    """Print the findings of doctor about the device."""
    from imgscore.testing import Sandbox

    sandbox = Sandbox(job.work / "doctor")
    for model in (BUILT_IN, str(job.work / "uform-small")):
        sandbox.configure()
        configure(sandbox, job.device, model)
        done = sandbox.run("doctor", "--json", seconds=50.0)
        for line in done.out.splitlines():
            row = json.loads(line)
            if row["check"] == "device":
                yield {"text": f"{row['state']}: {row['detail']}", "note": row.get("remedy", "")}
        if done.err:
            print(done.err[-2000:])


def cosine(job: Job) -> Iterator[dict[str, Any]]:
    """The least cosine between batches on the device and single images on the CPU."""
    import numpy as np

    from imgscore.embedders import registry
    from imgscore.images.decode import decode

    model = model_of(job)
    there = registry.load_for_batches(model, job.device)
    here = registry.load(model, "cpu")
    count = 16 if job.scale > 0.1 else 3
    pictures = [
        decode(file.read_bytes()) for kind in KINDS for file in files_of(job, kind)[: count // 2]
    ]
    groups: dict[tuple[int, ...], list[Any]] = {}
    for picture in pictures:
        for item in there.preprocessor.inputs(picture):
            groups.setdefault(item.shape, []).append(item)
    worst = {"batch and CPU": 1.0, "batch and alone": 1.0}
    for items in groups.values():
        inputs = np.stack(items)
        batch = there.network.collect(there.network.start(inputs)).astype(np.float64)
        alone, cpu = (
            np.concatenate(
                [embedder.network.collect(embedder.network.start(row[None])) for row in inputs]
            ).astype(np.float64)
            for embedder in (there, here)
        )
        for name, other in (("batch and CPU", cpu), ("batch and alone", alone)):
            for section in there.sections:
                part = slice(section.start, section.stop)
                left, right = batch[:, part], other[:, part]
                products = (left * right).sum(1)
                products /= np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
                worst[name] = min(worst[name], float(products.min()))
    text = ", ".join(f"{name}: {value:.6f}" for name, value in worst.items())
    yield {"text": f"least cosine, {len(pictures)} images, each section: {text}"}


def decode(job: Job) -> Iterator[dict[str, Any]]:
    """Measure how fast the cores read, hash, decode and prepare, with a process for each core."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(cpus())
    with context.Pool(cpus(), _set_barrier, (barrier,)) as pool:
        shares = [(job, number) for number in range(cpus())]
        rates = pool.starmap(_decode_share, shares, chunksize=1)
    yield {"rate": sum(rates), "note": f"{cpus()} processes"}


_barrier: Any = None


def _set_barrier(barrier: Any) -> None:
    globals()["_barrier"] = barrier


def _decode_share(job: Job, number: int) -> float:
    import hashlib

    from imgscore.embedders import registry
    from imgscore.images.decode import decode as decode_image

    preprocessor = registry.preprocessor(model_of(job))
    files = files_of(job, job.kind)
    preprocessor.inputs(decode_image(files[0].read_bytes()))
    _barrier.wait()
    done, start = 0, time.monotonic()
    for file in cycle(files[number % len(files) :] + files[: number % len(files)]):
        data = file.read_bytes()
        hashlib.sha256(data)
        preprocessor.inputs(decode_image(data))
        done += 1
        if time.monotonic() - start > MEASURE_SECONDS * min(1.0, job.scale * 4):
            break
    return done / (time.monotonic() - start)


def network(job: Job) -> Iterator[dict[str, Any]]:
    """Measure the bare network in batches, with inputs in the memory of the device."""
    import numpy as np

    from imgscore.embedders import registry

    start = time.monotonic()
    embedder = registry.load_for_batches(model_of(job), job.device)
    loaded = time.monotonic() - start
    net: Any = embedder.network
    inputs = np.stack([embedder.preprocessor.blank()] * net.max_batch)
    inputs[:] = np.random.default_rng(1).integers(0, 255, inputs.shape, np.uint8)
    seconds = MEASURE_SECONDS * min(1.0, job.scale * 4) / 2
    for name, start_batch, wait in _ways(net, inputs):
        for _ in range(3):
            wait(start_batch())
        done, begin = 0, time.monotonic()
        pending: list[Any] = []
        while time.monotonic() - begin < seconds:
            pending.append(start_batch())
            if len(pending) > 1:
                wait(pending.pop(0))
                done += len(inputs)
        while pending:
            wait(pending.pop(0))
            done += len(inputs)
        rate = done / (time.monotonic() - begin)
        note = f"batches of {net.max_batch}, {net.providers[0]} on {net.device}; {name}"
        if name == "bare":
            yield {"rate": rate, "note": f"{note}; loaded in {loaded:.1f} s"}
        else:
            yield {"text": f"{rate:.1f}/s", "note": note}


def _ways(net: Any, inputs: Any) -> Iterator[tuple[str, Callable[[], Any], Callable[[Any], Any]]]:
    """The network with copies to and from the device, and without them."""
    yield "with copies", lambda: net.start(inputs), net.collect
    if not getattr(net, "_is_gpu", False):
        yield "bare", lambda: net.start(inputs), net.collect
        return
    import torch

    pixels = torch.from_numpy(inputs).cuda()

    def compute() -> Any:
        with torch.inference_mode():
            outputs = net._module(pixels)
            event = torch.cuda.Event()
            event.record()
            return outputs, event

    yield "bare", compute, lambda handle: handle[1].synchronize()


def pipeline(job: Job) -> Iterator[dict[str, Any]]:
    """The rate of a pool with a device process, after both are warm."""
    from imgscore.store.store import Store
    from imgscore.workers.messages import IndexFile, Notice
    from imgscore.workers.pool import Pool, WorkerSettings

    work = job.work / "pipeline"
    work.mkdir(exist_ok=True)
    paths = [os.fsencode(file) for file in files_of(job, job.kind)]
    source = cycle(paths)
    with Store(work / "store") as store:
        settings = WorkerSettings(
            store.folder, work / "heads", model_of(job), job.device, 60, batches=True
        )
        with Pool(settings, cpus(), idle_seconds=600) as pool:
            assert pool.device is not None
            pool.device.start()
            begin = time.monotonic()
            counted = failed = 0
            measuring = None
            end = begin + 30
            while time.monotonic() < end:
                while pool.has_room():
                    pool.submit(IndexFile(next(source), "", None, stored=False))
                for _, answer in pool.answers(1.0):
                    if isinstance(answer, Notice):
                        print("notice:", answer.text)
                        continue
                    counted += 1
                    failed += getattr(answer, "vector", None) is None
                now = time.monotonic()
                if measuring is None and pool.device.state == "ready":
                    warm = 2.0 * min(1.0, job.scale * 4)
                    measuring, started = now + warm, now - begin
                    end = measuring + MEASURE_SECONDS * min(1.0, job.scale * 4)
                if measuring is not None and now < measuring:
                    counted, first = 0, now
                    ticks = {pid: cpu_seconds(pid) for pid in [*pool.pids(), pool.device.pid or 0]}
            if measuring is None:
                yield {"text": f"the device is {pool.device.state}"}
                return
            seconds = time.monotonic() - first
            used = {pid: (cpu_seconds(pid) - before) / seconds for pid, before in ticks.items()}
            device = used.pop(pool.device.pid or 0, 0.0)
            workers = sum(used.values()) / len(used)
            note = f"{failed} failed; ready after {started:.1f} s; CPU: device process {device:.0%}"
            note += f", a worker {workers:.0%} (mean of {len(used)})"
            yield {"rate": counted / seconds, "note": note}


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


STEPS: dict[str, Callable[[Job], Iterator[dict[str, Any]]]] = {
    "make": make,
    "doctor": doctor,
    "cosine": cosine,
    "decode": decode,
    "network": network,
    "pipeline": pipeline,
    "scan": scan,
    "cpu": cpu,
}

if __name__ == "__main__":
    main()
