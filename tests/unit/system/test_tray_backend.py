"""Each missing part of the tray has an error of its own. tests/desktop/tray has all parts."""

import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path

import pytest

from imgscore.errors import NoDesktopError
from imgscore.system import tray_backend
from imgscore.system.tray_backend import choose_backend


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A session with a display, but neither pystray nor PyGObject."""
    real = importlib.util.find_spec

    def find_spec(name: str) -> ModuleSpec | None:
        return None if name in {"pystray", "gi"} else real(name)

    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":no-such-display")
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(tray_backend, "is_compatible", lambda folder: False)
    return monkeypatch


def test_find_backend_without_pystray_names_the_extra(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoDesktopError) as caught:
        tray_backend.find_backend()
    assert caught.value.remedy == "pip install 'imgscore[tray]'" and caught.value.exit_code == 4


def test_import_gi_without_pygobject_names_the_package(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoDesktopError) as caught:
        tray_backend.import_gi()
    assert "PyGObject" in caught.value.message and "apt install python3-gi" in caught.value.remedy


def test_choose_backend_prefers_the_session_bus() -> None:
    assert choose_backend(":0", has_indicator=True, bus_host=True, x_host=True) == "appindicator"
    assert choose_backend(":0", has_indicator=False, bus_host=True, x_host=True) == "gtk"
    assert choose_backend(":0", has_indicator=True, bus_host=False, x_host=True) == "gtk"


def test_choose_backend_without_appindicator_names_the_package() -> None:
    with pytest.raises(NoDesktopError) as caught:
        choose_backend(":0", has_indicator=False, bus_host=True, x_host=False)
    assert caught.value.remedy == tray_backend.INDICATOR


def test_choose_backend_without_a_tray_names_the_display() -> None:
    with pytest.raises(NoDesktopError, match="no tray is running on display :7"):
        choose_backend(":7", has_indicator=True, bus_host=False, x_host=False)


def test_has_x_host_without_an_x_server_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("Xlib", reason="pip install pystray")
    monkeypatch.setenv("DISPLAY", ":no-such-display")
    assert not tray_backend.has_x_host()


def test_is_compatible_with_another_pythons_pygobject_is_false(tmp_path: Path) -> None:
    folder = tmp_path / "gi"
    folder.mkdir()
    (folder / "_gi.cpython-399-x86_64-linux-gnu.so").touch()
    assert not tray_backend.is_compatible(str(tmp_path))
    (folder / f"_gi{EXTENSION_SUFFIXES[0]}").touch()
    assert tray_backend.is_compatible(str(tmp_path))
