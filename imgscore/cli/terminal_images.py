"""Draws thumbnails below the printed rows, if the terminal can show images.

The code here decodes only thumbnails, which imgscore's worker processes have made. It never decodes
an image file of the user.
"""

import base64
import io
import os
import sys
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import typer

from imgscore import dispatch
from imgscore.cli import output
from imgscore.cli.terminal import Protocol, cell, protocol
from imgscore.errors import ImgscoreError
from imgscore.messages import BaseRequest, Message, R
from imgscore.verbs import thumbnails
from imgscore.verbs.base import rows_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

LINES = 6
"""The height of an image, in lines of text."""
MAX_IMAGES = 200
"""The largest number of images that are drawn. If there are more images, none is drawn."""
PAYLOAD_BYTES = 4096
"""The largest number of bytes of image data in one escape sequence of kitty's protocol."""


class ImageRef(NamedTuple):
    """The path and the digest of an image that a row is about."""

    path: str
    sha256: str


def images_of(*images: tuple[str | None, str | None]) -> list[ImageRef]:
    """Convert tuples (path, sha256) to ImageRefs. Leave out a tuple that contains None."""
    return [ImageRef(path, sha256) for path, sha256 in images if path and sha256]


def run(
    request: BaseRequest[R],
    human: Callable[[R], str],
    images: Callable[[R], list[list[ImageRef]]],
    *,
    as_json: bool,
    wanted: bool,
    nothing: str = "",
    arrange: Callable[[Iterable[Message[R]]], Iterable[Message[R]]] | None = None,
) -> None:
    """Call a verb, and show its messages as `show` does.

    `arrange`: a function that changes the order of the messages; None keeps their order.
    """
    messages: Iterable[Message[R]] = dispatch.call(request)
    if arrange is not None:
        messages = arrange(messages)
    show(messages, human, images, as_json=as_json, wanted=wanted, nothing=nothing)


def show(
    messages: Iterable[Message[R]],
    human: Callable[[R], str],
    images: Callable[[R], list[list[ImageRef]]],
    *,
    as_json: bool,
    wanted: bool,
    nothing: str = "",
) -> None:
    """Print the rows of a verb, draw the images of each row below its text, and exit.

    `images`: a function that returns the images of a row. It returns one list of images
    for each line of thumbnails.
    `wanted`: if true, draw the images if the terminal can show them.
    """
    here = screen() if wanted and not as_json else None
    if here is not None:
        messages = output.gathered(messages)
        files = _thumbnails([image for row in rows_of(messages) for image in chain(*images(row))])

    def below(row: R) -> str:
        if here is None:
            return ""
        lines = ([files[image] for image in line if image in files] for line in images(row))
        return "".join(here.draw(line) for line in lines)

    raise typer.Exit(
        output.print_messages(messages, human, as_json=as_json, images=below, nothing=nothing)
    )


def drawing(images: list[ImageRef], on: "Screen | None") -> str:
    """Return the escape sequences that draw images side by side.

    `on`: the terminal; see `screen`. The result is empty if it is None.
    """
    if on is None:
        return ""
    files = _thumbnails(images)
    return on.draw([files[image] for image in images if image in files])


class Screen(NamedTuple):
    """A terminal that can show images.

    `width`: the width of the terminal in pixels. `line_height`: the height of a line of text in
    pixels.
    """

    protocol: Protocol
    width: int
    line_height: int

    def draw(self, files: list[str]) -> str:
        """Return the escape sequences that draw thumbnails side by side, as many as fit.

        `files`: the paths of the thumbnails.
        """
        strip = _strip(files, self.width, LINES * self.line_height)
        return encode(strip, self.protocol) + "\n" if strip is not None else ""


def screen() -> Screen | None:
    """Return the terminal that stdout is connected to, or None if it cannot show images."""
    if not sys.stdout.isatty():
        return None
    terminal = sys.stdout.fileno()
    kind = protocol(terminal, os.environ) if _is_in_foreground(terminal) else None
    if kind is None:
        return None
    width, height = cell(terminal)
    return Screen(kind, width * os.get_terminal_size(terminal).columns, height)


def _is_in_foreground(terminal: int) -> bool:
    """Return whether this process runs in the foreground of the terminal.

    The kernel stops a background process that reads from its terminal.
    """
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False


def _thumbnails(images: list[ImageRef]) -> dict[ImageRef, str]:
    """Return a dict from each image to the path of its thumbnail.

    An image without a thumbnail is left out. If there are more than MAX_IMAGES images,
    the dict is empty.
    """
    distinct = list(dict.fromkeys(images))
    if not distinct or len(distinct) > MAX_IMAGES:
        return {}
    try:
        wanted = [thumbnails.Image(image.path, image.sha256) for image in distinct]
        answers = rows_of(dispatch.call(thumbnails.Request(wanted)))
    except ImgscoreError:
        return {}
    files = (row.file for row in answers)
    return {image: file for image, file in zip(distinct, files, strict=True) if file is not None}


def _strip(files: list[str], width: int, height: int) -> "Image.Image | None":
    """Return one image that shows the thumbnails side by side, as many as fit into `width`.

    `width` and `height` are in pixels. Each thumbnail fits into a box that is `height` pixels high
    and 1.5 times as wide. Return None if no file can be read: the user may delete or damage the
    cache at any time.
    """
    from PIL import Image

    gap = height // 10
    thumbnails: list[Image.Image] = []
    for file in files:
        try:
            with Image.open(file, formats=("WEBP",)) as opened:
                thumbnail = opened.convert("RGB")
        except OSError:
            continue
        scale = min(height / thumbnail.height, 1.5 * height / thumbnail.width)
        size = (max(1, round(thumbnail.width * scale)), max(1, round(thumbnail.height * scale)))
        if thumbnails and sum(thumbnail.width + gap for thumbnail in thumbnails) + size[0] > width:
            break
        thumbnails.append(thumbnail.resize(size, Image.Resampling.LANCZOS))
    if not thumbnails:
        return None
    strip = Image.new(
        "RGBA", (sum(thumbnail.width + gap for thumbnail in thumbnails) - gap, height)
    )
    left = 0
    for thumbnail in thumbnails:
        strip.paste(thumbnail, (left, 0))
        left += thumbnail.width + gap
    return strip


def encode(image: "Image.Image", kind: Protocol) -> str:
    """Return the escape sequences that draw an image.

    The protocols are described in https://sw.kovidgoyal.net/kitty/graphics-protocol/, in
    https://iterm2.com/documentation-images.html, and for sixel in the manual of the VT340.
    """
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
    """Return the escape sequence that draws an image in the sixel protocol.

    The image is reduced to 255 colours. Transparent pixels are not drawn. A sixel image consists of
    bands: a band is six rows of pixels.
    """
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
    """Return the pixels of one colour in a band of six rows, with run-length encoding.

    Each run is written as `!`, the number of columns, and the character for a column.

    `bits`: for each column, the six pixels of this colour as a number from 0 to 63.
    """
    import numpy as np

    starts = np.flatnonzero(np.diff(bits, prepend=-1))
    counts = np.diff(starts, append=len(bits))
    letters = (chr(63 + bits[start]) for start in starts)
    return "".join(f"!{count}{letter}" for count, letter in zip(counts, letters, strict=True))
