"""Store ratings that were read from files, and log the labels that follow, in one transaction.

The rules are in reconcile/rating_rules.py. This module collects the facts.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Literal

from imgscore.engine import siblings
from imgscore.engine.label_change import LabelChange
from imgscore.engine.stage import Effects
from imgscore.images.ratings import names
from imgscore.images.ratings.values import grade_of_stars
from imgscore.reconcile import rating_rules
from imgscore.reconcile.label_rules import FROM_FOLDER, MOVE_WINDOW_NS
from imgscore.reconcile.rating_rules import Reading
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store import labels, originals, ratings, sightings, written_ratings
from imgscore.store.ratings import RatedFile
from imgscore.store.schema import Label, LabelEvent, Sighting, event_value
from imgscore.store.transaction import Txn
from imgscore.watches import Place, Watches, grade_of
from imgscore.workers.rating_messages import RatingSource, RatingsRead


def images_of(txn: Txn, sidecar: bytes) -> Iterator[bytes]:
    """Yield the paths of the present images that a sidecar belongs to."""
    for path in names.images_of(sidecar):
        sighting = sightings.find(txn, path)
        if sighting is not None and not sighting.gone_ns:
            yield path


def store_batch(
    txn: Txn, batch: Iterable[tuple[bytes, RatingsRead | None]], watches: Watches, now_ns: int
) -> Effects:
    """Store a batch of ratings, and return the effects on other stages.

    `batch`: the path of each image, and its ratings; None if they cannot be read.
    """
    effects = Effects()
    for path, answer in batch:
        first = ratings.dequeue(txn, path)
        place, sighting = watches.image_place(path), sightings.find(txn, path)
        if answer is None or place is None or not place.watch.ratings:
            continue
        if sighting is None or sighting.gone_ns:
            continue
        if sighting.seen != answer.seen:
            # The ratings may belong to other bytes than those of the sighting.
            ratings.enqueue(txn, path, new=first)
            if fingerprint_of(path) == sighting.seen:  # imgscore has set the date of the file.
                effects.unrated.add(path)
            # Otherwise the image is indexed soon, and its ratings are read then.
            continue
        _store_sidecars(txn, path, answer.sources)
        _Image(txn, watches, place, sighting, now_ns).store(answer.sources, first, effects)
    return effects


def _store_sidecars(txn: Txn, image: bytes, sources: list[RatingSource]) -> None:
    """Record the states in which the sidecars of an image were read. Forget missing sidecars."""
    present = {source.path: source.seen for source in sources if source.path != image}
    for path, seen in present.items():
        ratings.record_sidecar(txn, path, seen)
    for path in (*names.exact_sidecars(image), *names.stem_sidecars(image)):
        if path not in present and ratings.knows_sidecar(txn, path) and not os.path.lexists(path):
            ratings.record_sidecar(txn, path, None)


def values_of(txn: Txn, image: bytes, sources: list[RatingSource]) -> dict[str, float]:
    """Return the value of each source that other programs have rated.

    A program can copy the stars that imgscore wrote into a sidecar, without the mark that they are
    imgscore's. Therefore the stars that imgscore wrote last for the image are left out.
    """
    values: dict[str, float] = {
        source.name: source.value for source in sources if source.value is not None
    }
    written = written_ratings.find(txn, image, "sidecar")
    if written is None:
        return values
    own = grade_of_stars(written.stars)
    return {name: value for name, value in values.items() if value != own}


class _Image:
    """An image whose ratings were read, and the records about it."""

    def __init__(
        self, txn: Txn, watches: Watches, place: Place, sighting: Sighting, now_ns: int
    ) -> None:
        self.txn = txn
        self.watches = watches
        self.place = place
        self.path = sighting.path
        self.digest = sighting.digest
        self.now_ns = now_ns
        self.taste = place.watch.taste
        self.label = labels.current(txn, self.taste, self.digest)
        self.before = ratings.find(txn, self.path)

    def store(self, sources: list[RatingSource], first: bool, effects: Effects) -> None:
        """Store the ratings, and log the label that follows."""
        values = values_of(self.txn, self.path, sources)
        if not values.keys().isdisjoint(("sidecar", "stem", "file")):
            written_ratings.forget(self.txn, self.path, "sidecar")  # The user has rated it.
        unread = {source.name for source in sources if source.problem}
        if self.before is not None:
            values |= {name: old for name, old in self.before.values.items() if name in unread}
        elif not values:
            return
        known, first = self.before, first and self.before is None
        winner = rating_rules.winner(known, values)
        carried = {} if known is None else known.carried
        carried = {name: value for name, value in carried.items() if name not in values}
        rated = RatedFile(self.path, self.digest, values, winner, carried)
        ratings.record(self.txn, rated)
        if known is None or known.digest != self.digest:
            # The image is new at this path. If it is known elsewhere, it was copied or moved here.
            known = self._same_image(rated) or known
        reading = Reading(
            rated.grade,
            rating_rules.former_grade(known, winner),
            first or self._came_with(sources, winner),
            known is not None and known.digest != self.digest,
            self.label,
            self._grade_of_copy(),
            self._is_shared(),
        )
        decided = rating_rules.grade_to_log(reading)
        if decided is not None:
            self._log(decided, effects)

    def _same_image(self, rated: RatedFile) -> RatedFile | None:
        """Return the ratings of another file with the same bytes, and the same rating if possible.

        If this file is gone, it was moved to the present path, and its record is deleted.
        """
        others = [
            (sighting, other)
            for sighting in sightings.of_digest(self.txn, self.digest)
            if sighting.path != self.path
            and (place := self.watches.locate(sighting.path)) is not None
            and place.watch.taste == self.taste
            and (other := ratings.find(self.txn, sighting.path)) is not None
            and other.digest == self.digest
        ]
        others.sort(key=lambda pair: pair[1].grade != rated.grade)
        for sighting, other in others:
            if sighting.gone_ns:
                ratings.forget(self.txn, other.path)
        return others[0][1] if others else None

    def _came_with(self, sources: list[RatingSource], winner: str) -> bool:
        """Return whether the rating came together with the file into its label folder.

        A sidecar that is copied with an image can arrive a little later. Its date is then older
        than the label that the folder has given.
        """
        label = self.label
        if label is None or label.source not in FROM_FOLDER or self.before is not None:
            return False
        recent = self.now_ns - label.time_ns < MOVE_WINDOW_NS
        return recent and any(
            source.name == winner
            and source.path != self.path
            and self._saved_ns(source) < label.time_ns
            for source in sources
        )

    def _saved_ns(self, sidecar: RatingSource) -> int:
        """Return the date of a sidecar before imgscore changed it, if it did."""
        date_ns = sidecar.seen.mtime_ns
        ours = (held for _, held in originals.of_date(self.txn, date_ns))
        saved = [held.original_ns for held in ours if names.is_sidecar(os.path.basename(held.path))]
        return max(saved, default=date_ns)

    def _is_shared(self) -> bool:
        """Return whether the label came from the rating of the RAW or JPEG file with this name."""
        label = self.label
        return (
            label is not None
            and label.source == "rating"
            and label.path != self.path
            and any(
                sibling.path == label.path
                for sibling in siblings.present_siblings(self.txn, self.path)
            )
        )

    def _grade_of_copy(self) -> float | None:
        """Return the highest rating of the other present files of this taste with these bytes."""
        others = (
            ratings.find(self.txn, sighting.path)
            for sighting in self._copies()
            if sighting.path != self.path
        )
        found = (other.grade for other in others if other and other.digest == self.digest)
        return max((grade for grade in found if grade is not None), default=None)

    def _copies(self) -> Iterator[Sighting]:
        for sighting in sightings.of_digest(self.txn, self.digest):
            place = None if sighting.gone_ns else self.watches.locate(sighting.path)
            if place is not None and place.watch.taste == self.taste:
                yield sighting

    def _log(self, decided: float | Literal["clear"], effects: Effects) -> None:
        grade = None if decided == "clear" else decided
        event = LabelEvent(
            self.now_ns, self.taste, self.digest, event_value(grade), "rating", self.path
        )
        if grade is None and (taught := self._taught_by_folder()) is not None:
            # The file is in a label folder, whose label the rating had replaced.
            grade, path = taught
            event = LabelEvent(
                self.now_ns, self.taste, self.digest, event_value(grade), "place", path
            )
        self._append(event, self.label, effects)
        if self.place.watch.siblings:
            self._share(event, effects)

    def _taught_by_folder(self) -> tuple[float, bytes] | None:
        """Return the grade of the label folder that contains the image, and the path there.

        If several contain it, the file that was moved or copied last counts, as in label_rules.py.
        """
        taught = [
            (copy.seen.ctime_ns, grade, copy.path)
            for copy in self._copies()
            if (place := self.watches.locate(copy.path)) is not None
            and (grade := grade_of(place.role)) is not None
        ]
        return max(taught)[1:] if taught else None

    def _share(self, event: LabelEvent, effects: Effects) -> None:
        """Log the event for the RAW and JPEG files with the same name that have no own rating."""
        done = {self.digest}
        for sibling in siblings.present_siblings(self.txn, self.path):
            own = ratings.find(self.txn, sibling.path)
            if sibling.digest in done or (own is not None and own.grade is not None):
                continue
            done.add(sibling.digest)
            label = labels.current(self.txn, self.taste, sibling.digest)
            if event.source == "place" or (
                event.grade is None and (label is None or label.source != "rating")
            ):
                continue
            if (None if label is None else label.grade) != event.grade:
                shared = LabelEvent(
                    self.now_ns, self.taste, sibling.digest, event.value, "rating", self.path
                )
                self._append(shared, label, effects)

    def _append(self, event: LabelEvent, label: Label | None, effects: Effects) -> None:
        number = labels.append(self.txn, event)
        before = None if label is None else label.grade
        if before != event.grade:
            effects.relearn.add(self.taste)
        effects.label_changes.append(LabelChange(number, before, event.grade, None))
