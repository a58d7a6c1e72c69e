"""The files of a page: the page itself, written at once or not at all, and its thumbnails."""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from imgscore.errors import ImgscoreError
from imgscore.fsutil import write_atomic
from imgscore.report import Row
from imgscore.report.figures import Figure, figures
from imgscore.report.page import content, page


def read(told: Row) -> Row:
    """What a worker gathered for the verb `report`, which `told` where it is."""
    try:
        gathered: Row = json.loads(Path(told["data"]).read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise ImgscoreError(f"{told['data']}: cannot be read: {error}", "try again") from None
    if gathered["folder"] != told["folder"]:
        raise ImgscoreError("a report of another folder was made meanwhile", "try again")
    return gathered


def drawings(gathered: Row) -> list[Figure]:
    """The figures of what was gathered; none where nothing was measured."""
    evaluation = gathered["evaluation"]
    return figures(evaluation, gathered["heads"]) if evaluation else []


def write(told: Row, file: Path) -> Path:
    """Make the page `file` of what the verb `told`; returns the folder of its thumbnails.

    A page outside of our own folder gets copies beside it (hard links, where the disk can).
    """
    gathered, source = read(told), Path(told["thumbnails"])
    beside = source if file.parent == source.parent else file.with_name(f"{file.stem}-files")
    try:
        if beside != source:
            _copy((image[2] for image in gathered["images"]), source, beside)
        text = page(content(gathered, told, beside.name, review=False), drawings(gathered))
        write_atomic(file, text.encode(), durable=False)
    except OSError as error:
        raise ImgscoreError(
            f"{file}: cannot be written: {error.strerror or error}",
            "give another file, and check its folder's permissions and the space on its disk",
        ) from None
    return beside


def _copy(digests: Iterable[str], source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    there = set(os.listdir(target))
    for name in {f"{digest}.webp" for digest in digests} & set(os.listdir(source)) - there:
        try:
            os.link(source / name, target / name)
        except OSError:
            shutil.copyfile(source / name, target / name)
