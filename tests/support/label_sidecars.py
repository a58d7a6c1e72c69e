"""The sidecars of the images in a LabelWorld. A sidecar moves with its image, as in digiKam."""

import shutil
import time
from pathlib import Path

from imgscore import grades
from tests.support.raters import darktable_sidecar


class Sidecars:
    """Sidecars on disk, and the times at which the ratings in them were set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._set_ns: dict[int, int] = {}
        """the time by inode: imgscore changes the dates of sidecars in an inbox"""

    def of(self, path: str) -> Path:
        """The path of the sidecar of an image."""
        return self.folder / f"{path}.xmp"

    def rating(self, path: str) -> float | None:
        """The grade of the stars in the sidecar of an image."""
        sidecar = self.of(path)
        if not sidecar.exists():
            return None
        return grades.parse(sidecar.read_text().partition('xmp:Rating="')[2].partition('"')[0])

    def set_ns(self, path: str) -> int | None:
        """The time at which the rating of an image was set."""
        sidecar = self.of(path)
        return self._set_ns[sidecar.stat().st_ino] if sidecar.exists() else None

    def rate(self, path: str, stars: int) -> None:
        """Write the sidecar of an image."""
        time.sleep(0.01)  # The clock of file systems is coarse.
        status = darktable_sidecar(self.folder / path, stars).stat()
        self._set_ns[status.st_ino] = status.st_mtime_ns

    def take(self, source: str, target: str, *, copy: bool = False) -> None:
        """Move or copy the sidecar of an image. The sidecar of a replaced image is deleted."""
        here, there = self.of(source), self.of(target)
        if not here.exists():
            there.unlink(missing_ok=True)
        elif copy:
            set_ns = self._set_ns[here.stat().st_ino]
            shutil.copy2(here, there)
            self._set_ns[there.stat().st_ino] = set_ns
        else:
            here.replace(there)

    def swap(self, first: str, second: str) -> None:
        """Swap the sidecars of two images."""
        self.take(first, "swap.png")
        self.take(second, first)
        self.take("swap.png", second)
