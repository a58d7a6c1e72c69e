"""The program `imgscored`: the daemon, which runs in the foreground and logs to stderr.

Each store has at most one daemon. SIGTERM ends the daemon.
"""

from imgscored import light_imports  # noqa: F401 - before any import of OpenSSL

# isort: split
import argparse
import faulthandler
import logging
import os
import signal
import sys
import time
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import NoReturn

from imgscore import __version__, client, config, paths
from imgscore.engine.engine import open_engine
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.links.settings import existing
from imgscore.store import verify
from imgscore.store.lock import BusyError, StoreLock
from imgscore.store.store import Store
from imgscore.system import accelerators, private, standard_streams
from imgscore.system.landlock import confine_writes
from imgscore.system.upgrade import program_files
from imgscore.workers import precompile
from imgscored import log
from imgscored.loop import Ending, Loop
from imgscored.mailbox import Mailbox
from imgscored.notifications import Notifications
from imgscored.power import Power
from imgscored.renewal import MIN_GROWTH, SECONDS, SIGNALS, Renewal, start_again
from imgscored.schedule import Schedule
from imgscored.sd_notify import by_service_manager, sd_notify
from imgscored.server import Server
from imgscored.startup import StartupReport
from imgscored.watcher import Watcher

logger = logging.getLogger("imgscored")

LOCK_SECONDS = 10.0
"""The longest wait at the start, in seconds, for a command that has locked the store. Most commands
take a few seconds."""
LOCK_RETRY_SECONDS = 0.05


def serve(
    mailbox: Mailbox,
    report: StartupReport,
    terminal: log.Terminal | None = None,
    renewal: Renewal | None = None,
) -> Ending:
    """Run the daemon until it must stop, or start again, or until the config changes.

    `terminal`: the terminal that shows what to do next, or None. `renewal`: decides when to start
    again; None means never.

    Return the reason. Raises ImgscoreError if the daemon cannot start.
    """
    settings = config.load()
    if not settings.watch and by_service_manager():
        # `imgscore unwatch` may have removed the last folder. The service stays installed, and it
        # must not fail at each login. Also a service that ends at once must send READY.
        logger.info("no folder is watched; add a folder: imgscore init INBOX")
        sd_notify(READY="1", STATUS="no folder is watched")
        return "stop"
    if not settings.watch:
        raise ConfigError(
            f"{paths.config_file()}: no folder is watched", "add a folder: imgscore init INBOX"
        )
    # Delete a reason to save power that was posted while the previous config was in use.
    mailbox.save_power("")
    with (
        Store(paths.store_folder()) as store,
        open_engine(store, settings, paths.heads_folder()) as engine,
        closing(Watcher(mailbox)) as watcher,
        closing(Schedule(mailbox, settings.daemon)) as schedule,
        closing(Notifications(settings.notifications, engine.ctx.event_log)) as notifications,
        closing(Power(mailbox)) if settings.daemon.on_battery == "wait" else nullcontext(),
    ):
        engine.link_folders.refresh_all()
        loop = Loop(engine, mailbox, watcher, schedule, notifications, terminal, renewal)
        with closing(Server(paths.socket_path(), mailbox, lambda: loop.snapshot)) as server:
            loop.watchdog.follow("the control socket", server.is_alive)
            for watch in engine.ctx.watches.all:
                logger.info("watching %s", os.fsdecode(watch.inbox))
            sd_notify(READY="1")
            report.ready()
            ending = loop.run()
        if ending == "renew":  # The socket is closed: followers connect to the new start only.
            loop.end_calls()
        # A client may have connected since the loop ended, or reads the rest of an answer.
        return "resume" if ending == "renew" and server.has_clients() else ending


def run(
    report: StartupReport,
    terminal: log.Terminal | None = None,
    renewal: Renewal | None = None,
    lock_descriptor: int | None = None,
) -> None:
    """Lock the store and serve clients. Start again after each change of the config.

    `renewal`: see `serve`. `lock_descriptor`: the lock, if this program has started itself again.
    """
    mailbox = Mailbox()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: mailbox.stop())
    signal.signal(signal.SIGHUP, lambda *_: mailbox.reload())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    inherited = lock_descriptor is not None
    lock = StoreLock(paths.data_folder(), lock_descriptor) if inherited else _lock(mailbox)
    if lock is not None:
        with lock:
            if not inherited:  # Otherwise this process has its limits already.
                _confine()
            verify.before_use(lock, paths.store_folder())
            lock.publish(paths.socket_path())
            while (ending := serve(mailbox, report, terminal, renewal)) != "stop":
                if ending == "renew" and mailbox.is_empty:
                    start_again(lock, lambda: not mailbox.is_empty)
                    lock.publish(paths.socket_path())
                    if mailbox.is_empty:  # It is impossible.
                        renewal = None
                elif ending == "reload":
                    logger.info("the config has changed")
    sd_notify(STOPPING="1")
    logger.info("stopped")


def _lock(mailbox: Mailbox) -> StoreLock | None:
    """Lock the store and return the lock, or None if a signal requests a stop.

    If a command has locked the store, wait until the command has finished. Raises BusyError if the
    wait is too long, or if another daemon has locked the store.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    waiting = False
    while True:
        try:
            return StoreLock(paths.data_folder())
        except BusyError as error:
            if mailbox.take().stop:
                return None
            if time.monotonic() >= deadline or _another_daemon_runs():
                raise
            if not waiting:
                logger.info("waiting up to %.0f s: %s", LOCK_SECONDS, error.message)
            waiting = True
        time.sleep(LOCK_RETRY_SECONDS)


def _another_daemon_runs() -> bool:
    connection = client.connect_to_daemon()
    if connection is None:
        return False
    connection.close()
    return True


def _confine() -> None:
    """Use Landlock to forbid this process to write outside of imgscore's own folders.

    They include the folders of links that the config names now. A later change of the config cannot
    add one: the limit cannot be widened.
    """
    precompile.compile_once()
    own = [paths.data_folder(), paths.cache_folder(), paths.runtime_folder()]
    for folder in own:
        with suppress(OSError):
            # If a folder cannot be created, the first write into it raises an error.
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A worker that uses an accelerator inherits these limits, and limits itself further.
    by_children = accelerators.written_by_children() if accelerators.is_present() else ()
    folders = list(own)
    with suppress(ImgscoreError):  # `serve` reports an error of the config.
        folders += [Path(os.fsdecode(folder)) for folder in existing(config.load())]
    if not confine_writes(folders, by_children):
        logger.info(
            "this kernel has no Landlock, so nothing limits which files the daemon can write"
        )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. The man page is generated from this parser."""
    arguments = argparse.ArgumentParser(
        prog="imgscored", description="Keeps image folders in the order of your taste."
    )
    arguments.add_argument(
        "--version", action="version", version=__version__, help="print the version"
    )
    arguments.add_argument("--verbose", action="store_true", help="log more")
    arguments.add_argument("--startup-descriptor", type=int, help=argparse.SUPPRESS)
    # The program passes the descriptor of the lock to itself. Tests set the limits of a new start.
    arguments.add_argument("--lock-descriptor", type=int, help=argparse.SUPPRESS)
    arguments.add_argument("--renew-after", type=float, default=SECONDS, help=argparse.SUPPRESS)
    arguments.add_argument("--renew-growth", type=int, default=MIN_GROWTH, help=argparse.SUPPRESS)
    return arguments


def main() -> None:
    """Run the daemon. This is the entry point of the console script."""
    standard_streams.open_closed()
    arguments = parser().parse_args()
    faulthandler.enable()
    program_files.remember()
    terminal = log.set_up(verbose=arguments.verbose)
    report = StartupReport(arguments.startup_descriptor)
    try:
        private.protect(paths.private_folders())
        run(report, terminal, _renewal(arguments, terminal), arguments.lock_descriptor)
    except ImgscoreError as error:
        _end(report, error)
    except OSError as error:
        logger.debug("the daemon ends", exc_info=True)
        name = f"{error.filename}: " if error.filename else ""
        _end(report, ImgscoreError(f"{name}{error.strerror or error}", "check the permissions"))


def _renewal(arguments: argparse.Namespace, terminal: log.Terminal | None) -> Renewal | None:
    """Return what decides about new starts; None: never. A daemon in a terminal never restarts."""
    if terminal is not None:
        return None
    renewed = arguments.lock_descriptor is not None
    return Renewal(arguments.renew_after, arguments.renew_growth, renewed=renewed)


def _end(report: StartupReport, error: ImgscoreError) -> NoReturn:
    logger.error("%s", error.message)
    if error.remedy:
        logger.error("what to do: %s", error.remedy)
    report.failed(error)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
