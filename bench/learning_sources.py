"""Unpack real images from Debian packages into one folder for each source.

`python bench/learning_sources.py DIR` needs apt-get and dpkg, and 2.5 GB of disk. It makes
DIR/corpus/SOURCE/CATEGORY/FILE, hard links to the unpacked files. learning_corpus.py then embeds
DIR/corpus.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
MAX_IN_CATEGORY = 400
"""The largest number of images of one category. One category of the clip art has 1,853."""
MAX_IN_GAME = 100
"""The same for a game, of which a category can contain thousands of frames of animations."""
GAMES = "usr/share/games"
# source: (package, folder in the package, whether it is a game) of each part
PARTS: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "wallpapers": (
        ("gnome-backgrounds", "usr/share/backgrounds", False),
        ("mate-backgrounds", "usr/share/backgrounds", False),
        ("plasma-workspace-wallpapers", "usr/share/wallpapers", False),
        ("ukui-wallpapers", "usr/share/backgrounds", False),
    ),
    "screenshots": (("gimp-help-en", "usr/share/gimp/2.0/help/en/images", False),),
    "clipart": (("openclipart-png", "usr/share/openclipart/png", False),),
    "stamps": (("tuxpaint-stamps-default", "usr/share/tuxpaint/stamps", False),),
    "space": (("endless-sky-data", f"{GAMES}/endless-sky/images", True),),
    "colony": (("freecol", f"{GAMES}/freecol/default/resources/images", True),),
    "island": (
        ("unknown-horizons", "usr/share/unknown-horizons/content/gfx", True),
        ("unknown-horizons", "usr/share/unknown-horizons/content/gui", True),
    ),
}


def unpack(package: str, folder: Path) -> Path:
    """Download and unpack a Debian package; returns its folder. Finished work is not repeated."""
    target = folder / "unpacked" / package
    if not target.is_dir():
        debs = folder / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=debs, check=True)
        deb = next(debs.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg", "-x", str(deb), str(target)], check=True)
    return target


def link(images: Path, source: Path, is_game: bool) -> int:
    """Link a sample of the images below `images` into the folder `source`; returns its size.

    The category of an image is the name of the first two folders below `images`.
    """
    categories: dict[str, list[Path]] = {}
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink():
            folders = path.relative_to(images).parts[:-1]
            name = "-".join(folders[:2]).replace(" ", "_") or "other"
            categories.setdefault(name, []).append(path)
    count = 0
    for name, paths in categories.items():
        random.Random(name).shuffle(paths)
        (source / name).mkdir(parents=True, exist_ok=True)
        for path in paths[: MAX_IN_GAME if is_game else MAX_IN_CATEGORY]:
            linked = source / name / "_".join(path.relative_to(images).parts)
            if not linked.exists():
                linked.hardlink_to(path)
            count += 1
    return count


def main(folder: Path) -> None:
    for source, parts in PARTS.items():
        counts = [
            link(unpack(package, folder) / inner, folder / "corpus" / source, is_game)
            for package, inner, is_game in parts
        ]
        print(source, sum(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
