"""Draw a flame graph as a small SVG from stacks that py-spy has sampled.

    py-spy record --subprocesses --function --format raw -o STACKS -- COMMAND
    python tools/flame.py STACKS SVG --title TEXT [--keep NAME] [--without NAME]

Each box is a function; its width is the share of the samples in which it, or a function that it
called, was on the CPU. The boxes of one process stand on a box with the name of the process.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

WIDTH, ROW, MARGIN = 1200, 16, 34
"""pixels: of the picture, of a row, and above the first row"""
MIN_SHARE = 0.004
"""of all samples; narrower boxes are left out, which keeps the file small"""
LETTER = 6.6
"""pixels of a letter at the font size"""
MAX_DEPTH = 32
COLOURS = {"daemon": "#e8a33d", "worker": "#6fa8dc", "": "#b7b7b7"}
"""by the process; functions of other packages are paler"""
PROCESSES = (("imgscored", "daemon"), ("imgscore.workers", "worker"), ("bench", "bench"))
"""a part of a command, and the name of its process in the picture"""


@dataclass
class Node:
    """A function in one place of the stack: its samples, and the functions that it called."""

    name: str
    count: int = 0
    children: dict[str, Node] = field(default_factory=dict)


def read(lines: Iterable[str], keep: str, without: str) -> Node:
    """Return the tree of the stacks whose frames contain `keep`, and not `without`."""
    root = Node("all")
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        if keep not in stack or (without and without in stack):
            continue
        node = root
        node.count += int(count)
        for frame in simplify(stack.split(";"))[:MAX_DEPTH]:
            node = node.children.setdefault(frame, Node(frame))
            node.count += int(count)
    return root


def simplify(frames: list[str]) -> list[str]:
    """Return short names, without the frames of Python's own start and of its imports."""
    result: list[str] = []
    for frame in frames:
        if frame.startswith("process "):
            name = next((name for part, name in PROCESSES if part in frame), "other command")
            result = [name]  # a process stands on its parents; keep only itself
            continue
        name, _, place = frame.rstrip(")").rpartition(" (")
        if "runpy" in place:
            continue
        if "importlib" in place:
            if result[-1:] != ["import"]:
                result.append("import")
            continue
        if Path(place.partition(":")[0]).stem == "threading":
            continue
        name = name.replace(".<locals>", "")
        result.append(f"{name} {Path(place.partition(':')[0]).stem}")
    return result


def draw(root: Node, title: str) -> Iterator[str]:
    """Yield the lines of the SVG."""
    depth = _depth(root, root.count)
    height = MARGIN + ROW * depth + 8
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="monospace" font-size="11">'
    )
    yield f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    yield f'<text x="6" y="20" font-size="14">{escape(title)} ({root.count:,} samples)</text>'
    yield from _boxes(root, root.count, 0.0, height - 8 - ROW, "")
    yield "</svg>"


def _depth(node: Node, total: int) -> int:
    wide = (child for child in node.children.values() if child.count >= MIN_SHARE * total)
    return 1 + max((_depth(child, total) for child in wide), default=0)


def _boxes(node: Node, total: int, left: float, top: int, process: str) -> Iterator[str]:
    width = node.count / total * WIDTH
    share = 100 * node.count / total
    letters = int((width - 4) / LETTER)
    text = node.name if len(node.name) <= letters else node.name[: letters - 1] + "…"
    colour = COLOURS.get(process, COLOURS[""])
    yield (
        f'<g><title>{escape(node.name)}: {share:.1f} %</title><rect x="{left:.1f}" y="{top}" '
        f'width="{width:.1f}" height="{ROW - 1}" fill="{colour}" stroke="#fff"/>'
        + (f'<text x="{left + 3:.1f}" y="{top + 11}">{escape(text)}</text>' if letters > 2 else "")
        + "</g>"
    )
    for child in sorted(node.children.values(), key=lambda child: -child.count):
        if child.count >= MIN_SHARE * total:
            named = child.name if child.name in COLOURS else process
            yield from _boxes(child, total, left, top - ROW, named)
        left += child.count / total * WIDTH


def main() -> None:
    """Read the stacks, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stacks", type=Path, help="the output of py-spy record --format raw")
    parser.add_argument("svg", type=Path)
    parser.add_argument("--title", default="")
    parser.add_argument("--keep", default="", help="only stacks with this text in a frame")
    parser.add_argument("--without", default="", help="only stacks without this text")
    options = parser.parse_args()
    with options.stacks.open(encoding="utf-8") as lines:
        root = read(lines, options.keep, options.without)
    if not root.count:
        parser.error(f"{options.stacks} contains no such stack; check --keep and --without")
    options.svg.write_text("\n".join(draw(root, options.title)) + "\n", encoding="utf-8")
    for child in sorted(root.children.values(), key=lambda child: -child.count):
        print(f"{child.name}: {child.count / root.count:.0%}")


if __name__ == "__main__":
    main()
