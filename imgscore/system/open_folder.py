"""Opens a folder in the file manager of the desktop."""

import os
import subprocess

from imgscore.errors import ImgscoreError
from imgscore.system import private

MAX_SECONDS = 10.0
"""How long xdg-open may take, in seconds. It ends when it has started the file manager, unless it
is the file manager itself."""


def open_folder(folder: bytes) -> None:
    """Open `folder`, an absolute path, with xdg-open.

    Raises ImgscoreError if it is no folder, or if there is no desktop or no file manager. Only a
    folder is opened, never a file: the user's programs could run the file.
    """
    name = os.fsdecode(folder)
    if not os.path.isabs(folder) or not os.path.isdir(folder):
        raise ImgscoreError(f"{name} is no folder any more", "load the new order")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ImgscoreError("the review runs without a desktop", "copy the path instead")
    try:
        # The folder ends with "/", so that a file that replaces it now is not opened either.
        process = subprocess.Popen(
            ["xdg-open", os.path.join(folder, b"")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            umask=private.umask_of_user(),
        )
        failed = process.wait(MAX_SECONDS) != 0
    except subprocess.TimeoutExpired:
        return  # the file manager is open
    except OSError:
        failed = True
    if failed:
        raise ImgscoreError(
            f"{name} could not be opened with xdg-open", "install a file manager, or copy the path"
        )
