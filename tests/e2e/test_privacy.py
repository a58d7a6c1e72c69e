"""Other users can read none of the files that imgscore derives from pictures, whatever the umask
is, and cannot take the daemon's place.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.testing import IMGSCORED, Sandbox, run
from tests.conftest import put
from tests.support import needs
from tests.support.commands import Start, imgscore


def open_paths(*roots: Path) -> list[str]:
    """The files and folders below these roots that other users may use."""
    found = [path for root in roots for path in (root, *root.rglob("*"))]
    return [
        f"{path} {path.lstat().st_mode:o}"
        for path in found
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


@pytest.mark.parametrize("umask", [0, 0o022])
def test_verbs_any_umask_make_no_file_for_others(
    sandbox: Sandbox, tmp_path: Path, umask: int
) -> None:
    sandbox.make_home()
    (sandbox.home / "run").chmod(0o700)
    before, inbox, out = os.umask(umask), tmp_path / "inbox", tmp_path / "out"
    out.mkdir(mode=0o700)
    try:
        assert imgscore("init", inbox).code == 0
        assert (inbox / "keep").stat().st_mode & 0o777 == 0o777 & ~umask, "the user's own folder"
        for kind, place in (("sun", "keep"), ("text", "trash")):
            for path in put(inbox, kind, 6)[:3]:
                path.rename(inbox / place / path.name)
        with paths.config_file().open("a") as file:
            file.write('[daemon]\non_battery = "work"\n')
        bundle = out / "bundle.parquet"
        for command in (
            ["start"], ["scan"], ["wait"], ["order"], ["report"],
            ["report", "-o", out / "page.html"],
            ["db", "backup", out / "backup"], ["next", "--json"], ["suspects"], ["evaluate"],
            ["export", bundle], ["heads", "export", out / "head.safetensors"], ["stop"],
            ["scan"], ["db", "compact"], ["db", "restore", out / "backup"],
            ["links", tmp_path / "best"],
        ):  # fmt: skip
            done = imgscore(*command)
            assert done.code in (0, 1, 2) and "Traceback" not in done.err, (command, done)
        assert (out / "page.html").exists() and (out / "backup" / "data.mdb").exists()
        own = [paths.data_folder(), paths.cache_folder(), paths.runtime_folder(), out]
        assert open_paths(*(folder for folder in own if folder.exists())) == []
        links = tmp_path / "best"
        assert links.stat().st_mode & 0o777 == 0o777 & ~umask, "the user's own folder"
        assert open_paths(*links.iterdir()) == []
    finally:
        os.umask(before)


def test_start_wide_folders_of_an_older_version_are_narrowed(
    inbox: Path, start: Start, sandbox: Sandbox
) -> None:
    start().settle()
    sandbox.stop()
    for folder in (paths.data_folder(), paths.cache_folder(), paths.store_folder()):
        folder.chmod(0o755)
    start().settle()
    for folder in (paths.data_folder(), paths.cache_folder(), paths.store_folder()):
        assert folder.stat().st_mode & 0o777 == 0o700, folder


def test_verbs_runtime_folder_of_others_is_refused(inbox: Path) -> None:
    (sun,) = put(inbox, "sun", 1)
    assert imgscore("label", "keep", sun).code == 0
    runtime = paths.runtime_folder().parent
    runtime.mkdir(exist_ok=True)
    runtime.chmod(0o777)
    try:
        for verb in (["status"], ["undo", "label"], ["scan"], ["stop"], ["start"]):
            done = imgscore(*verb)
            assert done.code == 3 and "other users can replace the socket" in done.err, done
            assert "XDG_RUNTIME_DIR" in done.err and "Traceback" not in done.err
        daemon = run([*IMGSCORED])
        assert daemon.code == 3 and "other users" in daemon.err
        assert imgscore("doctor").code == 1
    finally:
        runtime.chmod(0o700)
    assert imgscore("score", sun, "--json").row["label"] == "keep"


LISTEN = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
os.chdir(sys.argv[1])
server.bind("control.sock")
os.chmod("control.sock", 0o777)
os.setgid(1234), os.setuid(1234)
server.listen()
print("listening", flush=True)
while True:
    client, _ = server.accept()
    print("asked", client.recv(9999), flush=True)
"""


def test_verbs_daemon_of_another_user_gets_no_request(inbox: Path) -> None:
    needs.root("to listen as another user")
    folder = paths.runtime_folder()
    folder.mkdir(parents=True, mode=0o700)
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, folder], stdout=subprocess.PIPE, text=True
    ) as stranger:
        assert stranger.stdout is not None and stranger.stdout.readline() == "listening\n"
        done = imgscore("undo", "label")
        assert done.code == 1 and "belongs to the user 1234" in done.err, done
        stranger.kill()
        assert stranger.stdout.read().replace("asked b''\n", "") == ""
    shutil.rmtree(folder)
