"""What every test shares: an environment of its own, and pictures of two kinds."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image, ImageDraw

# No example and no strategy is judged by its time: the machine may be busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """HOME and XDG_* in a temporary folder; no thread is left behind."""
    home = tmp_path / "home"
    for variable, name in (
        ("HOME", "."),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "run"),
    ):
        folder = home / name
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(variable, os.fspath(folder))
    for bus in ("SESSION", "SYSTEM"):  # a test that wants one starts its own
        monkeypatch.setenv(f"DBUS_{bus}_BUS_ADDRESS", f"unix:path={home}/no-bus")
    for variable in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM"):
        monkeypatch.delenv(variable, raising=False)
    before = set(threading.enumerate())
    yield home
    left = [one.name for one in threading.enumerate() if one not in before and not one.daemon]
    assert not left, f"threads left behind: {left}"


def draw(kind: str, number: int) -> Image.Image:
    """A picture of a kind: "sun" (a disc over a warm gradient) or "text" (lines on white)."""
    random = np.random.default_rng([number, len(kind)])
    width, height = int(random.integers(180, 420)), int(random.integers(180, 420))
    if kind == "sun":
        down = np.linspace(0, 1, height)[:, None, None]
        top, bottom = random.integers(120, 255, 3), random.integers(0, 120, 3)
        pixels = (top * (1 - down) + bottom * down) * np.ones((1, width, 1))
        image = Image.fromarray(pixels.astype(np.uint8))
        pen = ImageDraw.Draw(image)
        x, y, r = (int(random.integers(40, 140)) for _ in range(3))
        pen.ellipse((x, y, x + r, y + r), fill=(255, 220, int(random.integers(0, 120))))
        return image
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    for y in range(10, height - 10, 12):
        x = 10
        while x < width - 20:
            word = int(random.integers(4, 40))
            pen.rectangle((x, y, x + word, y + 5), fill=(20, 20, 20))
            x += word + 6
    return image


def put(folder: Path, kind: str, count: int, first: int = 0) -> list[Path]:
    """Save `count` pictures of a kind into a folder; returns their paths."""
    paths = []
    for number in range(first, first + count):
        path = folder / f"{kind}-{number:03d}.{'jpg' if number % 2 else 'png'}"
        draw(kind, number).save(path)
        paths.append(path)
    return paths
