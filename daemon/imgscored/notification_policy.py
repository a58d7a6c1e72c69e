"""What is worth a notification, and when it was said before. Pure: no bus, no clock.

Each subject is said when it comes up, and not again for an hour; what many files share is said once
that all of them were looked at. What was wrong before the start was said then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Level = Literal["off", "important", "all"]

AGAIN_SECONDS = 3600.0


class Notice(NamedTuple):
    """One notification. `subject`: a newer one about the same takes its place."""

    subject: str
    title: str
    body: str
    urgent: bool = False


class Moment(NamedTuple):
    """What there is to know at one time."""

    problems: Mapping[str, str]
    """what is wrong with the machine or the config, by subject"""
    missing: Sequence[str] = ()
    """inboxes that are not there"""
    failed: Sequence[Mapping[str, Any]] = ()
    """rows of path, reason, remedy"""
    events: Sequence[Mapping[str, Any]] = ()
    """rows of the news since the last moment"""
    files: int = 0
    """how many images there are to be ordered"""
    idle: bool = True


@dataclass
class NotificationPolicy:
    """Give it one moment after the other. Times are seconds of one monotonic clock."""

    level: Level
    _up: set[str] = field(default_factory=set)
    """subjects that are wrong now"""
    _not_before: dict[str, float] = field(default_factory=dict)
    """when a subject may be said again"""
    _failed: set[str] | None = None
    """paths whose failure is known; None before the first moment"""
    _labels: int | None = None
    """from how many labels the newest head was made, as long as nobody was told"""
    _dates: int = 0
    """how many dates were changed since"""

    def due(self, moment: Moment, now: float) -> list[Notice]:
        """What is to be said now."""
        if self.level == "off":
            return []
        wrong = [_problem(subject, text) for subject, text in moment.problems.items()]
        wrong += [_missing(inbox) for inbox in moment.missing]
        found = [one for one in wrong if one.subject not in self._up]
        self._up = {one.subject for one in wrong}
        found += self._failures(moment, now)
        found += self._learned(moment)
        said = [one for one in found if self._may(one.subject, now)]
        self._not_before |= {one.subject: now + AGAIN_SECONDS for one in said}
        return said

    def _may(self, subject: str, now: float) -> bool:
        return now >= self._not_before.get(subject, now)

    def _failures(self, moment: Moment, now: float) -> list[Notice]:
        rows = {row["path"]: row for row in moment.failed}
        known = set(rows) if self._failed is None else self._failed & set(rows)
        new = [row for path, row in rows.items() if path not in known]
        self._failed = known
        if not new or not moment.idle or not self._may("failed", now):
            return []
        self._failed |= set(rows)
        if len(new) > 1:
            title = f"{len(new)} images cannot be used"
            return [Notice("failed", title, "why, and what to do: imgscore status")]
        body = f"{new[0]['path']}: {new[0]['reason']}"
        return [Notice("failed", "An image cannot be used", body)]

    def _learned(self, moment: Moment) -> list[Notice]:
        for event in moment.events:
            if event["event"] == "trained" and event["used"]:
                self._labels = event["labels"]
                self._dates = 0
            elif event["event"] == "ordered":
                self._dates += event["files"]
        if self._labels is None or not moment.idle:
            return []
        labels, self._labels = self._labels, None
        if self.level != "all":
            return []
        moved = f"{self._dates} of {moment.files} images have a new place"
        return [Notice("learned", "imgscore has learned", f"from {labels} labels: {moved}")]


def _problem(subject: str, text: str) -> Notice:
    title = "imgscore waits: the disk is nearly full" if subject == "disk" else "imgscore is stuck"
    return Notice(subject, title, text, urgent=True)


def _missing(inbox: str) -> Notice:
    body = f"{inbox}: no label and no date is lost, and it goes on when the folder is back"
    return Notice(f"missing {inbox}", "A folder of imgscore is not there", body)
