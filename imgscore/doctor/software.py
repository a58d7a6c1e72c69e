"""The checks of the installation: Python, the packages, the extras, the models and the device."""

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from tempfile import TemporaryDirectory

from imgscore import paths
from imgscore.config import Config
from imgscore.doctor.finding import Finding
from imgscore.embedders import backends, catalogue, devices, lite0_spec, manifest, registry
from imgscore.errors import ImgscoreError
from imgscore.workers.messages import (
    Crashed,
    DeviceTried,
    ModelUnavailable,
    Notice,
    Refused,
    TryDevice,
)
from imgscore.workers.pool import Pool, WorkerSettings
from imgscore.workers.try_device import try_in_batches

OLDEST = (3, 11)
EXTRAS = {
    "torch": "torch",
    "pylibjxl": "jxl",
    "rawpy": "raw",
    "pyarrow": "parquet",
    "distributed": "dask",
    "pystray": "tray",
}
REINSTALL = "reinstall imgscore"


def python() -> Iterator[Finding]:
    """Check that imgscore supports this version of Python."""
    detail = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST:
        oldest = ".".join(str(part) for part in OLDEST)
        yield Finding("Python", "problem", detail, f"install Python {oldest} or newer")
    else:
        yield Finding("Python", "ok", detail)


def packages() -> Iterator[Finding]:
    """Check that every package that imgscore requires is installed."""
    requirements = [line for line in requires("imgscore") or () if "extra ==" not in line]
    missing = []
    for requirement in requirements:
        name = re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("packages", "problem", f"missing: {', '.join(missing)}", REINSTALL)
    else:
        detail = f"imgscore {version('imgscore')}; all {len(requirements)} dependencies installed"
        yield Finding("packages", "ok", detail)


def extras() -> Iterator[Finding]:
    """List the extras of imgscore that are installed."""
    installed = [extra for module, extra in EXTRAS.items() if importlib.util.find_spec(module)]
    yield Finding("extras", "ok", ", ".join(installed) or "none installed")


def model_files(settings: Config) -> Iterator[Finding]:
    """Check the sha256 of the files of the built-in model, and of the model that the config
    selects.
    """
    if not lite0_spec.MODEL.exists():
        yield Finding("model", "problem", f"{lite0_spec.MODEL} is missing", lite0_spec.MISSING)
    elif manifest.sha256_of(lite0_spec.MODEL) != lite0_spec.MODEL_SHA256:
        yield Finding("model", "problem", f"{lite0_spec.MODEL} is damaged", REINSTALL)
    else:
        yield Finding("model", "ok", f"{lite0_spec.ID}, sha256 as expected")
    if settings.model in catalogue.UFORM:
        yield _downloaded(settings.model, registry.model_folder(settings.model))


def _downloaded(name: str, folder: Path) -> Finding:
    recorded = manifest.read(folder)
    download = f"imgscore model download {name}"
    if recorded is None:
        return Finding("model", "problem", f"{name} is not downloaded", download)
    damaged = [
        file
        for file, facts in recorded.files.items()
        if not (folder / file).exists() or manifest.sha256_of(folder / file) != facts.sha256
    ]
    if damaged:
        detail = f"{name}: missing or damaged: {', '.join(damaged)}"
        return Finding(
            "model", "problem", detail, f"mv '{folder}' '{folder}.damaged', then: {download}"
        )
    return Finding("model", "ok", f"{name}, {len(recorded.files)} files, sha256 as expected")


def embedder(settings: Config) -> Iterator[Finding]:
    """Report the embedder that `settings` select."""
    spec = registry.spec(settings.model, use_filename=settings.use_filename)
    yield Finding("embedder", "ok", spec.id)


def device(settings: Config) -> Iterator[Finding]:
    """Compute on the device, in a confined process like those that embed images.

    Installed packages do not prove that a device works: a driver can be missing, or a confined
    process may not be allowed to use it.
    """
    devices.check(settings.device)
    batches = backends.uses_device_process(settings.device)
    with _scratch() as folder:
        worker_settings = WorkerSettings(
            folder / "store",
            folder / "heads",
            settings.model,
            settings.device,
            settings.daemon.file_seconds,
            batches=batches,
            batch=settings.batch if isinstance(settings.batch, int) else 0,
        )
        yield _tried(worker_settings)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a temporary folder for a worker.

    If there is no cache folder yet, the worker's caches are in it, too: doctor changes nothing.
    """
    with TemporaryDirectory(prefix="imgscore-doctor-") as folder:
        if paths.cache_folder().exists():
            yield Path(folder)
            return
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ["XDG_CACHE_HOME"]
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before


def _tried(settings: WorkerSettings) -> Finding:
    """Compute on the device of these settings, and return the finding."""
    note = ""
    try:
        if settings.batches:
            tried = try_in_batches(settings)
        else:
            tried, note = _try_alone(settings)
    except ImgscoreError as error:
        if settings.batches:
            detail = f"{error.message}, so the CPU is used"
            return Finding("device", "warning", detail, error.remedy)
        return Finding("device", "problem", error.message, error.remedy)
    rate = f"{tried.rate:.0f} images a second" + (
        " in batches" if settings.batches else " on one core"
    )
    detail = f"{tried.device} ({tried.provider}): {rate}, without decoding"
    if note:
        return Finding("device", "warning", f"{note}; {detail}", 'set device = "auto"')
    return Finding("device", "ok", detail)


def _try_alone(settings: WorkerSettings) -> tuple[DeviceTried, str]:
    """Compute in a file worker. Return the result, and why another device is used ("" if none).

    Raises ImgscoreError if the model cannot be computed.
    """
    note = ""
    with Pool(settings, 1, idle_seconds=0) as pool:
        pool.submit(TryDevice())
        while True:
            for _, answer in pool.answers(None):
                match answer:
                    case DeviceTried():
                        return answer, note
                    case Notice(text=text):
                        note = text
                    case Refused(reason, remedy) | ModelUnavailable(reason, remedy):
                        raise ImgscoreError(reason, remedy)
                    case Crashed(reason):
                        raise ImgscoreError(f"the worker {reason}", "see the message above")
                    case _:
                        raise ImgscoreError("the worker was interrupted", "run it again")
