"""Find the file of the built-in model.

The file is data, so a distribution can ship it in a package of its own. docs/packaging.md describes
the folders. The idle daemon imports this module, so it imports little.
"""

import os
import sys
from pathlib import Path

VARIABLE = "IMGSCORE_MODEL_DIR"
"""The environment variable with the folder of the file. If set, it is the only one."""
SHARED = Path("imgscore", "models")
"""The folder of the file under a folder for data, such as /usr/share."""
_DATA_FOLDERS = "/usr/local/share:/usr/share"
"""The default of $XDG_DATA_DIRS, according to the XDG specification."""


def find(packaged: Path) -> Path:
    """Return the path of a model file. The caller checks the content, and whether the file exists.

    `packaged`: the path of the file in the Python package. The first existing file wins: in the
    package, in the environment of this Python, in the folders of $XDG_DATA_DIRS. If there is none,
    return the path in the package.
    """
    configured = os.environ.get(VARIABLE, "")
    if configured:
        return Path(configured).absolute() / packaged.name
    shares = [
        os.path.join(sys.prefix, "share"),
        *(os.environ.get("XDG_DATA_DIRS") or _DATA_FOLDERS).split(":"),
    ]
    paths = (Path(share) / SHARED / packaged.name for share in shares if share.startswith("/"))
    if packaged.exists():
        return packaged
    return next((path for path in paths if path.exists()), packaged)
