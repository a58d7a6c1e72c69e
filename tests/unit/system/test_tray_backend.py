"""What the tray misses, named one by one. Where it has all, tests/e2e/tray shows it."""

import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path

import pytest

from imgscore.errors import NoDesktopError
from imgscore.system import tray_backend


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A display, and neither pystray nor PyGObject."""
    real = importlib.util.find_spec

    def find_spec(name: str) -> ModuleSpec | None:
        return None if name in {"pystray", "gi"} else real(name)

    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":no-such-display")
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(tray_backend, "_fits", lambda folder: False)
    return monkeypatch


def test_pystray_is_missing(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoDesktopError) as caught:
        tray_backend.find_backend()
    assert caught.value.remedy == "pip install pystray" and caught.value.exit_code == 4


def test_pygobject_is_missing(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoDesktopError) as caught:
        tray_backend.import_gi()
    assert "PyGObject" in caught.value.message and "apt install python3-gi" in caught.value.remedy


def test_appindicator_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("pystray") is None:  # to import it would need a display
        pytest.skip("pip install pystray")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr(tray_backend, "import_gi", lambda: None)
    monkeypatch.setattr(tray_backend, "_has", lambda gi, name, version: name == "Gtk")
    monkeypatch.setattr(tray_backend, "_has_x_host", lambda: False)
    monkeypatch.setattr(tray_backend, "_has_bus_host", lambda: True)
    with pytest.raises(NoDesktopError) as caught:
        tray_backend.find_backend()
    assert caught.value.remedy == tray_backend.INDICATOR


def test_a_display_that_cannot_be_reached_has_no_tray(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("Xlib", reason="pip install pystray")
    monkeypatch.setenv("DISPLAY", ":no-such-display")
    assert not tray_backend._has_x_host()


def test_a_pygobject_for_another_python_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "gi"
    folder.mkdir()
    (folder / "_gi.cpython-399-x86_64-linux-gnu.so").touch()
    assert not tray_backend._fits(str(tmp_path))
    (folder / f"_gi{EXTENSION_SUFFIXES[0]}").touch()
    assert tray_backend._fits(str(tmp_path))
