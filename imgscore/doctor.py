"""The checks of `imgscore doctor`: each looks, changes nothing, and says what to do."""

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from imgscore import config, control, filesystems, places
from imgscore.config import Config
from imgscore.embedders import devices, lite0_spec, registry
from imgscore.errors import ImgscoreError
from imgscore.order.markers import find_markers
from imgscore.watches import Watch, Watches

PACKAGES = (
    "numpy", "onnxruntime", "lmdb", "msgspec", "Pillow", "watchdog", "APScheduler", "typer",
    "rich", "safetensors",
)  # fmt: skip
EXTRAS = {"torch": "imgscore[torch]", "pillow_heif": "imgscore[heic]", "rawpy": "imgscore[raw]"}


class Finding(NamedTuple):
    """One line of the doctor's."""

    check: str
    state: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Every check, in the order in which one builds on another."""
    yield _python()
    yield from _packages()
    yield _model_file()
    settings = Config()
    try:
        if places.config_file().exists():
            settings = config.load()
            watches = Watches.of(settings)
            yield Finding("config", "ok", str(places.config_file()))
        else:
            watches = Watches(())
            yield Finding("config", "warning", "there is none yet", "imgscore init INBOX")
    except ImgscoreError as error:
        yield Finding("config", "problem", error.message, error.remedy)
        watches = Watches(())
    yield _embedder(settings)
    yield _device(settings)
    yield from _store(settings)
    yield _daemon()
    for watch in watches.all:
        yield from _folders(watch)
    yield from _inotify(watches)


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} ({sys.executable})")


def _packages() -> Iterator[Finding]:
    missing = []
    for name in PACKAGES:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("packages", "problem", f"missing: {', '.join(missing)}", "reinstall imgscore")
    else:
        yield Finding("packages", "ok", f"imgscore {version('imgscore')}, all there")
    there = [extra for module, extra in EXTRAS.items() if importlib.util.find_spec(module)]
    yield Finding("extras", "ok", ", ".join(there) or "none installed")


def _model_file() -> Finding:
    try:
        digest = hashlib.sha256(lite0_spec.MODEL.read_bytes()).hexdigest()
    except OSError as error:
        return Finding("model", "problem", f"{lite0_spec.MODEL}: {error}", "reinstall imgscore")
    if digest != lite0_spec.MODEL_SHA256:
        return Finding("model", "problem", f"{lite0_spec.MODEL} is damaged", "reinstall imgscore")
    return Finding("model", "ok", f"{lite0_spec.ID}, sha256 as expected")


def _embedder(settings: Config) -> Finding:
    try:
        return Finding("embedder", "ok", registry.spec(settings.model).id)
    except ImgscoreError as error:
        return Finding("embedder", "problem", error.message, error.remedy)


def _device(settings: Config) -> Finding:
    """Loads the model: it may be damaged, and a provider installed without its driver."""
    import onnxruntime

    said: list[str] = []
    installed = onnxruntime.get_available_providers()
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in installed)
    try:
        choice = devices.choose(settings.device, installed)
        used = registry.load(settings.model, settings.device, said.append).providers[0]
    except ImgscoreError as error:
        return Finding("device", "problem", error.message, error.remedy)
    if said:
        return Finding("device", "warning", said[0], 'set device = "auto"')
    why = f'device = "{settings.device}", and onnxruntime has {names}'
    return Finding("device", "ok", f"{choice.device} ({used}): {why}")


def _store(settings: Config) -> Iterator[Finding]:
    folder = places.data_folder()
    above = folder
    while not above.exists():
        above = above.parent
    kind = filesystems.kind(os.fsencode(above))
    if kind in filesystems.NETWORK:
        yield Finding(
            "store", "problem", f"{folder} lies on {kind}", "set XDG_DATA_HOME to a local disk"
        )
    elif not os.access(above, os.W_OK):
        yield Finding("store", "problem", f"{above} cannot be written", "check its permissions")
    else:
        data = places.store_folder() / "data.mdb"
        size = f", {data.stat().st_size / 1e6:.1f} MB" if data.exists() else ", not made yet"
        yield Finding("store", "ok", f"{folder} on {kind or 'an unknown file system'}{size}")
    free = shutil.disk_usage(above).free
    if free < settings.daemon.free_mb * 10**6:
        yield Finding("disk", "problem", f"{free / 1e6:.0f} MB free", "free some space")
    else:
        yield Finding("disk", "ok", f"{free / 1e9:.1f} GB free")


def _daemon() -> Finding:
    path = places.socket_path()
    connection = control.connect(path)
    if connection is not None:
        connection.close()
        return Finding("daemon", "ok", f"it answers on {path}")
    return Finding("daemon", "warning", "none is running", "imgscore start")


def _folders(watch: Watch) -> Iterator[Finding]:
    for folder, role in watch.folders():
        name = os.fsdecode(folder)
        if not os.path.isdir(folder):
            yield Finding(role, "problem", f"{name} is missing", f"make it: mkdir -p '{name}'")
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield Finding(role, "problem", f"{name} cannot be read", "check its permissions")
        else:
            kind = filesystems.kind(folder)
            slow = " (no events; it is polled)" if filesystems.is_remote(folder) else ""
            yield Finding(role, "ok", f"{name} on {kind or 'an unknown file system'}{slow}")
    for marker in find_markers(Path(os.fsdecode(watch.inbox))):
        yield Finding("sync", "warning", marker.sentence, "see docs/viewers.md, Things to know")


def _inotify(watches: Watches) -> Iterator[Finding]:
    limits: dict[str, int] = {}
    for name in ("max_user_watches", "max_user_instances", "max_queued_events"):
        try:
            limits[name] = int(Path(f"/proc/sys/fs/inotify/{name}").read_text())
        except (OSError, ValueError):
            continue
    if "max_user_watches" not in limits:
        return
    count: Callable[[bytes], int] = lambda root: sum(1 for _ in os.walk(root))  # noqa: E731
    folders = sum(count(root) for root in watches.roots())
    limit = limits["max_user_watches"]
    if folders > limit // 2:
        yield Finding(
            "inotify",
            "warning",
            f"{folders} folders, and the kernel watches at most {limit}",
            f"sudo sysctl fs.inotify.max_user_watches={4 * folders}",
        )
    else:
        yield Finding("inotify", "ok", f"{folders} folders of at most {limit}")
