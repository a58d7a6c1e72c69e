"""Builds sdist and wheel, and tests the wheel like a user: `make package`.

It installs the wheel into an empty environment and runs the demo with a new home folder. Needs
`build`.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
WHEEL_FILES = (
    "imgscore/py.typed",
    "imgscore/embedders/data/efficientnet-lite0.onnx",
    "imgscore/report/page.html",
    "imgscored/main.py",
    "data/share/man/man1/imgscore.1",
    "data/share/man/man1/imgscored.1",
    "data/share/imgscore/systemd/imgscored.service",
    "licenses/LICENSE",
    "licenses/NOTICE",
)
EXCLUDED = re.compile(r"(^|/)(tests|bench|tools|docs)/|__pycache__")
MIN_AUC = 0.9
"""of the demo's order"""


def build() -> tuple[Path, Path]:
    """Build the sdist, and the wheel from it; returns their paths."""
    for old in DIST.glob("imgscore-*"):
        old.unlink()
    subprocess.run([sys.executable, "-m", "build", "--outdir", DIST, ROOT], check=True)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    return sdist, wheel


def check_sdist(sdist: Path) -> None:
    """Check that the sdist contains every file that the README links to."""
    with tarfile.open(sdist) as archive:
        names = {PurePosixPath(name) for name in archive.getnames()}
        top = min(names, key=lambda name: len(name.parts)).parts[0]
        readme = archive.extractfile(f"{top}/README.md")
        assert readme is not None
        text = readme.read().decode()
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    missing = [link for link in links if PurePosixPath(top) / link not in names]
    assert links and not missing, f"the README links to files that the sdist lacks: {missing}"


def check_wheel(wheel: Path) -> None:
    """Check the files and the description of the wheel; print its size."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        description = message_from_bytes(archive.read(metadata))
    missing = [file for file in WHEEL_FILES if not any(name.endswith(file) for name in names)]
    assert not missing, f"the wheel lacks {missing}"
    extra = [name for name in names if EXCLUDED.search(name)]
    assert not extra, f"the wheel contains {extra}"
    assert description["Description-Content-Type"] == "text/markdown"
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files")


def try_wheel(wheel: Path, folder: Path) -> None:
    """Install the wheel into a new environment and run the demo, without this environment."""
    venv.create(folder / "venv", with_pip=True)
    python, home = folder / "venv/bin/python", folder / "home"
    home.mkdir()
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "PYTHON"))
    }
    environment = {**inherited, "HOME": os.fspath(home)}
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([python, *pip, wheel], check=True, cwd=folder, env=environment)
    result = _run(folder, environment, "demo", "demo", "--json")
    assert result["auc"] >= MIN_AUC, f"the demo's order is wrong: {result}"
    print(f"demo: AUC {result['auc']}, {result['seconds']} s")
    for page in ("imgscore.1", "imgscored.1"):
        assert (folder / "venv/share/man/man1" / page).stat().st_size > 0


def _run(folder: Path, environment: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run(
        [folder / "venv/bin/imgscore", *arguments],
        check=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        timeout=300,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Build and check both packages."""
    sdist, wheel = build()
    check_sdist(sdist)
    check_wheel(wheel)
    with tempfile.TemporaryDirectory() as folder:
        try_wheel(wheel, Path(folder))


if __name__ == "__main__":
    main()
