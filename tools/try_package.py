"""Builds sdist and wheel, and tries the wheel as a user would: `make package`.

An empty environment, a home of its own, the demo from the installed command. Needs `build`.
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
IN_THE_WHEEL = (
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
NOT_IN_THE_WHEEL = re.compile(r"(^|/)(tests|bench|tools|docs)/|__pycache__")
MIN_AUC = 0.9


def build() -> tuple[Path, Path]:
    """The sdist, and the wheel that was built from it."""
    for old in DIST.glob("imgscore-*"):
        old.unlink()
    subprocess.run([sys.executable, "-m", "build", "--outdir", DIST, ROOT], check=True)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    return sdist, wheel


def check_sdist(sdist: Path) -> None:
    """Every file and picture that the README links to lies where the link says."""
    with tarfile.open(sdist) as archive:
        names = {PurePosixPath(name) for name in archive.getnames()}
        top = min(names, key=lambda name: len(name.parts)).parts[0]
        readme = archive.extractfile(f"{top}/README.md")
        assert readme is not None
        text = readme.read().decode()
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    missing = [link for link in links if PurePosixPath(top) / link not in names]
    assert links and not missing, f"the README links to what the sdist lacks: {missing}"


def check_wheel(wheel: Path) -> None:
    """What has to be in it is, what has not is not, and the README is its description."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        described = message_from_bytes(archive.read(metadata))
    missing = [one for one in IN_THE_WHEEL if not any(name.endswith(one) for name in names)]
    assert not missing, f"the wheel lacks {missing}"
    extra = [name for name in names if NOT_IN_THE_WHEEL.search(name)]
    assert not extra, f"the wheel has {extra}"
    assert described["Description-Content-Type"] == "text/markdown"
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files")


def try_wheel(wheel: Path, folder: Path) -> None:
    """Install it where nothing is, and play the demo with nothing of ours on the way."""
    venv.create(folder / "venv", with_pip=True)
    python, home = folder / "venv/bin/python", folder / "home"
    home.mkdir()
    kept = {key: os.environ[key] for key in os.environ if not key.startswith(("XDG_", "PYTHON"))}
    environment = {**kept, "HOME": os.fspath(home)}
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([python, *pip, wheel], check=True, cwd=folder, env=environment)
    answer = _run(folder, environment, "demo", "demo", "--json")
    assert answer["auc"] >= MIN_AUC, f"the demo's order is wrong: {answer}"
    print(f"demo: AUC {answer['auc']}, {answer['seconds']} s")
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
    """All of it."""
    sdist, wheel = build()
    check_sdist(sdist)
    check_wheel(wheel)
    with tempfile.TemporaryDirectory() as folder:
        try_wheel(wheel, Path(folder))


if __name__ == "__main__":
    main()
