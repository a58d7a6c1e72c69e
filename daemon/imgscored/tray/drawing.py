"""The drawing of the icon. Each state has its own shape, not only its own colour.

The icon is visible on light panels and on dark panels.
"""

from collections.abc import Callable

from PIL import Image, ImageDraw

from imgscored.tray.state import Shape

SIZE = 64
# The icon is drawn at SCALE times its size and then reduced, so that its edges are smooth.
SCALE = 4
BLUE, AMBER, RED, GREY, WHITE = "#3b82c4", "#d98e04", "#cf3a30", "#8a8f98", "#ffffff"

Pen = ImageDraw.ImageDraw


def draw(shape: Shape, share: int = 0) -> Image.Image:
    """Return the icon of a shape, as an RGBA image with 64 × 64 pixels.

    `share`: the percentage of the work that is done.
    """
    image = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE))
    pen = ImageDraw.Draw(image)
    if shape == "working":
        _working(pen, share)
    else:
        _SHAPES[shape](pen)
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _box(*sides: float) -> tuple[float, ...]:
    return tuple(side * SCALE for side in sides)


def _frame(pen: Pen, colour: str) -> None:
    pen.rounded_rectangle(_box(4, 8, 60, 56), radius=9 * SCALE, fill=colour)


def _hills(pen: Pen) -> None:
    pen.ellipse(_box(41, 15, 51, 25), fill=WHITE)
    pen.polygon(_box(10, 49, 25, 23, 36, 41, 43, 32, 54, 49), fill=WHITE)


def _idle(pen: Pen) -> None:
    """Draw a picture with hills and a sun."""
    _frame(pen, BLUE)
    _hills(pen)


def _working(pen: Pen, share: int) -> None:
    """Draw a circle whose filled part shows the share of the work."""
    pen.ellipse(_box(4, 4, 60, 60), fill=BLUE)
    pen.ellipse(_box(14, 14, 50, 50), outline=WHITE, width=2 * SCALE)
    pen.pieslice(_box(14, 14, 50, 50), -90, -90 + max(12.0, 3.6 * share), fill=WHITE)


def _paused(pen: Pen) -> None:
    """Draw a picture frame with two bars, the sign for a pause."""
    _frame(pen, AMBER)
    for left in (20, 36):
        pen.rounded_rectangle(_box(left, 18, left + 8, 46), radius=2 * SCALE, fill=WHITE)


def _attention(pen: Pen) -> None:
    """Draw a triangle with an exclamation mark."""
    pen.polygon(_box(32, 3, 62, 59, 2, 59), fill=RED)
    pen.polygon(_box(28, 22, 36, 22, 34, 43, 30, 43), fill=WHITE)
    pen.ellipse(_box(28, 46, 36, 54), fill=WHITE)


def _offline(pen: Pen) -> None:
    """Draw an empty frame with a diagonal line through it."""
    pen.rounded_rectangle(_box(4, 8, 60, 56), radius=9 * SCALE, outline=GREY, width=5 * SCALE)
    pen.line(_box(10, 50, 54, 14), fill=GREY, width=5 * SCALE)


_SHAPES: dict[str, Callable[[Pen], None]] = {
    "idle": _idle,
    "paused": _paused,
    "attention": _attention,
    "offline": _offline,
}
