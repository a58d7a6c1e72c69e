"""The checks of `imgscore doctor`: each looks, changes nothing, and says what to do.

A check that itself fails is a finding too: who is ill gets an answer, not a traceback.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from imgscore import config, paths
from imgscore.config import Config
from imgscore.doctor import folders, service, session, software, storage
from imgscore.doctor.finding import Finding
from imgscore.errors import ImgscoreError
from imgscore.watches import Watches

Check = Callable[[], Iterable[Finding]]

CHECKS = (
    "Python", "packages", "extras", "model", "config", "embedder", "device", "store", "disk",
    "lock", "socket", "daemon", "service", "confinement", "clock", "inbox", "keep", "trash",
    "sync", "desktop trash", "inotify", "display", "tray",
)  # fmt: skip
"""The name of every check, in the order in which one builds on another."""


def examine() -> Iterator[Finding]:
    """Every check."""
    yield from _tried("Python", software.python)
    yield from _tried("packages", software.packages)
    yield from _tried("extras", software.extras)
    settings, watches, finding = _config()
    yield finding
    checks: list[tuple[str, Check]] = [
        ("model", partial(software.model_files, settings)),
        ("embedder", partial(software.embedder, settings)),
        ("device", partial(software.device, settings)),
        ("store", storage.store),
        ("disk", partial(storage.disk, settings)),
        ("lock", storage.lock),
        ("socket", session.socket),
        ("daemon", session.daemon),
        ("service", service.service),
        ("confinement", service.confinement),
        ("clock", session.clock),
        *(("inbox", partial(folders.watch, one)) for one in watches.all),
        ("desktop trash", partial(folders.desktop_trash, watches)),
        ("inotify", partial(folders.inotify, watches)),
        ("display", session.display),
        ("tray", session.tray),
    ]
    for name, check in checks:
        yield from _tried(name, check)


def _tried(name: str, check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except ImgscoreError as error:
        yield Finding(name, "problem", error.message, error.remedy)
    except (OSError, ValueError, ImportError, RuntimeError, LookupError) as error:
        remedy = "if all else is well, reinstall imgscore"
        yield Finding(name, "problem", f"cannot be checked: {error!r}", remedy)


def _config() -> tuple[Config, Watches, Finding]:
    """What the other checks go by: the defaults, where the config cannot be used."""
    path = paths.config_file()
    if not path.exists():
        finding = Finding("config", "warning", "there is none yet", "imgscore init INBOX")
        return Config(), Watches(()), finding
    try:
        settings = config.load()
        watches = Watches.of(settings)
    except ImgscoreError as error:
        return Config(), Watches(()), Finding("config", "problem", error.message, error.remedy)
    if not watches.all:
        finding = Finding("config", "warning", "nothing is watched yet", "imgscore init INBOX")
        return settings, watches, finding
    return settings, watches, Finding("config", "ok", str(path))
