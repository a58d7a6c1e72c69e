"""The checks of the installation: Python, the packages, the extras, the models and the device."""

import importlib.util
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from imgscore.config import Config
from imgscore.doctor.finding import Finding
from imgscore.embedders import catalogue, devices, lite0_spec, manifest, registry, telemetry
from imgscore.errors import ImgscoreError

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
    digest = manifest.sha256_of(lite0_spec.MODEL)
    if digest != lite0_spec.MODEL_SHA256:
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
        return Finding("model", "problem", detail, f"rm -r '{folder}', then: {download}")
    return Finding("model", "ok", f"{name}, {len(recorded.files)} files, sha256 as expected")


def embedder(settings: Config) -> Iterator[Finding]:
    """Report the embedder that `settings` select."""
    spec = registry.spec(settings.model, use_filename=settings.use_filename)
    yield Finding("embedder", "ok", spec.id)


def device(settings: Config) -> Iterator[Finding]:
    """Check that the model can be loaded on the device.

    For example, the model cannot be loaded if the driver of the device is missing.
    """
    telemetry.disable()
    import onnxruntime

    warnings: list[str] = []
    installed = onnxruntime.get_available_providers()
    usable = [name for name in installed if name in devices.PROVIDERS.values()]
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in usable)
    try:
        choice = devices.choose(settings.device, installed)
        used = registry.load(settings.model, settings.device, warnings.append).providers[0]
    except ImgscoreError as error:
        yield Finding("device", "problem", error.message, error.remedy)
        return
    if warnings:
        yield Finding("device", "warning", warnings[0], 'set device = "auto"')
        return
    reason = f'device = "{settings.device}", and onnxruntime has {names}'
    yield Finding("device", "ok", f"{choice.device} ({used}): {reason}")
