"""Makes contact sheets of groups: the best image first, the names below, and the kind at the left.

Run it to judge groups by eye: `imgscore groups --json | python tools/group_sheet.py FOLDER`. It
writes page-01.png, page-02.png and so on into FOLDER, which it makes if it is missing.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from imgscore.errors import ImgscoreError
from imgscore.escape import printable
from imgscore.images.decode import decode

COLUMNS, ROWS = 9, 9
"""The number of images in a row, and of rows on a page: 1,430 × 1,350 pixels."""
CELL, LINE = (150, 110), 12
"""The size of an image and the height of a line of text, in pixels."""
LABEL = 80
"""The width of the column for the kind, in pixels."""
MAX_NAME = 25
"""The number of characters of a name that fit below an image. Its end is shown."""
MAX_SHOWN = 2 * COLUMNS
"""The largest number of images of one group. The others are counted."""


class Row(NamedTuple):
    """A row of a sheet. `label`: the kind and the number of images; empty if the group goes on."""

    label: str
    files: list[Path]


def main() -> None:
    """Read the groups from standard input, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(rows_of(sys.stdin))
    for first in range(0, len(rows), ROWS):
        path = folder / f"page-{first // ROWS + 1:02d}.png"
        page_of(rows[first : first + ROWS]).save(path)
        print(path)


def rows_of(lines: Iterator[str]) -> Iterator[Row]:
    """Yield the rows of all groups. `lines`: the output of `imgscore groups --json`."""
    for line in lines:
        group = json.loads(line)
        files = [Path(file) for file in group["files"]]
        label = f"{group['kind']}\n{len(files)} images"
        for first in range(0, min(len(files), MAX_SHOWN), COLUMNS):
            yield Row("" if first else label, files[first : first + COLUMNS])


def page_of(rows: list[Row]) -> Image.Image:
    """Draw the rows of one page."""
    width, height = CELL[0] + 6, CELL[1] + LINE + 6
    page = Image.new("RGB", (LABEL + COLUMNS * width, len(rows) * height), "white")
    draw = ImageDraw.Draw(page)
    for number, row in enumerate(rows):
        top = number * height
        if row.label:
            draw.line((0, top, page.width, top), fill=(200, 0, 0), width=2)
            draw.text((3, top + 4), row.label.replace("near-", "near-\n"), fill="black")
        for column, file in enumerate(row.files):
            left = LABEL + column * width
            image = thumbnail(file)
            page.paste(image, (left + (CELL[0] - image.width) // 2, top + 4))
            name = printable(file.name)[-MAX_NAME:]
            draw.text((left, top + CELL[1] + 4), name, fill="black")
    return page


def thumbnail(file: Path) -> Image.Image:
    """Return a small version of an image, or a grey area if it cannot be decoded."""
    try:
        image = Image.fromarray(decode(file.read_bytes(), 2 * CELL[0]).pixels)
    except (ImgscoreError, OSError):
        return Image.new("RGB", CELL, (200, 200, 200))
    image.thumbnail(CELL)
    return image


if __name__ == "__main__":
    main()
