"""The entry point of the container runs the daemon as the owner of the images, never as root."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from imgscore.testing import FAST, eventually
from tests.support import needs
from tests.support.commands import BIN

ENTRYPOINT = Path(__file__).parents[2] / "packaging/container/entrypoint"
UID, GID = 12_345, 12_346
"""a user and a group that own nothing"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can read, with the entry point under its three names."""
    # The folders of pytest are readable only for the user of the tests.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for command in ("imgscore-entrypoint", "imgscore", "imgscored"):
            shutil.copy(ENTRYPOINT, folder / command)
        (folder / "inbox").mkdir()
        yield folder


def settings(folder: Path, programs: Path, **more: str) -> dict[str, str]:
    """The environment of the container, with its folders in `folder`."""
    return {
        "PATH": os.environ["PATH"],
        "IMGSCORE_PROGRAMS": os.fspath(programs),
        "IMGSCORE_DATA": os.fspath(folder / "data"),
        "IMGSCORE_INBOX": os.fspath(folder / "inbox"),
        "IMGSCORE_RUN": os.fspath(folder / "run"),
        **more,
    }


def enter(
    folder: Path, command: str, *arguments: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the entry point under a name, as the user of the test."""
    return subprocess.run(
        [folder / command, *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def as_user(folder: Path, *command: str) -> list[str]:
    """The entry point as a user other than root: for root, in a user namespace."""
    entry = [os.fspath(folder / command[0]), *command[1:]]
    if os.geteuid() != 0:
        return entry
    needs.program("unshare", "util-linux")
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", *entry]


@pytest.mark.parametrize("command", ["imgscore", "imgscored", "imgscore-entrypoint"])
def test_entrypoint_as_root_becomes_the_user(folder: Path, command: str) -> None:
    needs.root("to become another user")
    programs = folder / "programs"
    programs.mkdir()
    for name in ("imgscore", "imgscored"):
        # These programs print who they are. The real ones may be in a folder of root alone.
        (programs / name).write_text('#!/bin/sh\necho "$(basename "$0") $*" $(id -u; id -G) $HOME')
        (programs / name).chmod(0o755)
    numbers = {"PUID": str(UID), "PGID": str(GID)}
    done = enter(
        folder, command, "status", "a b", environment=settings(folder, programs, **numbers)
    )
    name = "imgscored" if command == "imgscored" else "imgscore"
    assert done.stdout.split("\n")[0] == f"{name} status a b {UID} {GID} {folder / 'data'}", done
    for made in ("data", "run"):
        status = (folder / made).stat()
        assert (status.st_uid, status.st_gid) == (UID, GID)
    assert (folder / "run").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("uid", ["0", "abc", "-1", "1000 "])
def test_entrypoint_with_a_wrong_user_ends(folder: Path, uid: str) -> None:
    needs.root("to become another user")
    done = enter(folder, "imgscored", environment=settings(folder, BIN, PUID=uid))
    assert done.returncode == 2 and "PUID" in done.stderr
    assert not (folder / "data").exists()


def test_entrypoint_without_images_names_the_remedy(folder: Path) -> None:
    (folder / "inbox").rmdir()
    command = as_user(folder, "imgscore-entrypoint")
    (folder / "data").mkdir()
    environment = settings(folder, BIN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "mount the folder" in done.stderr, done


def test_entrypoint_serves_learns_and_is_healthy(folder: Path) -> None:
    (folder / "data/config/imgscore").mkdir(parents=True)
    environment = settings(folder, BIN)
    inbox, config = folder / "inbox", folder / "data/config/imgscore/config.toml"

    def call(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            as_user(folder, *command), env=environment, capture_output=True, text=True, check=False
        )

    assert call("imgscore-entrypoint", "health").returncode != 0
    assert call("imgscore", "init", os.fspath(inbox)).returncode == 0
    with config.open("a") as file:
        file.write("[daemon]\n" + "".join(f"{name} = {value}\n" for name, value in FAST.items()))
    daemon = subprocess.Popen(as_user(folder, "imgscore-entrypoint", "serve"), env=environment)
    try:
        eventually(
            lambda: call("imgscore-entrypoint", "health").returncode == 0, what="it is healthy"
        )
        shutil.copy(Path(__file__).parents[2] / "docs/before-and-after.jpg", inbox / "a.jpg")
        assert call("imgscore", "wait").returncode == 0
        (inbox / "a.jpg").rename(inbox / "keep/a.jpg")
        eventually(
            lambda: '"label": "keep"' in call("imgscore", "history", "--json").stdout,
            what="the move labels the image",
        )
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    assert call("imgscore-entrypoint", "health").returncode != 0
    assert config.read_text().count("[[watch]]") == 1
