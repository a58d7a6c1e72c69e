"""Environment variables that kill a Python process at one of imgscore's failpoints."""

import os
from pathlib import Path

ARMED = Path(__file__).parent / "armed"


def stop_at(name: str, number: int = 1) -> dict[str, str]:
    """Variables that kill a Python process when it reaches a failpoint for the `number`th time."""
    folders = filter(None, [os.fspath(ARMED), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": os.pathsep.join(folders), "STOP_AT": f"{name}:{number}"}
