"""Builds sdist and wheel, and tests both like a user: `make package`.

It builds twice and compares the bytes, checks the metadata, resolves each extra, installs wheel and
sdist into empty environments, and runs the main job there with a new home folder. Needs the
packages of tools/build_requirements.txt. Options: `--python PYTHON` tries another interpreter, also
several times; `--fast` tries only the wheel.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath

from build_packages import ROOT, build_twice

DIST = ROOT / "dist"
WHEEL_FILES = (
    "imgscore/py.typed",
    "imgscore/embedders/data/efficientnet-lite0.onnx",
    "imgscore/report/page.html",
    "imgscored/main.py",
    "data/share/man/man1/imgscore.1",
    "data/share/man/man1/imgscored.1",
    "data/share/imgscore/systemd/imgscored.service",
    "data/share/bash-completion/completions/imgscore",
    "data/share/zsh/site-functions/_imgscore",
    "data/share/fish/vendor_completions.d/imgscore.fish",
    "licenses/LICENSE",
    "licenses/NOTICE",
)
EXCLUDED = re.compile(r"(^|/)(tests|bench|tools|docs|packaging)/|__pycache__")
FIELDS = (
    "Summary", "License-Expression", "License-File", "Requires-Python", "Author", "Keywords",
    "Classifier", "Project-URL", "Description-Content-Type",
)  # fmt: skip
"""the fields that a package index and its users need"""


def check_sdist(sdist: Path) -> None:
    """Check that the sdist contains every file that the README links to, and the packaging."""
    with tarfile.open(sdist) as archive:
        names = {PurePosixPath(name) for name in archive.getnames()}
        top = min(names, key=lambda name: len(name.parts)).parts[0]
        readme = archive.extractfile(f"{top}/README.md")
        assert readme is not None
        text = readme.read().decode()
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    needed = [*links, "packaging/main-job", "packaging/debian/rules", "tests/conftest.py"]
    missing = [name for name in needed if PurePosixPath(top) / name not in names]
    assert links and not missing, f"the sdist lacks {missing}"
    print(f"{sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB, {len(names)} files")


def check_wheel(wheel: Path) -> Message:
    """Check the files and the metadata of the wheel, and print its size. Returns the metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        description = message_from_bytes(archive.read(metadata))
    missing = [file for file in WHEEL_FILES if not any(name.endswith(file) for name in names)]
    assert not missing, f"the wheel lacks {missing}"
    extra = [name for name in names if EXCLUDED.search(name)]
    assert not extra, f"the wheel contains {extra}"
    empty = [field for field in FIELDS if not description[field]]
    assert not empty, f"the metadata lacks {empty}"
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files")
    return description


def run(*command: str | os.PathLike[str], **options: object) -> None:
    """Run a command; a failure ends the program."""
    subprocess.run(command, check=True, **options)  # type: ignore[call-overload]


def check_by_others(sdist: Path, wheel: Path) -> None:
    """Let the tools check that reject packages on upload, or warn about their contents."""
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    # W004 would reject man pages and completions; W009 the second package, imgscored.
    run(sys.executable, "-m", "check_wheel_contents", "--ignore", "W009", wheel)


def resolve_extras(wheel: Path, description: Message, folder: Path) -> None:
    """Resolve each extra together with the base, for an empty environment; installs nothing."""
    requirements = folder / "requirements.in"
    for extra in description.get_all("Provides-Extra") or ():
        requirements.write_text(f"imgscore[{extra}] @ {wheel.as_uri()}\n")
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", requirements]
        run(*command, "--output-file", folder / "resolved.txt")
        lines = (folder / "resolved.txt").read_text().splitlines()
        count = sum(not line.lstrip().startswith("#") for line in lines)
        print(f"extra {extra}: {count} packages")


def own_environment(home: Path) -> dict[str, str]:
    """The environment of this process, without its Python and XDG folders, with another home."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHON"))
    }
    return {**kept, "HOME": os.fspath(home)}


def try_package(package: Path, python: str) -> None:
    """Install a package into an empty environment of an interpreter, and run the main job."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = own_environment(folder)
        run(python, "-m", "venv", folder / "venv", env=environment)
        pip = [folder / "venv/bin/python", "-m", "pip", "--disable-pip-version-check", "install"]
        run(*pip, "--quiet", package, cwd=folder, env=environment)
        (site,) = folder.glob("venv/lib/python*/site-packages")
        size = sum(
            file.lstat().st_blocks * 512
            for part in site.iterdir()
            if not part.name.startswith("pip")
            for file in [part, *part.rglob("*")]
        )
        print(f"{package.name}, {site.parent.name}: {size / 1e6:.0f} MB installed", flush=True)
        job = ROOT / "packaging" / "main-job"
        run(job, folder / "venv/bin", cwd=folder, env=environment)
        check_manuals(folder / "venv/share/man", environment)


def check_manuals(folder: Path, environment: dict[str, str]) -> None:
    """Check that `man` finds the pages as a user with this environment's `bin` in PATH does."""
    for page in ("imgscore.1", "imgscored.1"):
        assert (folder / "man1" / page).stat().st_size > 0
    if shutil.which("man"):
        path = f"{folder.parents[1] / 'bin'}{os.pathsep}{environment['PATH']}"
        run("man", "-w", "imgscore", "imgscored", env={**environment, "PATH": path})


def main() -> None:
    """Build and check both packages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", help="an interpreter to try the packages with")
    parser.add_argument("--fast", action="store_true", help="try only the wheel")
    arguments = parser.parse_args()
    sdist, wheel = build_twice(DIST)
    check_sdist(sdist)
    description = check_wheel(wheel)
    check_by_others(sdist, wheel)
    with tempfile.TemporaryDirectory() as folder:
        resolve_extras(wheel, description, Path(folder))
    for python in arguments.python or [sys.executable]:
        for package in [wheel] if arguments.fast else [wheel, sdist]:
            try_package(package, python)


if __name__ == "__main__":
    main()
