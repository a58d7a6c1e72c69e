"""The stage that keeps the folders of links of the config up to date. A worker does the work.

A folder is due after any change of the labels, scores or files of its taste. Then the stage waits
until all known files are indexed.
"""

import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from imgscore.engine.context import EngineContext
from imgscore.engine.log_text import counted, short_path
from imgscore.engine.stage import Conditions, Effects, Stage
from imgscore.links.place import is_watched
from imgscore.links.settings import LinkFolder
from imgscore.watches import Watch
from imgscore.workers.link_messages import LinksRefreshed, RefreshLinks
from imgscore.workers.messages import Answer, Crashed, Refused

logger = logging.getLogger(__name__)

# The smallest number of seconds between the begin of two updates of one folder.
MIN_SECONDS = 2.0
# The largest share of the time that updates of one folder may take. An update reads all scores of a
# taste, and may have to copy images.
MAX_SHARE = 0.1
# Seconds after which a folder is tried again if it could not be written, for example because its
# disk was not mounted.
RETRY_SECONDS = 600.0


@dataclass(eq=False)
class FolderState:
    """The state of one folder of links. All times are in monotonic seconds."""

    links: LinkFolder
    due: bool = False
    runs: bool = False
    """whether a worker updates the folder now"""
    done_at: float = float("-inf")
    """the time at which the last update began"""
    seconds: float = 0.0
    """the number of seconds that the last update took"""
    retry_at: float | None = None
    """the time of the next try, if the folder could not be written"""
    files: int | None = None
    """the number of files after the last update; None before the first one"""
    problem: str | None = None

    @property
    def next_at(self) -> float:
        """The earliest time of the next update."""
        return self.done_at + max(MIN_SECONDS, self.seconds / MAX_SHARE)

    @property
    def note(self) -> str:
        """The key of the problem in the notes of the engine."""
        return f"links in {short_path(self.links.folder)}"


class LinkFolders(Stage[RefreshLinks]):
    """The stage that updates the folders of links, one at a time."""

    handles = (RefreshLinks,)

    def __init__(self, ctx: EngineContext, folders: Iterable[LinkFolder]) -> None:
        self.ctx = ctx
        self.states = [FolderState(links) for links in folders]
        for state in self.states:
            if not self._watches_of(state.links):
                folder, taste = os.fsdecode(state.links.folder), state.links.taste
                why = f"{folder}: no watched folder has the taste {taste!r}, so the links stay"
                remedy = f"give another taste: imgscore links '{folder}' --watch --taste NAME"
                self._report(state, f"{why}; {remedy}")

    def refresh_all(self) -> None:
        """Let all folders be updated, because labels may have changed while no daemon ran."""
        for state in self.states:
            state.due = True

    def receive(self, effects: Effects) -> None:
        """Let the folders of each taste be updated whose images have changed."""
        if not self.states:
            return
        tastes = effects.reorder | effects.relearn
        inboxes = effects.new_files.keys()
        tastes |= {watch.taste for watch in self.ctx.watches.all if watch.inbox in inboxes}
        everything = bool(effects.label_changes or effects.restore or effects.trash_changed)
        for state in self.states:
            regrouped = bool(effects.regrouped) and state.links.per_group > 0
            if everything or regrouped or state.links.taste in tastes:
                state.due = True

    @property
    def pending(self) -> int:
        """The number of folders that are due or that a worker updates now."""
        return sum(state.runs or self._may_begin(state) for state in self.states)

    def _may_begin(self, state: FolderState) -> bool:
        """Return whether a folder is due, and all watched folders of its taste exist.

        If one is missing, for example because a disk is not mounted, its links stay. They also stay
        if no folder with this taste is watched.
        """
        watches = self._watches_of(state.links)
        return (
            state.due
            and bool(watches)
            and all(self.ctx.is_online(watch.inbox) for watch in watches)
        )

    def _watches_of(self, links: LinkFolder) -> list[Watch]:
        return [watch for watch in self.ctx.watches.all if watch.taste == links.taste]

    def next_time(self, conditions: Conditions) -> float | None:
        """Return the time of the next update, or None if nothing is due."""
        if conditions.paused:
            return None
        times = [state.retry_at for state in self.states if state.retry_at is not None]
        if conditions.reconciled and not conditions.indexing and not self.ctx.pool.trainer_busy:
            times += [
                state.next_at for state in self.states if self._may_begin(state) and not state.runs
            ]
        return min(times, default=None)

    def advance(self, conditions: Conditions) -> None:
        """Send the folders that are due to the training worker, one at a time."""
        if conditions.paused:
            return
        for state in self.states:
            if state.retry_at is not None and state.retry_at <= conditions.now:
                state.due, state.retry_at = True, None
        if not conditions.reconciled or conditions.indexing or self.ctx.pool.trainer_busy:
            return
        for state in self.states:
            if state.runs or conditions.now < state.next_at or not self._may_begin(state):
                continue
            if self.ctx.pool.submit(self._task(state.links)):
                state.due, state.runs, state.done_at = False, True, conditions.now
            return

    def _task(self, links: LinkFolder) -> RefreshLinks:
        watches = self._watches_of(links)
        return RefreshLinks(links, watches, is_watched(links.folder, self.ctx.watches))

    def take(self, task: RefreshLinks, answer: Answer) -> None:
        """Store the result of an update, and report a problem of the folder."""
        state = next(state for state in self.states if state.links == task.links)
        state.runs = False
        match answer:
            case LinksRefreshed(files, changed, problem, seconds):
                state.files, state.seconds = files, seconds
                self._report(state, problem)
                if changed:
                    name, images = short_path(task.links.folder), counted(files, "image")
                    logger.info(
                        "links in %s: %s, %d changed in %.1f s", name, images, changed, seconds
                    )
            case Refused(reason, remedy):
                self._report(state, f"{reason}; {remedy}")
                state.retry_at = time.monotonic() + RETRY_SECONDS
            case Crashed(reason):
                self._report(state, f"{os.fsdecode(task.links.folder)}: the worker {reason}")
                state.retry_at = time.monotonic() + RETRY_SECONDS
            case _:
                state.due = True
        self.ctx.changed()

    def retry(self, task: RefreshLinks) -> None:
        """Update the folder again, because the answer could not be processed."""
        for state in self.states:
            if state.links == task.links:
                state.due, state.runs = True, False

    def _report(self, state: FolderState, problem: str | None) -> None:
        """Report a problem of a folder, or remove it. Log it only if it is new."""
        state.problem = problem
        if problem is None:
            self.ctx.notes.pop(state.note, None)
        elif self.ctx.notes.get(state.note) != problem:
            self.ctx.notes[state.note] = problem
            logger.warning("%s", problem)
