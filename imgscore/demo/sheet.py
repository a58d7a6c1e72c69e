"""The contact sheet.

It shows the labelled pictures, and the inbox before and after the ordering.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from imgscore.demo.paint import WHITE, Colour, font, rgb
from imgscore.demo.pictures import KINDS, kind_of

COLUMNS = 8
THUMB = (148, 112)
GAP = 10
LABEL = 20
MARGIN = 48
HEAD = 208
MIDDLE = 2 * THUMB[0] + 9 * GAP
PAPER, INK, FAINT = rgb("#f6f5f1"), rgb("#23262d"), rgb("#7b7f88")
KEEP, TRASH = rgb("#2a9d5c"), rgb("#d0443c")
COLOURS: Mapping[str, Colour] = {
    "landscape": rgb("#2f9e6e"),
    "portrait": rgb("#e09f3e"),
    "poster": rgb("#9b5de5"),
    "chart": rgb("#3a7bd5"),
    "screen": rgb("#e5533d"),
    "glitch": rgb("#3c3f46"),
    "": rgb("#b7b7b7"),
}


def contact_sheet(
    files: Mapping[str, Path],
    before: Sequence[str],
    after: Sequence[tuple[str, float]],
    kept: Sequence[str],
    trashed: Sequence[str],
) -> Image.Image:
    """Draw the contact sheet.

    `files`: the path of each picture, by name. `before`: the names of the pictures before the
    ordering, newest first. `after`: the (name, score) of the pictures after the ordering, newest
    first. `kept` and `trashed`: the names of the labelled pictures.
    """
    rows = -(-len(before) // COLUMNS)
    panel = COLUMNS * (THUMB[0] + GAP) - GAP
    cell = THUMB[1] + LABEL + GAP
    width = 2 * MARGIN + 2 * panel + MIDDLE
    sheet = Image.new("RGB", (width, HEAD + rows * cell + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    thumbs = {name: _thumb(path) for name, path in files.items()}
    right = MARGIN + panel + MIDDLE
    _head(draw, width, right, len(kept), len(trashed))
    for index, name in enumerate(before):
        _place(sheet, draw, thumbs[name], (MARGIN, HEAD), index, COLUMNS, name, name.split(".")[0])
    for index, (name, score) in enumerate(after):
        text = f"{name.split('.')[0]}  {score:.2f}"
        _place(sheet, draw, thumbs[name], (right, HEAD), index, COLUMNS, name, text)
    x, y = MARGIN + panel + 4 * GAP, HEAD + 12
    for title, colour, names in (("keep/", KEEP, kept), ("trash/", TRASH, trashed)):
        tall = 44 + -(-len(names) // 2) * cell
        box = (x - GAP, y - 12, x + 2 * THUMB[0] + 2 * GAP, y + tall)
        draw.rounded_rectangle(box, 12, fill=WHITE, outline=colour, width=4)
        draw.text((x, y - 4), f"moved into {title}", fill=colour, font=font(25))
        for index, name in enumerate(names):
            short = name.split(".")[0]
            _place(sheet, draw, thumbs[name], (x, y + 38), index, 2, name, short)
        y += tall + 40
    _arrow(draw, x + THUMB[0], y + 20)
    return sheet


def _thumb(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.draft("RGB", (THUMB[0] * 2, THUMB[1] * 2))
        proportion = image.width / image.height
        # Show only the top of a tall screenshot. The whole screenshot would become a thin strip
        # that nobody can read.
        middle = (0.5, 0.5 if proportion > 0.7 else 0.0)
        return ImageOps.fit(image.convert("RGB"), THUMB, Image.Resampling.LANCZOS, 0, middle)


def _place(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, thumb: Image.Image, origin: tuple[int, int],
    index: int, columns: int, name: str, text: str,
) -> None:  # fmt: skip
    row, column = divmod(index, columns)
    x = origin[0] + column * (THUMB[0] + GAP)
    y = origin[1] + row * (THUMB[1] + LABEL + GAP)
    sheet.paste(thumb, (x, y))
    frame = (x - 3, y - 3, x + THUMB[0] + 2, y + THUMB[1] + 2)
    draw.rectangle(frame, outline=COLOURS[kind_of(name)], width=4)
    draw.text((x + THUMB[0] / 2, y + THUMB[1] + 5), text, fill=INK, font=font(14), anchor="ma")


def _head(draw: ImageDraw.ImageDraw, width: int, right: int, kept: int, trashed: int) -> None:
    draw.text(
        (MARGIN, 30), "imgscore: a folder in the order of your taste", fill=INK, font=font(46)
    )
    x = float(MARGIN)
    for kind in KINDS:
        draw.rounded_rectangle((x, 101, x + 22, 123), 5, fill=COLOURS[kind.name])
        draw.text((x + 32, 112), kind.name, fill=FAINT, font=font(22), anchor="lm")
        x += 62 + draw.textlength(kind.name, font=font(22))
    draw.line([(MARGIN, 146), (width - MARGIN, 146)], fill=rgb("#dcdad2"), width=2)
    for place, title, text in (
        (MARGIN, "Before", "the inbox by date, newest first"),
        (right, "After", f"by date again, {kept} files in keep/ and {trashed} in trash/ later"),
    ):
        draw.text((place, 162), title, fill=INK, font=font(30))
        at = place + draw.textlength(title, font=font(30)) + 16
        draw.text((at, 170), text, fill=FAINT, font=font(22))


def _arrow(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    draw.rectangle((x - 70, y - 12, x + 20, y + 12), fill=FAINT)
    draw.polygon([(x + 20, y - 38), (x + 76, y), (x + 20, y + 38)], fill=FAINT)
