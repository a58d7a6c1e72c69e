"""Read the data of a report, and write the files of a page: the HTML file and the thumbnails."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from imgscore.errors import ImgscoreError
from imgscore.fsutil import write_atomic
from imgscore.report.data import ReportData, WatchFolders, load
from imgscore.report.figures import Figure, figures
from imgscore.report.page import page, page_data
from imgscore.system import upgrade


def read(file: Path, folder: str | None) -> ReportData:
    """Read the data that a worker wrote.

    Raises ImgscoreError if the file cannot be read, or if the data is for another folder than
    `folder`.
    """
    try:
        data = load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImgscoreError(f"{file}: cannot be read: {error.strerror}", "try again") from None
    except ValueError as error:
        raise ImgscoreError(
            f"{file}: another version of imgscore wrote the data of the page: {error}",
            upgrade.REMEDY,
        ) from None
    if data.folder != folder:
        raise ImgscoreError("a report of another folder was made at the same time", "try again")
    return data


def figures_of(data: ReportData) -> list[Figure]:
    """Return the figures of a report. The list is empty if the report has no evaluation."""
    return figures(data.evaluation, data.heads) if data.evaluation else []


def write(
    data: ReportData, watches: Sequence[WatchFolders], thumbnails: Path, page_file: Path
) -> Path:
    """Write the page into `page_file`, and return the folder of the page's thumbnails.

    `thumbnails`: the folder of all thumbnails, in the folder of reports. If `page_file` is in
    another folder, the thumbnails are copied into a folder beside `page_file`. The copies are hard
    links if possible.
    """
    is_own = page_file.parent == thumbnails.parent
    beside = thumbnails if is_own else page_file.with_name(f"{page_file.stem}-files")
    try:
        if not is_own:
            _copy(data.images.digests(), thumbnails, beside)
        text = page(page_data(data, watches, beside.name, review=False), figures_of(data))
        write_atomic(page_file, text.encode(), durable=False)
    except OSError as error:
        raise ImgscoreError(
            f"{page_file}: cannot be written: {error.strerror or error}",
            "check the permissions of the folder and the free space on the disk, or give another "
            "file",
        ) from None
    return beside


def _copy(digests: Iterable[str], source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    present = set(os.listdir(target))
    for name in {f"{digest}.webp" for digest in digests} & set(os.listdir(source)) - present:
        try:
            os.link(source / name, target / name)
        except OSError:
            shutil.copyfile(source / name, target / name)
