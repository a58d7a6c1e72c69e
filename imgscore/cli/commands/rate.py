"""The command `rate`: write stars for other programs, by the scores or the labels of images."""

import os
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from typing import Annotated, Literal

import msgspec
import typer

from imgscore import dispatch
from imgscore.apply.folders import Folders
from imgscore.cli import output
from imgscore.cli.app import DryRun, Folder, Json, Section, app, optional_text_of, prints
from imgscore.cli.formatting import named
from imgscore.cli.path_text import short
from imgscore.errors import UsageError
from imgscore.messages import Message, Progress, Result
from imgscore.rate import attributes, sidecars
from imgscore.rate.outcome import Outcome
from imgscore.verbs import rate as verb


class By(StrEnum):
    """The origin of the stars."""

    SCORE = "score"
    LABEL = "label"


class Rating(msgspec.Struct):
    """Stars that were written or removed, would be written or removed, or cannot be written."""

    path: str
    """the path of the image"""
    sidecar: str | None
    """the path of the sidecar; null for an extended attribute"""
    stars: int | None
    """the stars, from 1 to 5, or -1 for a rejected image; null if the rating was removed"""
    result: str
    """`written`, `updated` or `removed`; `failed` if there is an error"""
    dry_run: bool = False
    """true if nothing was changed, because this is a dry run"""
    error: str | None = None
    """the reason why nothing was changed, and a remedy; null if there is no error"""


class Rated(msgspec.Struct):
    """The last row of the answer: the numbers of images."""

    written: int
    """the number of images whose rating was written, updated or removed"""
    unchanged: int
    """the number of images that have this rating of imgscore already"""
    foreign: int
    """the number of images that were left alone, because they have a rating or a sidecar
    of another program"""
    without: int
    """the number of images without a score, or without a label"""
    failed: int
    """the number of images whose rating cannot be written; each of them has its own row"""
    error: str | None = None
    """always null"""


Response = Rating | Rated


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def rate(
    folder: Folder = None,
    into_sidecars: Annotated[
        bool,
        typer.Option(
            "--sidecars", help="Write .xmp files: digiKam, darktable and others read them."
        ),
    ] = False,
    into_xattr: Annotated[
        bool,
        typer.Option("--xattr", help="Write extended attributes: Dolphin and Gwenview read them."),
    ] = False,
    by: Annotated[
        By, typer.Option("--from", help="Take the stars from the scores, or from the labels.")
    ] = By.SCORE,
    dry_run: DryRun = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Remove the stars that imgscore has written.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write stars for other programs, so that you can filter by them.

    A score below 0.2 is one star, and each 0.2 more is another star. imgscore stores no scores for
    images in keep/ and trash/; --from label gives them stars. Images with a rating or a sidecar of
    another program are left alone, and no image is changed. Run the command again to update the
    stars. imgscore learns nothing from these stars.
    """
    if (into_sidecars and into_xattr) or not (undo or into_sidecars or into_xattr):
        raise UsageError("say where to write the stars", "give --sidecars or --xattr")
    text = optional_text_of(folder)
    places = [place for place in (True, False) if not (into_xattr if place else into_sidecars)]
    counts: Counter[str] = Counter()
    with dispatch.Session() as session:
        rows = (
            _undo(session, text, places, counts, dry_run=dry_run)
            if undo
            else _write(session, text, places[0], by, counts, dry_run=dry_run)
        )
        describe = partial(_describe, dry_run=dry_run)
        code = output.print_messages(rows, describe, as_json=as_json)
    raise typer.Exit(code)


def _write(
    session: dispatch.Session,
    folder: str | None,
    to_sidecars: bool,
    by: By,
    counts: Counter[str],
    *,
    dry_run: bool,
) -> Iterator[Message[Response]]:
    kind: verb.Kind = "sidecar" if to_sidecars else "xattr"
    request = verb.Request("list", kind, by.value, folder)
    unfinished = _Unfinished(enabled=to_sidecars and not dry_run)
    for page in session.pages(request, verb.Page):
        due: list[verb.DueRating] = []
        for image in page.images:
            if image.problem:
                counts["failed"] += 1
                yield Result(_row(image, kind, None, Outcome("absent", image.problem), dry_run))
            elif image.stars is None or image.rated:
                counts["without" if image.stars is None else "foreign"] += 1
            else:
                due.append(image)
        # The log comes first: after a crash, imgscore still recognises its own stars.
        _log(session, kind, [verb.WrittenFile(i.path, i.stars) for i in due], dry_run=dry_run)
        done: list[verb.WrittenFile] = []
        with Folders() as folders:
            for image in due:
                path, stars = os.fsencode(image.path), image.stars or 1
                unfinished.remove(folders, path)
                if to_sidecars:
                    outcome = sidecars.write(folders, path, image.seen, stars, dry_run=dry_run)
                else:
                    outcome = attributes.write(path, image.seen, stars, dry_run=dry_run)
                done += _logged(image, outcome, stars)
                yield from _rows(image, kind, stars, outcome, counts, dry_run=dry_run)
        _log(session, kind, done, dry_run=dry_run)
        yield Progress("rating", sum(counts.values()), sum(counts.values()))
    yield Result(_summary(counts))


def _undo(
    session: dispatch.Session,
    folder: str | None,
    places: list[bool],
    counts: Counter[str],
    *,
    dry_run: bool,
) -> Iterator[Message[Response]]:
    """Remove our ratings: those in the log, and those of images that were moved since then."""
    for to_sidecars in places:
        kind: verb.Kind = "sidecar" if to_sidecars else "xattr"
        seen: set[str] = set()
        unfinished = _Unfinished(enabled=to_sidecars and not dry_run)
        for action in _ACTIONS:
            for page in session.pages(verb.Request(action, kind, folder=folder), verb.Page):
                images = [image for image in page.images if image.path not in seen]
                seen.update(image.path for image in images)
                done: list[verb.WrittenFile] = []
                with Folders() as folders:
                    for image in images:
                        path = os.fsencode(image.path)
                        unfinished.remove(folders, path)
                        if to_sidecars:
                            outcome = sidecars.remove(folders, path, dry_run=dry_run)
                        else:
                            outcome = attributes.remove(path, dry_run=dry_run)
                        if outcome.error is None and (outcome.after or action == "written"):
                            after = outcome.after
                            before = image.seen if after else None
                            done.append(verb.WrittenFile(image.path, None, before, after))
                        if action == "written" or outcome.result == "removed" or outcome.error:
                            yield from _rows(image, kind, None, outcome, counts, dry_run=dry_run)
                _log(session, kind, done, dry_run=dry_run)
                yield Progress("removing ratings", len(seen), len(seen))
    yield Result(_summary(counts))


class _Unfinished:
    """Removes the unfinished sidecars of killed processes, once from each folder."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._done: set[bytes] = set()

    def remove(self, folders: Folders, image: bytes) -> None:
        """Remove the unfinished sidecars from the folder of an image."""
        folder = os.path.dirname(image)
        if self._enabled and folder not in self._done:
            self._done.add(folder)
            sidecars.remove_unfinished(folders, folder)


_ACTIONS: tuple[Literal["written", "images"], ...] = ("written", "images")


def _log(
    session: dispatch.Session, kind: verb.Kind, files: list[verb.WrittenFile], *, dry_run: bool
) -> None:
    if files and not dry_run:
        session.ask(verb.Request("log", kind, files=tuple(files)))


def _logged(image: verb.DueRating, outcome: Outcome, stars: int) -> list[verb.WrittenFile]:
    """Return what the log must contain after an image was handled, if it differs from before."""
    if outcome.error is not None or outcome.result == "foreign":
        return [verb.WrittenFile(image.path, None)]
    if outcome.after is None:
        return []
    return [verb.WrittenFile(image.path, stars, image.seen, outcome.after)]


def _rows(
    image: verb.DueRating,
    kind: verb.Kind,
    stars: int | None,
    outcome: Outcome,
    counts: Counter[str],
    *,
    dry_run: bool,
) -> Iterator[Message[Response]]:
    """Count an image, and yield its row if its rating was changed or cannot be changed."""
    result = "failed" if outcome.error is not None else outcome.result
    counts[result] += 1
    if result not in ("unchanged", "foreign", "absent"):
        yield Result(_row(image, kind, stars, outcome, dry_run))


def _row(
    image: verb.DueRating, kind: verb.Kind, stars: int | None, outcome: Outcome, dry_run: bool
) -> Rating:
    sidecar = os.fsdecode(sidecars.path_of(os.fsencode(image.path))) if kind == "sidecar" else None
    result = "failed" if outcome.error is not None else outcome.result
    return Rating(image.path, sidecar, stars, result, dry_run, outcome.error)


def _summary(counts: Counter[str]) -> Rated:
    return Rated(
        counts["written"] + counts["updated"] + counts["removed"],
        counts["unchanged"],
        counts["foreign"],
        counts["without"],
        counts["failed"],
    )


def _describe(row: Response, *, dry_run: bool) -> str:
    if isinstance(row, Rated):
        parts = [
            (row.written, "to change" if dry_run else "changed"),
            (row.unchanged, "unchanged"),
            (row.foreign, "left alone: they have a rating or a sidecar of another program"),
            (row.without, "without a score or label"),
            (row.failed, "failed"),
        ]
        return ", ".join(f"{count} {text}" for count, text in parts if count) or "nothing to do"
    if row.error is not None:
        return named(row, "")
    would = "would be " if row.dry_run else ""
    stars = "" if row.stars is None else f"{row.stars:2} "
    return f"{stars}{would}{row.result}  {short(row.path)}"
