"""imgscore's own files and its socket are closed to other users, whatever the umask is."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.errors import ConfigError
from imgscore.system import private


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    before = os.umask(0o002)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_protect_wide_folder_and_umask_are_narrowed(tmp_path: Path) -> None:
    folder, missing = tmp_path / "data", tmp_path / "missing"
    folder.mkdir(mode=0o775)
    private.protect([folder, missing])
    (folder / "file").touch()
    (folder / "below").mkdir()
    assert (mode(folder), mode(folder / "file"), mode(folder / "below")) == (0o700, 0o600, 0o700)
    assert not missing.exists()
    with private.users_umask():
        (tmp_path / "shared").mkdir()
    assert mode(tmp_path / "shared") == 0o775
    (tmp_path / "after").touch()
    assert mode(tmp_path / "after") == 0o600


def test_protect_link_to_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "data").symlink_to("shared")
    private.protect([tmp_path / "data"])
    assert mode(tmp_path / "shared") == 0o775


@pytest.mark.parametrize("own", [0o770, 0o707, 0o1777, 0o720])
def test_check_runtime_folder_writable_by_others_is_refused(tmp_path: Path, own: int) -> None:
    runtime = tmp_path / "run"
    (runtime / "imgscore").mkdir(parents=True)
    for folder in (runtime, runtime / "imgscore"):
        runtime.chmod(0o700)
        (runtime / "imgscore").chmod(0o700)
        private.check_runtime_folder(runtime / "imgscore")
        folder.chmod(own)
        with pytest.raises(ConfigError, match="other users") as caught:
            private.check_runtime_folder(runtime / "imgscore")
        assert str(folder) in caught.value.message and "XDG_RUNTIME_DIR" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder to another user")
def test_check_runtime_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "imgscore").mkdir(mode=0o700)
    os.chown(tmp_path / "imgscore", 1234, 1234)
    tmp_path.chmod(0o700)
    with pytest.raises(ConfigError, match="owner 1234"):
        private.check_runtime_folder(tmp_path / "imgscore")
