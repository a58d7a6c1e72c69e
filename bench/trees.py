"""Two versions of the code in one run: a commit's tree, and a process that runs a tree's probes."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
REFERENCE = Path(__file__).with_name("REFERENCE")
RUNNER = Path(__file__).with_name("probe_runner.py")
SCRIPT = """#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


class NoSuchCommitError(Exception):
    """The clone lacks the commit, as a shallow one does, or there is no git."""


class ProbeError(Exception):
    """A probe, or the process that runs it, failed."""


def reference() -> str:
    """The commit that the file REFERENCE names."""
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    (commit,) = (line.strip() for line in lines if line.strip() and not line.startswith("#"))
    return commit


def unpack(commit: str, folder: Path, repository: Path = ROOT) -> Path:
    """Write the tree of a commit into a new folder, as `git archive` has it."""
    # A checkout may belong to another user than the one who runs this, as in a container.
    git = ["git", "-c", f"safe.directory={repository}", "-C", repository]
    command = [*git, "archive", "--format=tar", f"{commit}^{{tree}}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise NoSuchCommitError("git is not installed") from None
    if done.returncode:
        raise NoSuchCommitError(done.stderr.decode(errors="replace").strip())
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=done.stdout, check=True)
    return folder


class Runner:
    """A process that runs the probes of one tree; `folder` is for its files, and new.

    It has a virtual environment of its own: the tree's code and commands, and the packages of the
    environment that this process runs in. Both versions start alike.
    """

    def __init__(self, tree: Path, folder: Path) -> None:
        python = _environment(tree, folder / "venv")
        scratch = folder / "scratch"
        scratch.mkdir()
        dropped = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        kept = {key: value for key, value in os.environ.items() if key not in dropped}
        self._process = subprocess.Popen(
            [python, "-P", RUNNER, scratch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=kept | one_thread,
        )
        first = self._read()
        self.names: list[str] = first["names"]
        self.error: str = first["error"]
        """why there are no more probes; "" where these are all"""

    def seconds(self, name: str, count: int) -> float:
        """CPU seconds of so many runs of a probe."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([name, count]) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ProbeError("its process ended") from None
        row = self._read()
        if "error" in row:
            raise ProbeError(row["error"])
        return float(row["seconds"])

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProbeError(f"its process ended with exit status {self._process.wait()}")
        return dict(json.loads(line))

    def close(self) -> None:
        """End the process."""
        with self._process:
            self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _environment(tree: Path, folder: Path) -> Path:
    """Make a virtual environment in which this tree is installed; returns its Python."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    # A folder that a .pth file names has its own .pth files ignored: no other tree gets in by them.
    found = [os.fspath(tree), os.fspath(tree / "daemon"), sysconfig.get_path("purelib")]
    (packages / "tree.pth").write_text("\n".join(found) + "\n", encoding="utf-8")
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    for name, target in project["project"]["scripts"].items():
        module, _, function = target.partition(":")
        script = folder / "bin" / name
        script.write_text(SCRIPT.format(python=python, module=module, function=function))
        script.chmod(0o755)
    return python
