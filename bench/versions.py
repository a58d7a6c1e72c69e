"""Measure how many marked, framed and cropped copies are found, and how many rank after the image.

`python -m bench.versions FOLDER…` makes versions of at most `--images` images of each folder, and
prints a table: for each kind of version and folder, the share that is joined with the image, and
the share of those that rank after the image. All files of a folder are used that Pillow opens.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from bench.groups import CHANGES, Reader, crop, watermark
from imgscore.groups.best import Quality, best_first
from imgscore.groups.find import Links
from imgscore.workers.measure_quality import quality_of

SIDE = 1000
MIN_SIDE = 64
QUALITIES = (75, 85, 90, 95)
MARKED_SCALE = 0.75
"""The scale of every third marked copy."""


def _font(pixels: float) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(max(8, int(pixels)))


def _corner(image: Image.Image, random: Random) -> Image.Image:
    """A small line of text in a corner."""
    marked, size = image.copy(), image.width // random.choice((22, 30, 40))
    draw = ImageDraw.Draw(marked, "RGBA")
    text = random.choice(("© Jane Doe 2019", "www.example.org", "photo by M. Muster"))
    left = random.choice((size, image.width - draw.textlength(text, font=_font(size)) - size))
    top = random.choice((size // 2, image.height - 2 * size))
    colour = random.choice(((255, 255, 255), (0, 0, 0), (255, 255, 255)))
    draw.text((left, top), text, font=_font(size), fill=(*colour, random.choice((255, 200, 140))))
    return marked


def _tiled(image: Image.Image, random: Random) -> Image.Image:
    """Rows of transparent text all over the image."""
    layer, size = Image.new("RGBA", image.size), max(image.width // 18, 1)
    draw = ImageDraw.Draw(layer)
    for row, top in enumerate(range(0, image.height, 4 * size)):
        for left in range(-3 * size, image.width, 8 * size):
            place = left + row % 2 * 4 * size, top
            draw.text(place, "SAMPLE", font=_font(size), fill=(255, 255, 255, 110))
    return _over(image, layer.rotate(random.choice((0, 20, 30))))


def _date(image: Image.Image, _: Random) -> Image.Image:
    marked, size = image.copy(), image.width // 25
    place = image.width - 7 * size, image.height - 2 * size
    ImageDraw.Draw(marked).text(place, "2007 08 14", font=_font(size), fill=(255, 140, 30))
    return marked


def _logo(image: Image.Image, random: Random) -> Image.Image:
    layer, size = Image.new("RGBA", image.size), image.width // 7
    draw, left, top = (
        ImageDraw.Draw(layer),
        image.width - 5 * size // 4,
        image.height - 5 * size // 4,
    )
    veil = random.choice((120, 200))
    draw.ellipse((left, top, left + size, top + size), fill=(255, 255, 255, veil))
    draw.text(
        (left + size / 5, top + size / 4), "AB", font=_font(size / 2), fill=(20, 60, 160, 255)
    )
    return _over(image, layer)


def _title(image: Image.Image, _: Random) -> Image.Image:
    """White text on a dark veil along the lower edge."""
    layer, height = Image.new("RGBA", image.size), image.height // 9
    draw, top = ImageDraw.Draw(layer), image.height - height
    draw.rectangle((0, top, image.width, image.height), fill=(0, 0, 0, 130))
    place, white = (height, top + height / 5), (255, 255, 255, 255)
    draw.text(place, "A title for the picture", font=_font(height / 2), fill=white)
    return _over(image, layer)


def _large_letters(image: Image.Image, _: Random) -> Image.Image:
    marked, size = image.copy(), image.width // 10
    draw, stroke = ImageDraw.Draw(marked), max(1, size // 14)
    for left, top, text in (
        (image.width / 10, size / 3, "WHEN YOU SORT"),
        (image.width / 5, image.height - 1.5 * size, "BY DATE"),
    ):
        draw.text((left, top), text, font=_font(size), fill="white", stroke_width=stroke,
                  stroke_fill="black")  # fmt: skip
    return marked


def _over(image: Image.Image, layer: Image.Image) -> Image.Image:
    marked = image.convert("RGBA")
    marked.alpha_composite(layer)
    return marked.convert("RGB")


def _shown(screen: Image.Image, image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The screen with the image in the middle of a box; a larger image is reduced."""
    shown = image.copy()
    shown.thumbnail((box[2] - box[0], box[3] - box[1]))
    left = box[0] + (box[2] - box[0] - shown.width) // 2
    screen.paste(shown, (left, box[1] + (box[3] - box[1] - shown.height) // 2))
    return screen


def _viewer(image: Image.Image, _: Random) -> Image.Image:
    """A window with a title and a row of thumbnails, on a dark desktop."""
    screen = Image.new("RGB", (1366, 768), (48, 10, 36))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((60, 20, 1340, 750), fill=(245, 245, 245))
    draw.rectangle((60, 20, 1340, 60), fill=(60, 60, 60))
    draw.text((600, 32), "picture.png", fill="white")
    for row in range(9):
        draw.rectangle((75, 80 + row * 70, 140, 130 + row * 70), fill=(200, 200 + row * 5, 210))
        draw.text((78, 134 + row * 70), f"img{row}.png", fill="black")
    return _shown(screen, image, (170, 75, 1320, 735))


def _web_page(image: Image.Image, _: Random) -> Image.Image:
    screen = Image.new("RGB", (1280, 900), "white")
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 1280, 70), fill=(220, 222, 226))
    draw.text((120, 40), "https://example.org/blog/picture", fill=(40, 40, 40))
    for row in range(50):
        draw.text((60, 90 + row * 16), "lorem ipsum dolor sit amet consectetur", fill=(30, 30, 30))
    return _shown(screen, image, (380, 150, 1200, 790))


def _full_screen(image: Image.Image, _: Random) -> Image.Image:
    """A black screen with a panel above."""
    screen = Image.new("RGB", (1280, 800), "black")
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 1280, 36), fill=(30, 30, 34))
    draw.text((600, 12), "Sat 12:34", fill="white")
    return _shown(screen, image, (0, 36, 1280, 800))


def _instant_picture(image: Image.Image, _: Random) -> Image.Image:
    """A white frame that is wide below."""
    framed = ImageOps.expand(image, max(4, image.width // 40), fill="white")
    return ImageOps.expand(framed, (0, 0, 0, image.height // 7), fill="white")


VERSIONS: dict[str, Callable[[Image.Image, Random], Image.Image]] = {
    "watermark across": lambda image, _: watermark(image),
    "text in a corner": _corner,
    "text all over": _tiled,
    "date": _date,
    "logo": _logo,
    "title on a veil": _title,
    "large letters": _large_letters,
    "frame": CHANGES["frame"],
    "white frame, wide below": _instant_picture,
    "viewer of a phone or desktop": CHANGES["screenshot"],
    "window of a viewer": _viewer,
    "page of a browser": _web_page,
    "full screen": _full_screen,
    "crop, 95 %": lambda image, random: crop(image, 0.95, random),
    "crop, 90 %": lambda image, random: crop(image, 0.9, random),
    "crop, 80 %": lambda image, random: crop(image, 0.8, random),
    "crop, 70 %": lambda image, random: crop(image, 0.7, random),
    "crop, 80 %, enlarged": lambda image, random: crop(image, 0.8, random).resize(
        image.size, Image.Resampling.BICUBIC
    ),
    "half the size": CHANGES["half the size"],
    "JPEG of quality 40": CHANGES["JPEG of quality 40"],
    "mirrored": CHANGES["mirrored"],
}
MARKS = tuple(VERSIONS)[:7]


def opened(path: Path) -> Image.Image | None:
    """The image on white, or None if it cannot be used."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            picture = Image.new("RGB", image.size, "white")
            clear = image.convert("RGBA")
    except (OSError, Image.DecompressionBombError):
        return None
    picture.paste(clear, mask=clear.getchannel("A"))
    picture.thumbnail((SIDE, SIDE))
    small, large = sorted(picture.size)
    return picture if small >= MIN_SIDE and large <= 4 * small else None


def versions(image: Image.Image, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes of each version."""
    for name, change in VERSIONS.items():
        random = Random(seed + name)
        made, quality = change(image, random), random.choice(QUALITIES)
        if name in MARKS and random.random() < 1 / 3:
            size = tuple(int(side * MARKED_SCALE) for side in made.size)
            made = made.resize((size[0], size[1]), Image.Resampling.LANCZOS)
        yield name, _encoded(made, quality)


def _encoded(image: Image.Image, quality: int) -> bytes:
    data = io.BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=quality)
    return data.getvalue()


def is_first(image: Quality, version: Quality, gain: float) -> bool:
    """Whether the image ranks before its version. `gain`: see `groups.containment`."""
    wholes = [(1, 0, gain)] if gain > 0 else [(0, 1, -gain)] if gain < 0 else []
    return best_first([version, image], wholes) == [1, 0]


def measure(folder: Path, count: int) -> dict[str, list[tuple[bool, bool]]]:
    """For each kind of version, whether it was joined, and whether the image ranks first."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    used = 0
    for path in Random(3).sample(files, len(files)):
        image = opened(path) if used < count else None
        if image is None:
            continue
        used, reader = used + 1, Reader()
        data = _encoded(image, 92)
        reader.add(data)
        made = list(versions(image, path.name))
        for _, version in made:
            reader.add(version)
        links = reader.links([(0, row + 1) for row in range(len(made))])
        gains, quality = _gains(links), quality_of(data)
        for row, (name, version) in enumerate(made, 1):
            gain = gains.get(row)
            first = gain is not None and is_first(quality, quality_of(version), gain)
            found[name].append((gain is not None, first))
    print(f"{folder}: {used} images", file=sys.stderr, flush=True)
    return found


def _gains(links: Links) -> dict[int, float]:
    return dict(zip(links.rows[:, 1].tolist(), links.gains.tolist(), strict=True))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--images", type=int, default=30)
    options = parser.parse_args()
    results = [measure(folder, options.images) for folder in options.folders]
    print("| version |", " | ".join(folder.name for folder in options.folders), "|")
    print("|---|" + "---|" * len(results))
    for name in VERSIONS:
        cells = []
        for result in results:
            joined = [first for is_joined, first in result[name] if is_joined]
            share = len(joined) / max(len(result[name]), 1)
            cells.append(f"{share:.2f}, {np.mean(joined):.2f}" if joined else f"{share:.2f}, –")
        print(f"| {name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
