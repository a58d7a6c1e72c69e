"""Thumbnails between the lines of an answer, where the terminal can show them; nothing elsewhere.

The pictures are workers' thumbnails: no file of the user's is decoded here.
"""

import base64
import io
import os
import sys
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from imgscore.cli import dispatch, output
from imgscore.cli.terminal import Protocol, cell, protocol
from imgscore.errors import ImgscoreError
from imgscore.messages import Message
from imgscore.verbs.base import Row, rows_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

LINES = 6
"""How many lines of text a picture is high."""
# Beyond this many pictures nobody looks, and an answer is better had at once.
MOST = 200
# Kitty takes so much at a time.
PAYLOAD_BYTES = 4096


class ImageRef(NamedTuple):
    """An image of a row."""

    path: str
    sha256: str


def images_of(rows: Iterable[Row], path: str = "path", sha256: str = "sha256") -> list[ImageRef]:
    """The images that rows name, as far as it is known where they lie."""
    return [ImageRef(row[path], row[sha256]) for row in rows if row[path] and row[sha256]]


def run(
    verb: str,
    arguments: dict[str, Any],
    human: Callable[[Row], str],
    images: Callable[[Row], list[list[ImageRef]]],
    *,
    as_json: bool,
    wanted: bool,
    nothing: str = "",
) -> None:
    """Carry out a verb as app.run does, with each row's images under it, a line for each list."""
    messages: Iterable[Message[Any]] = dispatch.call(verb, arguments)
    screen = _screen() if wanted and not as_json else None
    if screen is not None:
        messages = list(messages)
        files = _thumbnails([one for row in rows_of(messages) for one in chain(*images(row))])

    def below(row: Row) -> str:
        if screen is None:
            return ""
        found = ([files[one] for one in line if one in files] for line in images(row))
        return "".join(screen.draw(line) for line in found)

    raise typer.Exit(output.show(messages, human, as_json=as_json, pictures=below, nothing=nothing))


class _Screen(NamedTuple):
    """A terminal that shows pictures: how, and its size in pixels."""

    protocol: Protocol
    width: int
    line_height: int

    def draw(self, files: list[str]) -> str:
        """Pictures side by side, as many as there is room for."""
        strip = _strip(files, self.width, LINES * self.line_height)
        return encode(strip, self.protocol) + "\n" if strip is not None else ""


def _screen() -> _Screen | None:
    """The terminal that we write to; None where it is none, or shows text only."""
    if not sys.stdout.isatty():
        return None
    terminal = sys.stdout.fileno()
    found = protocol(terminal, os.environ) if _is_in_front(terminal) else None
    if found is None:
        return None
    width, height = cell(terminal)
    return _Screen(found, width * os.get_terminal_size(terminal).columns, height)


def _is_in_front(terminal: int) -> bool:
    """Whether the terminal is ours to ask: it stops a job in the background that does."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False


def _thumbnails(images: list[ImageRef]) -> dict[ImageRef, str]:
    """The files of the thumbnails. That there is none is no reason to say nothing."""
    asked = list(dict.fromkeys(images))
    if not asked or len(asked) > MOST:
        return {}
    try:
        answers = list(dispatch.call("thumbnails", {"images": [one._asdict() for one in asked]}))
    except ImgscoreError:
        return {}
    files = (row["file"] for row in rows_of(answers))
    return {one: file for one, file in zip(asked, files, strict=True) if file is not None}


def _strip(files: list[str], room: int, height: int) -> "Image.Image | None":
    """Pictures side by side, each `height` pixels high and at most half as wide again.

    None where there is none: the cache may be deleted or damaged at any time.
    """
    from PIL import Image

    gap = height // 10
    pictures: list[Image.Image] = []
    for file in files:
        try:
            with Image.open(file, formats=("WEBP",)) as opened:
                picture = opened.convert("RGB")
        except OSError:
            continue
        scale = min(height / picture.height, 1.5 * height / picture.width)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        if pictures and sum(one.width + gap for one in pictures) + size[0] > room:
            break
        pictures.append(picture.resize(size, Image.Resampling.LANCZOS))
    if not pictures:
        return None
    strip = Image.new("RGBA", (sum(one.width + gap for one in pictures) - gap, height))
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width + gap
    return strip


def encode(image: "Image.Image", kind: Protocol) -> str:
    """An image as the terminal wants it. https://sw.kovidgoyal.net/kitty/graphics-protocol/,
    https://iterm2.com/documentation-images.html, and the VT340's manual for sixel."""
    if kind is Protocol.SIXEL:
        return _sixel(image)
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    if kind is Protocol.ITERM:
        size = f"size={len(file.getvalue())};height={LINES}"
        return f"\x1b]1337;File=inline=1;preserveAspectRatio=1;{size}:{data}\x07"
    chunks = [data[at : at + PAYLOAD_BYTES] for at in range(0, len(data), PAYLOAD_BYTES)]
    parts = []
    for number, chunk in enumerate(chunks):
        first = f"a=T,f=100,q=2,r={LINES}," if number == 0 else ""
        parts.append(f"\x1b_G{first}m={int(number < len(chunks) - 1)};{chunk}\x1b\\")
    return "".join(parts)


def _sixel(image: "Image.Image") -> str:
    """255 colours; what is transparent is left as it is. Six rows of pixels make a band."""
    import numpy as np

    flat = image.convert("RGB").quantize(255)
    palette = (flat.getpalette() or [])[: 3 * 255]
    colours = np.asarray(flat) + 1
    colours[np.asarray(image.getchannel("A")) == 0] = 0
    out = [f'\x1bP0;1q"1;1;{image.width};{image.height}']
    for number in range(len(palette) // 3):
        red, green, blue = (round(value / 2.55) for value in palette[3 * number : 3 * number + 3])
        out.append(f"#{number + 1};2;{red};{green};{blue}")
    weights = 1 << np.arange(6)[:, None]
    for top in range(0, image.height, 6):
        band = colours[top : top + 6]
        for colour in np.unique(band[band > 0]):
            bits = ((band == colour) * weights[: len(band)]).sum(axis=0)
            out.append(f"#{colour}{_run_lengths(bits)}$")
        out.append("-" if top + 6 < image.height else "\x1b\\")
    return "".join(out)


def _run_lengths(bits: "NDArray[np.int64]") -> str:
    """A band's row of one colour: `!count` before what is repeated."""
    import numpy as np

    starts = np.flatnonzero(np.diff(bits, prepend=-1))
    counts = np.diff(starts, append=len(bits))
    letters = (chr(63 + bits[start]) for start in starts)
    return "".join(f"!{count}{letter}" for count, letter in zip(counts, letters, strict=True))
