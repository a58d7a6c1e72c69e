"""Builds sdist and wheel twice, in different places, and compares the bytes.

`python tools/build_packages.py OUTPUT`; needs the packages of tools/build_requirements.txt. The
second build has another folder, umask, time zone, locale and order of the files on disk.
"""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "tools" / "build_requirements.txt"
SETTING = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
"""the environment of the second build, where it differs from that of the first"""
UMASK = 0o077
"""the umask of the second build: new files are private, so modes differ"""


class Packages(NamedTuple):
    """The paths of the built packages."""

    sdist: Path
    wheel: Path


def commit_seconds() -> str:
    """The time for all files of a package, in seconds since 1970, as SOURCE_DATE_EPOCH gives it.

    It is the value of SOURCE_DATE_EPOCH, or else the time of the last commit. Without git, as in an
    unpacked sdist, it is the time that the sdist gave its files.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    command = ["git", "log", "-1", "--format=%ct"]
    if (ROOT / ".git").exists() and shutil.which("git"):
        return subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()
    return str(int((ROOT / "pyproject.toml").stat().st_mtime))


def build(source: Path, output: Path, environment: dict[str, str]) -> Packages:
    """Build the sdist of a source tree, and the wheel from the sdist."""
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", output, source],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    (sdist,), (wheel,) = output.glob("*.tar.gz"), output.glob("*.whl")
    return Packages(sdist, wheel)


def copy_source(target: Path) -> None:
    """Copy the files of this source tree that git would add, or all files where git is missing.

    The copies are made in random order, with the present umask and the present time.
    """
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        names = [os.fsdecode(name) for name in listing.split(b"\0") if name]
    else:
        names = [os.fspath(file.relative_to(ROOT)) for file in ROOT.rglob("*") if file.is_file()]
    random.Random(1).shuffle(names)
    for name in names:
        if (ROOT / name).is_file():  # A deleted file is listed until the deletion is committed.
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
            if os.access(ROOT / name, os.X_OK):  # git keeps this bit only
                (target / name).chmod(0o700)


def digest(file: Path) -> str:
    """The sha256 of a file, in hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def build_twice(output: Path) -> Packages:
    """Build both packages into a folder, build them again elsewhere, and compare the bytes.

    Writes SHA256SUMS beside them. Exits with an error if a byte differs.
    """
    output.mkdir(parents=True, exist_ok=True)
    for old in [*output.glob("imgscore-*"), output / "SHA256SUMS"]:
        old.unlink(missing_ok=True)
    shutil.rmtree(output / "second", ignore_errors=True)
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": commit_seconds(),
        "PIP_CONSTRAINT": os.fspath(REQUIREMENTS),
    }
    first = build(ROOT, output, environment)
    with tempfile.TemporaryDirectory(prefix="imgscore build ") as folder:
        before = os.umask(UMASK)
        try:
            source = Path(folder) / "a folder with another name"
            copy_source(source)
            second = build(source, Path(folder) / "dist", environment | SETTING)
        finally:
            os.umask(before)
        for one, other in zip(first, second, strict=True):
            if digest(one) != digest(other):
                kept = output / "second" / other.name
                kept.parent.mkdir(exist_ok=True)
                shutil.copyfile(other, kept)
                sys.exit(f"{one} is not reproducible: compare it with {kept}")
    sums = "".join(f"{digest(file)}  {file.name}\n" for file in first)
    (output / "SHA256SUMS").write_text(sums)
    print(f"built twice, the same bytes:\n{sums}", end="")
    return first


if __name__ == "__main__":
    build_twice(Path(sys.argv[1]))
