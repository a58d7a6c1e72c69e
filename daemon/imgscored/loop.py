"""The daemon's main loop, on one thread: read the mailbox, answer calls, step the engine.

No error ends the loop, except that of a corrupt store: `Loop.run` raises it, and the daemon ends
with a message. Any other error is logged, is a problem in the status, and delays only its part.
"""

import logging
import time
from typing import Any, Literal

import msgspec

from imgscore import config, paths, protocol
from imgscore.embedders import devices, registry
from imgscore.engine.engine import Engine
from imgscore.engine.problems import remedy_of, remedy_of_defect
from imgscore.errors import ConfigError, CorruptStoreError, ImgscoreError
from imgscore.links.settings import folders_of
from imgscore.messages import Progress
from imgscore.reconcile.scan import changed_files
from imgscore.verbs import registry as verb_registry
from imgscore.verbs import status as status_verb
from imgscore.verbs.base import Steps
from imgscore.watches import Watches
from imgscored.idle_memory import IdleMemory
from imgscored.log import Terminal
from imgscored.mailbox import END, FOLLOWS, Call, Mailbox, Pending
from imgscored.notifications import Notifications
from imgscored.renewal import Renewal
from imgscored.schedule import Schedule
from imgscored.sd_notify import sd_notify
from imgscored.sd_watchdog import ServiceWatchdog
from imgscored.watcher import Watcher

logger = logging.getLogger(__name__)

# The largest number of seconds between two attempts to continue a client's call.
CALL_SECONDS = 0.25
# The creation of the status takes at most 1/STATUS_SHARE of the loop's time. A status lists every
# failed file, and there may be thousands.
STATUS_SHARE = 20
MIN_STATUS_SECONDS = 0.2
# A worker is treated as hung if it uses no CPU time for `file_seconds` plus this number of seconds.
# If a file takes too long, an alarm normally ends the worker after `file_seconds`.
GRACE_SECONDS = 5.0
# Seconds until the next round, after an error of a round. Without the pause, an error that occurs
# in each round would use all CPU time.
ERROR_SECONDS = 1.0
# Why a loop ends. "renew": the program must start again, to return memory. "resume": it must not,
# because a client has come at this moment, and a new loop must serve it.
Ending = Literal["stop", "reload", "renew", "resume"]


class Loop:
    """The daemon's main loop. `snapshot` is the newest status."""

    def __init__(
        self,
        engine: Engine,
        mailbox: Mailbox,
        watcher: Watcher,
        schedule: Schedule,
        notifications: Notifications | None = None,
        terminal: Terminal | None = None,
        renewal: Renewal | None = None,
    ) -> None:
        self._engine = engine
        self._mailbox = mailbox
        self._watcher = watcher
        self._schedule = schedule
        self._notifications = notifications
        self._terminal: Terminal | None = None
        self._calls: list[tuple[Call, Steps[Any]]] = []
        self._is_working = False
        """whether a call has reported progress, and goes on without a wait"""
        self._published = (-1, -1)
        self._published_all = True  # whether the last status could be created
        self._config_problem = ""
        self._saving = ""
        self._publish_at = 0.0
        silence = engine.ctx.config.daemon.file_seconds + GRACE_SECONDS
        self._memory = IdleMemory(engine.ctx.store, renewal)
        self.watchdog = ServiceWatchdog(engine.ctx.pool, silence)
        self.watchdog.follow("the watcher", watcher.is_alive)
        self.watchdog.follow("the schedule", schedule.is_alive)
        # Read the list of verbs now. Later, the system may have no free file descriptor.
        verb_registry.names()
        self.snapshot = status_verb.of_a_start()
        self.publish()
        # The terminal shows no status from before the first scan.
        self._terminal = terminal

    def run(self) -> Ending:
        """Run until there is a reason to end, and return it. Raises CorruptStoreError.

        Unfinished work is left for the next start.
        """
        for call in self._mailbox.asked_for_reload():
            _answer(call, None)
        with self._engine.ctx.problems.errors_of(self):
            self._watch()
        self._engine.indexer.hint_all()
        while True:
            pending = self._mailbox.take()
            if pending.stop or (pending.reload and self._config_is_valid()):
                for call in pending.calls:  # The Loop that runs next answers these calls.
                    self._mailbox.call(call)
                break
            for call in pending.calls:
                self._begin(call)
            self._round(pending)
            if self._memory.must_renew and self._only_followed and self._mailbox.is_empty:
                return "renew"
        self.end_calls()
        return "stop" if pending.stop else "reload"

    def end_calls(self) -> None:
        """Send an error to all clients that wait. Clients that follow the log connect again."""
        error = ImgscoreError("the daemon is stopping", "start the daemon again: imgscore start")
        for call, steps in self._calls:
            steps.close()
            _answer(call, error)

    def _round(self, pending: Pending) -> None:
        """Do one round of the loop. After an unexpected error, pause a little."""
        problems = self._engine.ctx.problems
        with problems.errors_of(self):
            self._pass_on(pending)
            asked = any(call.works_on_battery for call, _ in self._calls)
            self._engine.save_power(None if asked else self._saving or None)
            self._advance_calls()
            self._publish_if_due()
            if self._memory.observe(self._state(), idle=self._is_idle()):
                self.publish()  # The status contains the memory of the daemon.
            self._engine.step(self._timeout(), wake=self._mailbox.descriptor)
            self.watchdog.beat()
            if not problems.waits(self, time.monotonic()):
                problems.solved(self)
            return
        with problems.errors_of(self):
            self._engine.indexer.recover()  # A scan finds the files whose hints were lost.
        self._mailbox.wait(ERROR_SECONDS)

    def _pass_on(self, pending: Pending) -> None:
        """Pass the posted hints and maintenance jobs to the engine."""
        indexer = self._engine.indexer
        if pending.everything or "roots" in pending.jobs or pending.trees:
            pending.everything |= self._watch()
            indexer.recheck_unread()
        if pending.everything:
            indexer.hint_all()
        for root in pending.trees:
            indexer.hint_tree(root)
        for path in pending.files:
            indexer.hint(path)
            self._engine.rating_reader.hint(path)
        for path in changed_files(self._engine.ctx.store, pending.dates):
            indexer.hint(path)
        if "trash" in pending.jobs:
            self._engine.trash_monitor.hint()
        if pending.saving is not None:
            self._saving = pending.saving
        if "backup" in pending.jobs:
            self._engine.backup_job.due()
        if "prune" in pending.jobs:
            self._engine.pruner.due()
        if "readers" in pending.jobs:
            self._engine.ctx.store.release_dead_readers()

    def _watch(self) -> bool:
        """Watch the folders of the config. Poll the folders that cause no events.

        Return whether the set of watched or polled folders changed.
        """
        trash = [trash.info for trash in self._engine.trash_monitor.trashes()]
        indexer = self._engine.indexer
        if not self._watcher.watch(
            self._engine.ctx.watches.roots(), trash, indexer.left_alone.unlisted
        ):
            return False
        self._schedule.poll(self._watcher.polled)
        self._engine.ctx.changed()
        return True

    def _schedule_checks(self) -> None:
        """Check the watched folders again and again only if the kernel may report no change."""
        indexer = self._engine.indexer
        unread = bool(indexer.left_alone.unlisted) or indexer.retries.has_unread
        self._schedule.check_roots(self._watcher.must_ask_again or unread)

    def _config_is_valid(self) -> bool:
        """Return whether the changed config can be used.

        If it cannot be used, log the reason and keep the old config.
        """
        try:
            _check_config()
        except ImgscoreError as error:
            logger.error("%s; %s", error.message, error.remedy)
            self._config_problem = f"{error.message}; {error.remedy}"
            self._engine.ctx.changed()
            for call in self._mailbox.asked_for_reload():
                _answer(call, error)
            return False
        return True

    def _begin(self, call: Call) -> None:
        try:
            if call.verb == "stop":
                self._mailbox.stop()
                _answer(call, None)
                return
            if call.verb == "reload":
                # An invalid config raises an error here, and the old config stays in use.
                _check_config()
                # This Loop ends. The Loop that uses the new config answers the call.
                self._mailbox.reload(call)
                return
            request = verb_registry.parse(call.verb, call.arguments)
            steps = verb_registry.run(self._engine, request)
        except CorruptStoreError:
            raise
        except ImgscoreError as error:
            _answer(call, error)
            return
        except Exception as error:
            # One possible cause is an upgrade of imgscore while the daemon runs.
            logger.exception("%s cannot be started", call.verb)
            _answer(call, _unexpected(call.verb, error))
            return
        call.works_on_battery = request.works_on_battery
        self._calls.append((call, steps))

    def _timeout(self) -> float | None:
        """Return the largest number of seconds that the loop may wait.

        None means that the loop may wait until a message or a worker's answer arrives.
        """
        if self._is_working:
            return 0.0
        calls = None if self._only_followed else CALL_SECONDS
        times = [calls, self.watchdog.wait(), self._memory.wait(may_renew=self._only_followed)]
        if self._published != self._state():
            times.append(max(0.0, self._publish_at - time.monotonic()))
        return min((time for time in times if time is not None), default=None)

    def _advance_calls(self) -> None:
        """Continue each call of a client until it is finished, must wait, or reports progress.

        After a Progress message, other calls and the engine take a step before the call goes on.
        """
        waiting: list[tuple[Call, Steps[Any]]] = []
        self._is_working = False
        # Continue the calls of `watch-log` after all other calls. They then send the events that
        # the other calls cause.
        for call, steps in sorted(self._calls, key=lambda item: item[0].verb == FOLLOWS):
            if call.cancelled:
                steps.close()
                continue
            try:
                for message in steps:
                    if message is None:
                        waiting.append((call, steps))
                        break
                    call.answers.put(protocol.message_line(message))
                    if isinstance(message, Progress):
                        waiting.append((call, steps))
                        self._is_working = True
                        break
                else:
                    self._end(call, None)
            except CorruptStoreError as error:
                _answer(call, error)
                raise
            except ImgscoreError as error:
                self._end(call, error)
            except Exception as error:  # A verb that fails must not end the daemon.
                logger.exception("%s failed", call.verb)
                self._end(call, _unexpected(call.verb, error))
        self._calls = waiting

    def _end(self, call: Call, error: ImgscoreError | None) -> None:
        """Publish the status, then send the end of the answer.

        If the client requests the status next, the status already contains the effects of this
        call.
        """
        if self._published != self._state():
            self.publish()
        _answer(call, error)

    def _publish_if_due(self) -> None:
        now = time.monotonic()
        if self._published == self._state():
            return
        if now >= self._publish_at or (self._engine.idle and self._published_all):
            self.publish()
            least = MIN_STATUS_SECONDS if self._published_all else ERROR_SECONDS
            self._publish_at = now + max(least, STATUS_SHARE * (time.monotonic() - now))

    def _state(self) -> tuple[int, int]:
        return self._engine.ctx.version, self._engine.pending

    def _is_idle(self) -> bool:
        """Return whether the daemon has nothing to do, apart from clients that follow the log."""
        return self._only_followed and self._engine.idle and not self._engine.ctx.pool.alive

    @property
    def _only_followed(self) -> bool:
        """Whether no client waits for an answer, apart from clients that follow the log."""
        return all(call.verb == FOLLOWS for call, _ in self._calls)

    def publish(self) -> None:
        """Create a new status, store it in `snapshot`, and send it to the service manager.

        If it cannot be created, for example because the system has no free file descriptor, keep
        the old status, and add the reason to its problems.
        """
        published = self._state()
        self._schedule_checks()
        problems = self._engine.ctx.problems
        old = problems.texts_of(_STATUS)
        self._published_all = False
        with problems.errors_of(_STATUS):
            status = status_verb.status(self._engine, running=True)
            self._published, self._published_all = published, True
            problems.solved(_STATUS)
            status.troubles = [text for text in status.troubles if text not in old]
            self._add_problems(status)
            return
        self.snapshot = msgspec.structs.replace(self.snapshot, troubles=[*problems.values()])

    def _add_problems(self, status: status_verb.Response) -> None:
        """Add the problems of the watcher and of the config to a status, and publish it."""
        status.troubles += [
            f"{root.decode(errors='replace')}: polled: {why}"
            for root, why in self._watcher.polled.items()
        ]
        if self._config_problem:
            status.troubles.append(self._config_problem)
        self.snapshot = status
        sd_notify(STATUS=summary(status))
        if self._terminal is not None:
            self._terminal.look(status)
        if self._notifications is not None:
            self._notifications.look(status, self._problems())

    def _problems(self) -> dict[str, str]:
        """Return the present problems of the machine, the config and the training, by subject."""
        problems, tastes = dict(self._engine.ctx.problems), self._engine.trainer.tastes.items()
        problems |= {f"training {taste}": of.problem for taste, of in tastes if of.problem}
        return problems | ({"config": self._config_problem} if self._config_problem else {})


class Status:
    """The owner of the problems that prevent a new status."""


_STATUS = Status()


def _unexpected(verb: str, error: Exception) -> ImgscoreError:
    """Return the error that a client receives after an unexpected exception."""
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return ImgscoreError(
            f"{verb}: {name}{error.strerror or error}",
            remedy_of(error, "check the name and the permissions of the file"),
        )
    return ImgscoreError(f"{verb}: {error!r}", remedy_of_defect())


def _check_config() -> None:
    """Raise ConfigError if the config cannot be used."""
    settings = config.load()
    if not settings.watch:
        raise ConfigError(
            f"{paths.config_file()}: no folder is watched", "add a folder: imgscore init INBOX"
        )
    folders_of(settings, Watches.of(settings))
    registry.spec(settings.model, use_filename=settings.use_filename)
    devices.check(settings.device)


def summary(status: status_verb.Response) -> str:
    """Return a summary of a status as one line, for the service manager."""
    files = sum(watch.files for watch in status.watches)
    return (
        f"{status.state}: {files} images, {status.pending} pending"
        + (f", waiting: {status.waiting}" if status.waiting else "")
        + (f", {len(status.failed)} failed" if status.failed else "")
        + "".join(f"; {problem}" for problem in status.troubles)
    )


def _answer(call: Call, error: ImgscoreError | None) -> None:
    """Put the last line of an answer into the queue of the call, then END."""
    call.answers.put({"done": True} if error is None else protocol.error_line(error))
    call.answers.put(END)
