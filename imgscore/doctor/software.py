"""Python, packages, models, and what computes: is what was installed whole?"""

import importlib.util
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from imgscore.config import Config
from imgscore.doctor.finding import Finding
from imgscore.embedders import catalogue, devices, lite0_spec, manifest, registry
from imgscore.errors import ImgscoreError

OLDEST = (3, 11)
EXTRAS = {
    "torch": "torch",
    "pillow_heif": "heic",
    "rawpy": "raw",
    "pyarrow": "parquet",
    "distributed": "dask",
    "pystray": "tray",
}
REINSTALL = "reinstall imgscore"


def python() -> Iterator[Finding]:
    """Old enough to be unsupported, or not."""
    detail = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST:
        oldest = ".".join(str(part) for part in OLDEST)
        yield Finding("Python", "problem", detail, f"install Python {oldest} or newer")
    else:
        yield Finding("Python", "ok", detail)


def packages() -> Iterator[Finding]:
    """Whether everything is there that imgscore says it needs."""
    needed = [one for one in requires("imgscore") or () if "extra ==" not in one]
    missing = []
    for one in needed:
        name = re.split(r"[\s<>=!~;\[]", one, maxsplit=1)[0]
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("packages", "problem", f"missing: {', '.join(missing)}", REINSTALL)
    else:
        detail = f"imgscore {version('imgscore')}, all {len(needed)} it needs are there"
        yield Finding("packages", "ok", detail)


def extras() -> Iterator[Finding]:
    """What was installed beyond the base."""
    there = [extra for module, extra in EXTRAS.items() if importlib.util.find_spec(module)]
    yield Finding("extras", "ok", ", ".join(there) or "none installed")


def model_files(settings: Config) -> Iterator[Finding]:
    """The embedded model, and the one in use: every byte as it should be."""
    digest = manifest.sha256_of(lite0_spec.MODEL)
    if digest != lite0_spec.MODEL_SHA256:
        yield Finding("model", "problem", f"{lite0_spec.MODEL} is damaged", REINSTALL)
    else:
        yield Finding("model", "ok", f"{lite0_spec.ID}, sha256 as expected")
    if settings.model in catalogue.UFORM:
        yield _downloaded(settings.model, registry.installed_at(settings.model))


def _downloaded(name: str, folder: Path) -> Finding:
    recorded = manifest.read(folder)
    again = f"imgscore model download {name}"
    if recorded is None:
        return Finding("model", "problem", f"{name}: it is not downloaded", again)
    damaged = [
        file
        for file, facts in recorded.files.items()
        if not (folder / file).exists() or manifest.sha256_of(folder / file) != facts.sha256
    ]
    if damaged:
        detail = f"{name}: missing or damaged: {', '.join(damaged)}"
        return Finding("model", "problem", detail, f"rm -r '{folder}', then: {again}")
    return Finding("model", "ok", f"{name}, {len(recorded.files)} files, sha256 as expected")


def embedder(settings: Config) -> Iterator[Finding]:
    """Which embedder the config asks for."""
    spec = registry.spec(settings.model, use_filename=settings.use_filename)
    yield Finding("embedder", "ok", spec.id)


def device(settings: Config) -> Iterator[Finding]:
    """Loads the model: it may be damaged, and a provider installed without its driver."""
    import onnxruntime

    said: list[str] = []
    installed = onnxruntime.get_available_providers()
    ours = [name for name in installed if name in devices.PROVIDERS.values()]
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in ours)
    try:
        choice = devices.choose(settings.device, installed)
        used = registry.load(settings.model, settings.device, said.append).providers[0]
    except ImgscoreError as error:
        yield Finding("device", "problem", error.message, error.remedy)
        return
    if said:
        yield Finding("device", "warning", said[0], 'set device = "auto"')
        return
    why = f'device = "{settings.device}", and onnxruntime has {names}'
    yield Finding("device", "ok", f"{choice.device} ({used}): {why}")
