"""`imgscored`: runs in the foreground, logs to stderr, one instance a store; ends on SIGTERM."""

import argparse
import faulthandler
import logging
import os
import signal
import sys
from contextlib import closing, nullcontext, suppress

from imgscore import __version__, config, paths
from imgscore.engine.engine import Engine
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.store.lock import StoreLock
from imgscore.store.store import Store
from imgscore.store.verify import after_a_crash
from imgscore.system.landlock import confine_writes
from imgscore.workers import precompile
from imgscored import log
from imgscored.loop import Loop
from imgscored.mailbox import Mailbox
from imgscored.notifications import Notifications
from imgscored.power import Power
from imgscored.schedule import Schedule
from imgscored.sd_notify import sd_notify
from imgscored.server import Server
from imgscored.watcher import Watcher

logger = logging.getLogger("imgscored")


def serve(mailbox: Mailbox) -> bool:
    """Run until asked to stop (returns False) or until the config changed (returns True).

    Raises ImgscoreError if it cannot start.
    """
    settings = config.load()
    if not settings.watch:
        raise ConfigError(
            f"{paths.config_file()}: nothing is watched", "add a folder with: imgscore init INBOX"
        )
    mailbox.save_power("")  # the previous config may have had a Power that posted a reason
    with (
        Store(paths.store_folder()) as store,
        Engine(store, settings, paths.heads_folder()) as engine,
        closing(Watcher(mailbox)) as watcher,
        closing(Schedule(mailbox, settings.daemon)) as schedule,
        closing(Notifications(settings.notifications, engine.ctx.event_log)) as notifications,
        closing(Power(mailbox)) if settings.daemon.on_battery == "wait" else nullcontext(),
    ):
        loop = Loop(engine, mailbox, watcher, schedule, notifications)
        with closing(Server(paths.socket_path(), mailbox, lambda: loop.snapshot)) as server:
            loop.watchdog.follow("the control socket", server.is_alive)
            for watch in engine.ctx.watches.all:
                logger.info("watching %s", os.fsdecode(watch.inbox))
            sd_notify(READY="1")
            return loop.run()


def run() -> None:
    """Lock the store and serve, again after each change of the config."""
    mailbox = Mailbox()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: mailbox.stop())
    signal.signal(signal.SIGHUP, lambda *_: mailbox.reload())
    with StoreLock(paths.data_folder()) as lock:
        _confine()
        after_a_crash(lock, paths.store_folder())
        while serve(mailbox):
            logger.info("the config has changed")
    sd_notify(STOPPING="1")
    logger.info("stopped")


def _confine() -> None:
    """Forbid this process, by Landlock, to write outside imgscore's own folders."""
    precompile.keep()
    own = [paths.data_folder(), paths.cache_folder(), paths.runtime_folder()]
    for folder in own:
        with suppress(OSError):  # the first write there reports the reason
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not confine_writes(own):
        logger.info("this kernel has no Landlock: it does not confine this daemon's writes")


def parser() -> argparse.ArgumentParser:
    """The command line's parser. The man page is generated from it."""
    arguments = argparse.ArgumentParser(
        prog="imgscored", description="Keeps image folders in the order of your taste."
    )
    arguments.add_argument(
        "--version", action="version", version=__version__, help="print the version"
    )
    arguments.add_argument("--verbose", action="store_true", help="log more")
    return arguments


def main() -> None:
    """The console script."""
    arguments = parser().parse_args()
    faulthandler.enable()
    log.set_up(verbose=arguments.verbose)
    try:
        run()
    except ImgscoreError as error:
        logger.error("%s", error.message)
        if error.remedy:
            logger.error("what to do: %s", error.remedy)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
