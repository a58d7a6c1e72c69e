"""The report that `imgscore doctor --bundle` writes: facts for a bug report, without names.

The report contains versions, settings, counts, times, the findings of the doctor and the last lines
of the log. Paths, tastes, words of the config, and the names of the user and of the computer are
hashed or hidden: see scrub.py. No digest of an image is in the report.
"""

import getpass
import json
import os
import platform
import pwd
import re
import secrets
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import msgspec

from imgscore import __version__, client, config, paths
from imgscore.config import Config
from imgscore.doctor.finding import Finding
from imgscore.doctor.scrub import Scrubber
from imgscore.embedders import catalogue, lite0_spec, registry
from imgscore.errors import ImgscoreError, UsageError
from imgscore.fsutil import open_regular
from imgscore.store import counts, heads, labels, verify
from imgscore.store.store import TABLES, Store
from imgscore.system import mounts, systemd
from imgscore.verbs.base import rows_of
from imgscore.verbs.status import Request
from imgscore.watches import Watches

FORMAT = 1
"""The version of the report's format."""
LOG_LINES = 200
"""The largest number of lines of a log in the report."""
LOG_BYTES = 100_000
"""The number of bytes at the end of a log file that are read."""
STATUS_SECONDS = 10.0
"""The longest time to wait for the status of the daemon, in seconds."""
JOURNAL_SECONDS = 10.0
"""The longest time to wait for journalctl, in seconds."""
PUBLIC = (lite0_spec.ID, registry.BUILT_IN, "sha256", *catalogue.UFORM)
PATH_KEYS = frozenset({"path", "inbox", "keep", "trash", "grades", "keep_folder", "trash_folder"})
COUNTED_KEYS = frozenset({"like", "dislike"})
LEFT_OUT_KEYS = frozenset({"sha256", "events", "failed", "examples", "hint"})


def collect(findings: Sequence[tuple[Finding, float]]) -> dict[str, Any]:
    """Return the report. `findings`: the findings of the doctor, each with its time in seconds."""
    settings = _settings()
    names = [*_names(settings), *(("taste", taste) for taste in _stored_tastes())]
    scrubber = Scrubber(secrets.token_bytes(16), names, PUBLIC)
    return {
        "format": FORMAT,
        "about": "made by imgscore doctor --bundle; names are hashed with a random key, or hidden",
        "versions": _versions(),
        "machine": _machine(settings),
        "config": None if settings is None else _tree(scrubber, msgspec.to_builtins(settings)),
        "status": _status(scrubber),
        "store": _store(scrubber),
        "findings": [
            {
                "check": finding.check,
                "state": finding.state,
                "detail": scrubber.text(finding.detail),
                "remedy": scrubber.text(finding.remedy),
                "seconds": round(seconds, 3),
            }
            for finding, seconds in findings
        ],
        "logs": {name: [scrubber.text(line) for line in lines] for name, lines in _logs()},
    }


def write(report: Mapping[str, Any], file: Path) -> None:
    """Write a report into a new file that only the user can read.

    Raises UsageError if the file exists or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags, 0o600)
    except FileExistsError:
        raise UsageError(f"{file} exists already", "give the name of a new file") from None
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", "give a file in another folder"
        ) from None
    with open(descriptor, "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=1, ensure_ascii=True)
        stream.write("\n")


def _settings() -> Config | None:
    """Return the config. If it is missing or wrong, return None: a finding says why."""
    with suppress(ImgscoreError):
        return config.load() if paths.config_file().exists() else Config()
    return None


def _names(settings: Config | None) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) for each name that a text may contain."""
    yield "host", platform.node()
    yield "host", platform.node().partition(".")[0]
    with suppress(KeyError, OSError):
        user = pwd.getpwuid(os.getuid())
        yield "user", user.pw_name
        yield from (("user", part) for part in re.split(r"[ ,]+", user.pw_gecos))
        yield "path", user.pw_dir
    with suppress(KeyError, OSError):
        yield "user", getpass.getuser()
    for folder in (paths.config_file(), *paths.private_folders()):
        yield "folder", os.fspath(folder)
        yield "folder", os.path.realpath(folder)
    yield from (("path", os.fspath(folder)) for folder in (Path.home(), Path.cwd()))
    if settings is None:
        return
    for watch in Watches.of(settings).all:
        yield "taste", watch.taste
        yield from (("path", os.fsdecode(folder)) for folder, _ in watch.folders())
    for table in settings.watch:
        yield from (("path", name) for name in _strings(table.keep, table.trash, table.inbox))
        for phrase in (*table.like, *table.dislike):
            yield "word", phrase
            yield from (("word", word) for word in phrase.split())
    if not _is_public(settings.model):
        yield "path", settings.model


def _strings(*values: str | list[str]) -> Iterator[str]:
    for value in values:
        yield from [value] if isinstance(value, str) else value


def _is_public(model: str) -> bool:
    """Return whether a model is one of those that `imgscore model list` names for everybody."""
    return model == registry.BUILT_IN or model in catalogue.UFORM


def _versions() -> dict[str, str]:
    """Return the versions of imgscore, Python, the kernel, and the packages that imgscore uses."""
    found = {"imgscore": __version__, "python": platform.python_version()}
    # The name of a kernel that a user has built can contain any name.
    found["kernel"] = ".".join(re.findall(r"\d+", platform.release())[:3])
    with suppress(PackageNotFoundError):
        for requirement in requires("imgscore") or ():
            name = re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]
            with suppress(PackageNotFoundError):
                found[name] = version(name)
    return found


def _machine(settings: Config | None) -> dict[str, Any]:
    folders = {"store": os.fsencode(paths.data_folder())}
    if settings is not None:
        watches = Watches.of(settings).all
        folders |= {f"inbox {at}": watch.inbox for at, watch in enumerate(watches, 1)}
    return {
        "architecture": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6,
        "file_systems": {name: mounts.kind(folder) for name, folder in folders.items()},
        "display": sorted({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()),
    }


def _tree(scrubber: Scrubber, value: Any, key: str = "") -> Any:
    """Scrub decoded JSON. The keys stay: they are the names of settings or of fields."""
    match value:
        case dict():
            return {
                name: _tree(scrubber, inner, key if key == "grades" else name)
                for name, inner in value.items()
                if name not in LEFT_OUT_KEYS
            }
        case list() if key in COUNTED_KEYS:
            return len(value)
        case list():
            return [_tree(scrubber, inner, key) for inner in value]
        case str() if key in PATH_KEYS:
            return scrubber.path(value)
        case str() if key == "taste":
            return value if value == "default" else scrubber.hashed(value, "taste")
        case str() if key == "model":
            return value if _is_public(value) else scrubber.hashed(value, "model")
        case str() if key == "embedder":
            return value if value == lite0_spec.ID else scrubber.hashed(value, "embedder")
        case str():
            return scrubber.text(value)
        case _:
            return value


def _status(scrubber: Scrubber) -> dict[str, Any] | None:
    """Return the status of a running daemon. Return None without a daemon, or if it hangs."""
    began = time.monotonic()
    with suppress(ImgscoreError, OSError):
        connection = client.connect_to_daemon()
        if connection is None:
            return None
        with connection:
            connection.settimeout(STATUS_SECONDS)
            (status,) = rows_of(client.call(connection, Request()))
        tree: dict[str, Any] = _tree(scrubber, msgspec.to_builtins(status))
        reasons = Counter(scrubber.text(file.reason) for file in status.failed)
        kinds = Counter(type(event).__name__ for event in status.events)
        return tree | {
            "failed": dict(reasons.most_common(50)),
            "events": dict(kinds),
            "seconds": round(time.monotonic() - began, 3),
        }
    return None


def _stored_tastes() -> list[str]:
    """Return the names of the tastes in the store, also of those that no watch has any more."""
    with suppress(ImgscoreError, OSError), _reading() as store:
        if store is not None:
            with store.read() as txn:
                return sorted(counts.tastes(txn) | labels.tastes(txn))
    return []


def _store(scrubber: Scrubber) -> dict[str, Any] | None:
    """Return the sizes and counts of the store. Return None if it is missing or damaged."""
    with suppress(ImgscoreError, OSError), _reading() as store:
        if store is not None:
            with store.read() as txn:
                return {
                    "bytes": store.file.stat().st_size,
                    "used_bytes": store.used_bytes(),
                    "entries": {name: len(txn.raw_table(name)) for name in TABLES},
                    "tastes": {
                        _tree(scrubber, taste, "taste"): {
                            **labels.totals(txn, taste),
                            "heads": len(heads.of_taste(txn, taste)),
                        }
                        for taste in sorted(counts.tastes(txn) | labels.tastes(txn))
                    },
                }
    return None


@contextmanager
def _reading() -> Iterator[Store | None]:
    """Yield the store, opened to read, or None if there is none."""
    if not (paths.store_folder() / "data.mdb").exists():
        yield None
        return
    verify.before_reading(paths.data_folder(), paths.store_folder())
    with Store(paths.store_folder(), readonly=True) as store:
        yield store


def _logs() -> Iterator[tuple[str, list[str]]]:
    """Yield the last lines of the log file and of the journal."""
    with suppress(OSError), open_regular(paths.cache_folder() / "imgscored.log") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
        yield "file", file.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    with suppress(OSError, ImgscoreError, subprocess.SubprocessError):
        if systemd.state().executable is not None:
            command = ["journalctl", "--user", f"--unit={systemd.NAME}", "--output=cat"]
            command += [f"--lines={LOG_LINES}", "--no-pager"]
            done = subprocess.run(
                command, capture_output=True, check=False, timeout=JOURNAL_SECONDS
            )
            yield "journal", done.stdout.decode(errors="replace").splitlines()
