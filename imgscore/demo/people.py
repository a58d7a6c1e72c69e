"""Drawings of portraits, and of posters with large captions."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from imgscore.demo.paint import (
    WHITE,
    Board,
    Chance,
    Colour,
    finish,
    gradient,
    mix,
    noise,
    pick,
    rgb,
)

GROUNDS = ("#f6d6c9", "#cfe3e2", "#f4e3b1", "#d9d2e9", "#b9d7ea", "#f7c8a5", "#2f4858", "#5b4b6e")
SKINS = ("#f6d3bd", "#eab896", "#c98d64", "#9a6544", "#6d4530", "#f0c6a4")
HAIRS = ("#2b1d14", "#5b3a21", "#a5682a", "#d9b06b", "#7a7a80", "#15171c", "#8d3b1f")
CLOTHES = ("#36558f", "#b23a48", "#2d6a4f", "#e09f3e", "#4a4e69", "#6d597a", "#f2f2f2")
CAPTIONS = (
    ("ONE DOES NOT SIMPLY", "CLOSE A TAB"),
    ("MONDAY", "AGAIN?"),
    ("I FIXED THE BUG", "NOW THERE ARE TWO"),
    ("SUCH FOLDER", "VERY SORTED"),
    ("KEEP CALM", "AND MAKE TEST"),
    ("BRACE YOURSELVES", "UPDATES ARE COMING"),
    ("SUMMER SALE", "UP TO 50%"),
    ("LIVE TONIGHT", "THE OWLS"),
    ("NOT SURE IF FAST", "OR JUST CACHED"),
)
BRIGHT = ("#e63946", "#f4a261", "#2a9d8f", "#457b9d", "#9b5de5", "#f15bb5", "#ffb703", "#118ab2")


def portrait(chance: Chance) -> Image.Image:
    """Draw one portrait: the head and the shoulders in front of a soft background."""
    width, height = (800, 1000) if chance.random() < 0.75 else (900, 900)
    ground, skin = pick(chance, GROUNDS), pick(chance, SKINS)
    hair, cloth = pick(chance, HAIRS), pick(chance, CLOTHES)
    canvas = gradient(width, height, [mix(ground, WHITE, 0.3), ground, mix(ground, (0, 0, 0), 0.2)])
    canvas += (noise(chance, width, height, 3, 2)[..., None] - 0.5) * 34
    board = Board(width, height, canvas)
    x, y = width / 2 + chance.uniform(-25, 25), height * 0.43
    face_x, face_y = width * chance.uniform(0.165, 0.19), height * chance.uniform(0.175, 0.2)
    long_hair = chance.random() < 0.5
    if long_hair:
        board.box(x - face_x * 1.3, y - face_y * 0.6, face_x * 2.6, face_y * 2.6, hair, face_x)
    shade = mix(skin, (90, 40, 30), 0.22)
    board.disc(x, height * 1.03, width * 0.4, height * 0.3, cloth)
    board.box(x - face_x * 0.42, y + face_y * 0.5, face_x * 0.84, face_y * 1.0, shade, face_x * 0.4)
    board.disc(x, y + face_y * 1.42, face_x * 0.62, face_y * 0.2, shade)
    board.disc(x, y - face_y * 0.25, face_x * 1.2, face_y * 1.12, hair)
    for side in (-1, 1):
        board.disc(x + side * face_x, y + face_y * 0.1, face_x * 0.17, face_y * 0.2, shade)
    board.disc(x, y, face_x, face_y * 1.04, skin)
    _fringe(board, chance, x, y, face_x, face_y, hair)
    _face(board, chance, x, y, face_x, face_y, skin, hair)
    return _studio(board, chance)


def _studio(board: Board, chance: Chance) -> Image.Image:
    """Return the image of the board, with light from one side as in a photo studio."""
    canvas = np.array(board.image(), np.float32)
    side = np.linspace(1.07, 0.86, canvas.shape[1], dtype=np.float32)
    canvas *= (side if chance.random() < 0.5 else side[::-1])[None, :, None]
    return finish(canvas, chance, grain=4)


def _fringe(
    board: Board, chance: Chance, x: float, y: float, face_x: float, face_y: float, hair: Colour
) -> None:
    lean = chance.uniform(-0.5, 0.5)
    top = y - face_y * 1.08
    board.area(
        [
            (x - face_x * 1.05, y - face_y * 0.2),
            (x - face_x * 0.85, top + face_y * 0.25),
            (x, top - face_y * 0.05),
            (x + face_x * 0.85, top + face_y * 0.25),
            (x + face_x * 1.05, y - face_y * 0.2),
            (x + face_x * (0.55 + lean * 0.3), y - face_y * 0.55),
            (x + face_x * lean, y - face_y * 0.68),
            (x - face_x * (0.55 - lean * 0.3), y - face_y * 0.5),
        ],
        hair,
    )


def _face(
    board: Board, chance: Chance, x: float, y: float, face_x: float, face_y: float,
    skin: Colour, hair: Colour,
) -> None:  # fmt: skip
    iris = pick(chance, ["#4b6f8f", "#5a3b22", "#56733d", "#3b2a20"])
    glasses = chance.random() < 0.3
    for side in (-1, 1):
        eye_x, eye_y = x + side * face_x * 0.42, y - face_y * 0.02
        board.disc(eye_x + side * face_x * 0.1, y + face_y * 0.36, face_x * 0.19, face_y * 0.1,
                   mix(skin, (225, 90, 90), 0.28))  # fmt: skip
        board.disc(eye_x, eye_y, face_x * 0.17, face_y * 0.085, WHITE)
        board.disc(eye_x, eye_y, face_x * 0.085, face_x * 0.085, iris)
        board.disc(eye_x, eye_y, face_x * 0.042, face_x * 0.042, (10, 10, 10))
        board.disc(eye_x + 3, eye_y - 4, 3, 3, WHITE)
        board.arc(eye_x, eye_y - face_y * 0.1, face_x * 0.23, face_y * 0.13, 200, 340, hair, 7)
        if glasses:
            board.arc(eye_x, eye_y, face_x * 0.31, face_x * 0.31, 0, 360, (25, 25, 30), 5)
    if glasses:
        board.line([(x - face_x * 0.12, y), (x + face_x * 0.12, y)], (25, 25, 30), 5)
    dark = mix(skin, (120, 40, 30), 0.35)
    board.arc(x, y + face_y * 0.26, face_x * 0.1, face_y * 0.09, 20, 160, dark, 5)
    smile = face_x * chance.uniform(0.25, 0.4)
    board.slice(x, y + face_y * 0.48, smile, 15, 165, rgb("#a8423f"))
    board.box(
        x - smile * 0.7, y + face_y * 0.48 + smile * 0.26, smile * 1.4, smile * 0.18, WHITE, 4
    )


def poster(chance: Chance) -> Image.Image:
    """Draw one poster: a simple picture, with one caption at the top and one at the bottom."""
    width, height = (900, 900) if chance.random() < 0.5 else (800, 1100)
    one, two = pick(chance, BRIGHT), pick(chance, BRIGHT)
    board = Board(width, height, gradient(width, height, [one, mix(one, two, 0.5)]))
    x, y = width / 2, height * 0.52
    style = int(chance.integers(3))
    if style == 0:
        rays = int(chance.integers(9, 16))
        for ray in range(rays):
            turn = 2 * math.pi * ray / rays
            ends = [
                (x + 1500 * math.cos(turn + part), y + 1500 * math.sin(turn + part))
                for part in (0, math.pi / rays)
            ]
            board.area([(x, y), *ends], mix(one, WHITE, 0.25))
    elif style == 1:
        for ring in range(9, 0, -1):
            board.disc(x, y, ring * 70, ring * 70, mix(one, two, ring % 2 * 0.8))
    else:
        for _ in range(40):
            size = float(chance.uniform(12, 70))
            place = float(chance.uniform(0, width)), float(chance.uniform(0, height))
            board.disc(*place, size, size, mix(pick(chance, BRIGHT), one, 0.35))
    _creature(board, chance, x, y, min(width, height) * 0.24)
    above, below = CAPTIONS[int(chance.integers(len(CAPTIONS)))]
    for text, edge, anchor in ((above, 36.0, "ma"), (below, height - 36.0, "md")):
        board.write(x, edge, text, min(92, 1.62 * width / len(text)), WHITE, anchor, outline=5)
    return board.image()


def _creature(board: Board, chance: Chance, x: float, y: float, size: float) -> None:
    """Draw the head of an animal: a bear, a cat or an owl. The animals have different ears."""
    fur = pick(chance, ["#6b4f3a", "#d9a066", "#8d99ae", "#3d405b", "#f2e9e4"])
    dark, ears = mix(fur, (0, 0, 0), 0.35), int(chance.integers(3))
    for side in (-1, 1):
        if ears == 0:
            board.disc(x + side * size * 0.7, y - size * 0.75, size * 0.32, size * 0.32, dark)
        else:
            tip = y - size * (1.45 if ears == 1 else 1.2)
            board.area(
                [(x + side * size * 0.95, y - size * 0.3), (x + side * size * 0.8, tip),
                 (x + side * size * 0.15, y - size * 0.8)], dark,
            )  # fmt: skip
    board.disc(x, y, size, size * 0.92, fur)
    look = float(chance.uniform(-0.05, 0.05)) * size
    for side in (-1, 1):
        board.disc(x + side * size * 0.38, y - size * 0.12, size * 0.25, size * 0.25, WHITE)
        board.disc(
            x + side * size * 0.38 + look, y - size * 0.1, size * 0.12, size * 0.12, (15, 15, 20)
        )
    board.disc(x, y + size * 0.42, size * 0.34, size * 0.24, mix(fur, WHITE, 0.5))
    board.area(
        [(x - size * 0.12, y + size * 0.26), (x + size * 0.12, y + size * 0.26),
         (x, y + size * 0.42)], (30, 25, 25),
    )  # fmt: skip
    board.arc(x, y + size * 0.42, size * 0.16, size * 0.14, 10, 170, (30, 25, 25), 5)
