"""The parts of `bench.accelerator` that run `imgscore scan`, with the device and without."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.accelerator_files import BUILT_IN, Job, files_of, model_of


def scan(job: Job) -> Iterator[dict[str, Any]]:
    """`imgscore scan` with the device, from start to end."""
    from bench.sandbox import run_imgscore
    from imgscore.testing import Sandbox

    count = int((30000 if job.kind.startswith("half") else 5000) * job.scale)
    sandbox = Sandbox(job.work / f"scan-{job.subject}-{kind_name(job.kind)}")
    sandbox.configure()
    configure(sandbox, job.device, model_of(job))
    write_copies(files_of(job, job.kind), sandbox.inbox, count)
    run = run_imgscore(sandbox, "scan")
    yield {
        "rate": count / run.seconds,
        "note": f"{count} images, {run.seconds:.1f} s, {run.cpu_seconds / count * 1000:.1f} ms CPU",
    }


def cpu(job: Job) -> Iterator[dict[str, Any]]:
    """`imgscore scan` on the CPU alone, with a number of workers."""
    from bench.sandbox import run_imgscore
    from imgscore.testing import Sandbox

    workers = int(job.subject)
    each = 600 if job.kind.startswith("half") else 150
    count = max(20, int(each * workers * job.scale))
    sandbox = Sandbox(job.work / f"cpu-{workers}-{kind_name(job.kind)}")
    sandbox.configure(workers=workers)
    configure(sandbox, "cpu", BUILT_IN)
    write_copies(files_of(job, job.kind), sandbox.inbox, count)
    run = run_imgscore(sandbox, "scan")
    yield {
        "rate": count / run.seconds,
        "note": f"{count} images, {run.seconds:.1f} s, {run.cpu_seconds / count * 1000:.1f} ms CPU",
    }


def configure(sandbox: Any, device: str, model: str) -> None:
    """Set the device and the model in the config of a sandbox."""
    text = sandbox.config_file.read_text()
    settings = f'device = "{device}"\nmodel = "{model}"\n'
    sandbox.config_file.write_text(settings + text)


def kind_name(kind: str) -> str:
    """A kind as a part of a file name."""
    return kind.replace(" ", "-")


def write_copies(files: list[Path], folder: Path, count: int) -> None:
    """Write copies with a number after the end of the image, so that their digests differ."""
    contents = [file.read_bytes() for file in files]
    for number, data in zip(range(count), cycle(contents), strict=False):
        if number % 1000 == 0:
            sub = folder / f"{number // 1000:03}"
            sub.mkdir(parents=True)
        (sub / f"{number:06}.jpg").write_bytes(data + number.to_bytes(8, "big"))
