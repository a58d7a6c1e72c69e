"""Draw figures as SVG. The SVG elements have CSS classes instead of colours, so that a page can set
the colours.
"""

from __future__ import annotations

from html import escape

from imgscore.report.figures import Figure, Mark, Series

WIDTH, HEIGHT = 480, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 60, 44
THINNEST, THICKEST = 2.5, 9.0
BAR_SHARE = 0.8
LETTER = 7.4

# These are the colours of an SVG file that is not part of an HTML page. The HTML page has its own
# colours.
STYLE = """
:root { --ink: #23262d; --faint: #6b7079; --line: #d9dbe0; --paper: #ffffff;
  --main: #2f6db5; --keep: #1f8a55; --trash: #c8442f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e9ec; --faint: #a0a5ae; --line: #3a3e46;
  --paper: #17191d; --main: #6aa9f0; --keep: #4cc38a; --trash: #f0806d; } }
"""
DRAWING = """
.plot { font: 12px system-ui, sans-serif; fill: var(--ink); }
.plot .title { font-size: 15px; font-weight: 600; }
.plot .tick, .plot .key { fill: var(--faint); }
.plot .grid { stroke: var(--line); }
.plot path, .plot .error { fill: none; stroke-width: 2; }
.plot .main { --tone: var(--main); } .plot .keep { --tone: var(--keep); }
.plot .trash { --tone: var(--trash); } .plot .faint { --tone: var(--faint); }
.plot path, .plot .error { stroke: var(--tone); } .plot .error { opacity: 0.5; }
.plot .dashed path { stroke-dasharray: 5 5; }
.plot circle, .plot rect { fill: var(--tone); }
.plot .hollow circle, .plot .dashed circle { fill: var(--paper); stroke: var(--tone);
  stroke-width: 2; }
.plot .dots circle { fill-opacity: 0.75; }
"""


def draw(figure: Figure) -> str:
    """Return the `<svg>` element of a figure."""
    key = escape(figure.name)
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{key}-title {key}-says" xmlns="http://www.w3.org/2000/svg">',
        f'<title id="{key}-title">{escape(figure.title)}</title>',
        f'<desc id="{key}-says">{escape(figure.text)}</desc>',
        f'<text class="title" x="8" y="20">{escape(figure.title)}</text>',
        *_axes(figure),
    ]
    bars = [series for series in figure.series if series.shape == "bars"]
    for series in figure.series:
        parts.append(f'<g class="{series.shape} {series.tone}">')
        parts += (
            _bars(figure, series, bars.index(series), len(bars))
            if series.shape == "bars"
            else _points(figure, series)
        )
        parts.append("</g>")
    return "\n".join([*parts, *_legend(figure), "</svg>"])


def alone(figures: list[Figure]) -> str:
    """Return the text of an SVG file in which each figure is below the figure before it.

    The colours are light or dark, depending on the setting of the reader's system.
    """
    height = HEIGHT * len(figures)
    placed = [
        draw(figure).replace("<svg ", f'<svg y="{HEIGHT * number}" height="{HEIGHT}" ', 1)
        for number, figure in enumerate(figures)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}">',
            f"<style>{STYLE}{DRAWING}.paper {{ fill: var(--paper); }}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            *placed,
            "</svg>\n",
        ]
    )


def _x(figure: Figure, value: float) -> float:
    return round(LEFT + figure.x.place(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(figure: Figure, value: float) -> float:
    return round(HEIGHT - BOTTOM - figure.y.place(value) * (HEIGHT - TOP - BOTTOM), 1)


def _axes(figure: Figure) -> list[str]:
    floor = HEIGHT - BOTTOM
    parts = []
    for value, text in figure.y.ticks:
        y = _y(figure, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{text}</text>'
        )
    for value, text in figure.x.ticks:
        x = _x(figure, value)
        parts.append(
            f'<text class="tick" x="{x}" y="{floor + 18}" text-anchor="middle">{text}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="tick" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(figure.x.name)}</text>"
    )
    parts.append(f'<text class="tick" x="8" y="{TOP - 14}">{escape(figure.y.name)}</text>')
    return parts


def _bars(figure: Figure, series: Series, number: int, count: int) -> list[str]:
    step = (WIDTH - LEFT - RIGHT) / max(1, round((figure.x.high - figure.x.low) * 10))
    wide = step * BAR_SHARE / count
    floor = _y(figure, 0)
    parts = []
    for mark in series.marks:
        left = round(_x(figure, mark.x) - step * BAR_SHARE / 2 + number * wide, 1)
        top = _y(figure, mark.y)
        parts.append(
            f'<rect x="{left}" y="{top}" width="{wide:.1f}" height="{floor - top:.1f}" rx="1.5">'
            f"<title>{escape(mark.text)}</title></rect>"
        )
    return parts


def _points(figure: Figure, series: Series) -> list[str]:
    parts = []
    if series.shape in ("line", "dashed"):
        joined = " L".join(f"{_x(figure, mark.x)} {_y(figure, mark.y)}" for mark in series.marks)
        parts.append(f'<path d="M{joined}"/>')
    return parts + [part for mark in series.marks for part in _point(figure, mark)]


def _point(figure: Figure, mark: Mark) -> list[str]:
    if not mark.size:
        return []
    x, y, parts = _x(figure, mark.x), _y(figure, mark.y), []
    if mark.low is not None and mark.high is not None:
        low, high = _y(figure, max(mark.low, figure.y.low)), _y(figure, mark.high)
        parts.append(f'<line class="error" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>')
    radius = THINNEST + (THICKEST - THINNEST) * mark.size
    parts.append(
        f'<circle cx="{x}" cy="{y}" r="{radius:.1f}"><title>{escape(mark.text)}</title></circle>'
    )
    return parts


def _legend(figure: Figure) -> list[str]:
    """Return the legend: the names of the series, at the top right of the plot.

    The legend is empty if there is only one series.
    """
    if len(figure.series) < 2:
        return []
    parts, right = [], float(WIDTH - RIGHT)
    for series in reversed(figure.series):
        name = escape(series.name)
        parts.append(f'<text class="key" x="{right:.1f}" y="20" text-anchor="end">{name}</text>')
        right -= LETTER * len(series.name) + 12
        parts.append(f'<g class="{series.shape} {series.tone}">')
        parts.append(f'<circle cx="{right:.1f}" cy="16" r="4.5"/></g>')
        right -= 16
    return parts
