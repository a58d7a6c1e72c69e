"""The tree of a commit, and a process that runs the probes of a tree: used by bench.check."""

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
    """The clone does not have the commit (it may be shallow), or git is not installed."""


class ProbeError(Exception):
    """A probe failed, or the process that runs it."""


def reference() -> str:
    """The id of the commit in the file REFERENCE."""
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    (commit,) = (line.strip() for line in lines if line.strip() and not line.startswith("#"))
    return commit


def unpack(commit: str, folder: Path, repository: Path = ROOT) -> Path:
    """Write the tree of a commit into a new folder by `git archive`; returns the folder."""
    # In a container, the checkout may belong to another user; git refuses it without this setting.
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
    """A process that runs the probes of one tree and writes its files into `folder`, an empty one.

    It uses its own virtual environment, with the tree's code and commands and the packages of the
    current environment. So both versions start in the same way.
    """

    def __init__(self, tree: Path, folder: Path) -> None:
        python = _create_environment(tree, folder / "venv")
        scratch = folder / "scratch"
        scratch.mkdir()
        removed = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
        inherited = {key: value for key, value in os.environ.items() if key not in removed}
        added = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [python, "-P", RUNNER, scratch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=inherited | added,
        )
        first = self._read()
        self.names: list[str] = first["names"]
        self.error: str = first["error"]
        """the exception that prevented more probes; "" if the list is complete"""

    def seconds(self, name: str, count: int) -> float:
        """CPU seconds of `count` runs of a probe."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([name, count]) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ProbeError("the process of the probes ended") from None
        row = self._read()
        if "error" in row:
            raise ProbeError(row["error"])
        return float(row["seconds"])

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProbeError(
                f"the process of the probes ended with exit status {self._process.wait()}"
            )
        return dict(json.loads(line))

    def close(self) -> None:
        """End the process."""
        with self._process:
            self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _create_environment(tree: Path, folder: Path) -> Path:
    """Create a virtual environment with this tree installed; returns its Python."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    # Python ignores .pth files in a folder that a .pth file adds. So an editable install of this
    # repository in the current environment has no effect.
    folders = [os.fspath(tree), os.fspath(tree / "daemon"), sysconfig.get_path("purelib")]
    (packages / "tree.pth").write_text("\n".join(folders) + "\n", encoding="utf-8")
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    for name, target in project["project"]["scripts"].items():
        module, _, function = target.partition(":")
        script = folder / "bin" / name
        script.write_text(SCRIPT.format(python=python, module=module, function=function))
        script.chmod(0o755)
    return python
