"""Drawings of charts: bars, lines, pies, scatters and heat maps, with titles, axes and legends."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imgscore.demo.paint import Board, Chance, Colour, mix, rgb

SIZES = ((1000, 700), (1100, 620), (900, 760), (820, 820))
PALETTES = (
    ("#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948"),
    ("#264653", "#2a9d8f", "#e9c46a", "#f4a261", "#e76f51", "#8ab17d"),
    ("#003f5c", "#58508d", "#bc5090", "#ff6361", "#ffa600", "#7a9cc6"),
)
TITLES = (
    "Revenue by region", "Requests per second", "Coffee against commits", "Rainfall, 2019-2025",
    "Where the time goes", "Budget by department", "Cycle times", "Visitors by hour",
    "Battery health", "Open issues",
)  # fmt: skip
SERIES = ("North", "South", "East", "West", "Other", "Online")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class _Plot:
    """A board with the title of a chart, and with a frame in which the data is drawn."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        width, height = SIZES[int(chance.integers(len(SIZES)))]
        self.dark = bool(chance.random() < 0.2)
        self.paper: Colour = rgb("#1e2430") if self.dark else (255, 255, 255)
        self.ink: Colour = rgb("#d8dee9") if self.dark else rgb("#333333")
        self.faint = mix(self.paper, self.ink, 0.16)
        self.colours = [rgb(code) for code in PALETTES[int(chance.integers(len(PALETTES)))]]
        self.board = Board(width, height, self.paper)
        title = TITLES[int(chance.integers(len(TITLES)))]
        self.board.write(width / 2, 26, title, 30, self.ink, "ma")
        self.left, self.top = 92.0, 92.0
        self.right, self.bottom = width - 40.0, height - 84.0

    def axes(self, labels: tuple[str, ...], most: int) -> None:
        """Draw both axes, the grid and the labels.

        `labels`: the labels of the x axis. `most`: the value that is written at the top of the y
        axis.
        """
        board = self.board
        for step in range(6):
            y = self.bottom - (self.bottom - self.top) * step / 5
            board.line([(self.left, y), (self.right, y)], self.faint, 1.5)
            board.write(self.left - 12, y, f"{most * step // 5}", 17, self.ink, "rm")
        step_x = (self.right - self.left) / len(labels)
        for index, label in enumerate(labels):
            x = self.left + step_x * (index + 0.5)
            board.write(x, self.bottom + 12, label, 17, self.ink, "ma")
        frame = [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)]
        board.line(frame, self.ink, 2)

    def legend(self, count: int) -> None:
        """Draw the legend, which shows the colour of each of the `count` series."""
        x = self.left
        for index in range(count):
            y = self.bottom + 46
            self.board.box(x, y, 20, 16, self.colours[index], 3)
            self.board.write(x + 28, y + 8, SERIES[index], 17, self.ink, "lm")
            x += 120

    def height(self, share: float) -> float:
        """Return the y coordinate of a value between 0 and 1."""
        return self.bottom - (self.bottom - self.top) * share


def chart(chance: Chance) -> Image.Image:
    """Draw one chart."""
    plot = _Plot(chance)
    kinds = (_bars, _bars, _lines, _lines, _pie, _scatter, _heat)
    kinds[int(chance.integers(len(kinds)))](plot)
    return plot.board.image()


def _bars(plot: _Plot) -> None:
    chance, labels = plot.chance, MONTHS[: int(plot.chance.integers(5, 13))]
    series = int(chance.integers(1, 4))
    plot.axes(labels, int(chance.integers(2, 20)) * 50)
    slot = (plot.right - plot.left) / len(labels)
    wide = slot * 0.76 / series
    values = np.clip(chance.normal(0.5, 0.2, (len(labels), series)), 0.05, 0.98)
    for index, row in enumerate(values):
        for number, value in enumerate(row):
            x = plot.left + slot * (index + 0.12) + wide * number
            top = plot.height(float(value))
            plot.board.box(x, top, wide - 2, plot.bottom - top, plot.colours[number])
    plot.legend(series)


def _lines(plot: _Plot) -> None:
    chance = plot.chance
    series, points = int(chance.integers(1, 5)), int(chance.integers(12, 60))
    plot.axes(MONTHS, int(chance.integers(2, 20)) * 50)
    steps = chance.normal(0, 0.06, (series, points)).cumsum(axis=1)
    values = np.clip(chance.uniform(0.3, 0.7, (series, 1)) + steps, 0.02, 0.98)
    at = np.linspace(plot.left, plot.right, points)
    for number, row in enumerate(values):
        line = [(float(x), plot.height(float(y))) for x, y in zip(at, row, strict=True)]
        if series == 1:
            shade = mix(plot.paper, plot.colours[0], 0.3)
            plot.board.area([(plot.left, plot.bottom), *line, (plot.right, plot.bottom)], shade)
        plot.board.line(line, plot.colours[number], 3.5)
        if points < 25:
            for x, y in line:
                plot.board.disc(x, y, 5, 5, plot.colours[number])
    plot.legend(series)


def _pie(plot: _Plot) -> None:
    shares = plot.chance.dirichlet(np.full(int(plot.chance.integers(4, 7)), 2.5))
    x, y = (plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2
    radius, angle = min(plot.right - plot.left, plot.bottom - plot.top) / 2, -90.0
    for number, share in enumerate(shares):
        plot.board.slice(x, y, radius, angle, angle + 360 * share, plot.colours[number])
        middle = np.deg2rad(angle + 180 * share)
        place = x + radius * 0.68 * np.cos(middle), y + radius * 0.68 * np.sin(middle)
        plot.board.write(place[0], place[1], f"{share:.0%}", 20, (255, 255, 255), "mm")
        angle += 360 * share
    if plot.chance.random() < 0.5:
        plot.board.disc(x, y, radius * 0.45, radius * 0.45, plot.paper)
    plot.legend(len(shares))


def _scatter(plot: _Plot) -> None:
    chance = plot.chance
    plot.axes(tuple(str(number * 10) for number in range(1, 9)), 100)
    for number in range(int(chance.integers(1, 4))):
        x = chance.normal(chance.uniform(0.3, 0.7), 0.13, 110)
        y = chance.uniform(-0.9, 0.9) * (x - 0.5) + chance.normal(0.5, 0.08, 110)
        for across, up in zip(np.clip(x, 0.01, 0.99), np.clip(y, 0.02, 0.98), strict=True):
            place = plot.left + (plot.right - plot.left) * float(across)
            plot.board.disc(place, plot.height(float(up)), 5.5, 5.5, plot.colours[number])


def _heat(plot: _Plot) -> None:
    rows, columns = int(plot.chance.integers(6, 11)), 12
    plot.axes(MONTHS, rows * 10)
    wide = (plot.right - plot.left) / columns
    high = (plot.bottom - plot.top) / rows
    for row in range(rows):
        for column in range(columns):
            share = float(plot.chance.beta(1.6, 2.2))
            fill = mix(mix(plot.paper, plot.colours[0], 0.15), plot.colours[0], share)
            x, y = plot.left + wide * column, plot.top + high * row
            plot.board.box(x + 1, y + 1, wide - 2, high - 2, fill)
            text: Colour = (255, 255, 255) if share > 0.5 or plot.dark else plot.ink
            plot.board.write(x + wide / 2, y + high / 2, f"{share * 99:.0f}", 16, text, "mm")
