"""The checks of `imgscore doctor`. A check changes nothing, and yields findings with remedies.

If a check raises an error, `examine` yields a finding about this error. The user therefore gets a
remedy instead of a traceback.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from imgscore import config, paths
from imgscore.config import Config
from imgscore.doctor import files, folders, links, service, session, software, storage, stored_facts
from imgscore.doctor.finding import Finding
from imgscore.errors import ImgscoreError
from imgscore.watches import Watches

Check = Callable[[], Iterable[Finding]]

CHECKS = (
    "Python", "packages", "extras", "model", "config", "embedder", "device", "store", "disk",
    "lock", "socket", "daemon", "service", "confinement", "clock", "inbox", "keep", "trash",
    "stars", "hard links", "sync", "links", "desktop trash", "inotify", "files", "display", "tray",
)  # fmt: skip
"""The names of all checks. If a check needs the result of another check, the other check is earlier
in this list."""


def examine() -> Iterator[Finding]:
    """Run every check, and yield the findings."""
    stored_facts.read.cache_clear()
    yield from _run("Python", software.python)
    yield from _run("packages", software.packages)
    yield from _run("extras", software.extras)
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
        *(("inbox", partial(folders.watch_folders, watch)) for watch in watches.all),
        ("links", partial(links.link_folders, settings, watches)),
        ("desktop trash", partial(folders.desktop_trash, watches)),
        ("inotify", partial(folders.inotify, watches)),
        ("files", partial(files.files, watches)),
        ("display", session.display),
        ("tray", session.tray),
    ]
    for name, check in checks:
        yield from _run(name, check)


def _run(name: str, check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except ImgscoreError as error:
        yield Finding(name, "problem", error.message, error.remedy)
    except (OSError, ValueError, ImportError, RuntimeError, LookupError) as error:
        remedy = "correct the other problems first; if this problem stays, reinstall imgscore"
        yield Finding(name, "problem", f"the check failed: {error!r}", remedy)


def _config() -> tuple[Config, Watches, Finding]:
    """Check the config. Return the config, the watches, and the finding about the config.

    The other checks use the config and the watches. If the config is missing or invalid, return a
    config with the default settings, and no watches.
    """
    path = paths.config_file()
    if not path.exists():
        finding = Finding("config", "warning", f"{path} does not exist", "imgscore init INBOX")
        return Config(), Watches(()), finding
    try:
        settings = config.load()
        watches = Watches.of(settings)
    except ImgscoreError as error:
        return Config(), Watches(()), Finding("config", "problem", error.message, error.remedy)
    if not watches.all:
        finding = Finding(
            "config", "warning", "the config has no watched folder", "imgscore init INBOX"
        )
        return settings, watches, finding
    return settings, watches, Finding("config", "ok", str(path))
