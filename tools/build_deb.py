"""Builds the Debian package from the sdist in dist/: `make deb`.

Needs Debian's packages dpkg-dev, debhelper, python3-pip and python3-venv. If lintian is
installed, it must find nothing. The result is in dist/.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from build_packages import commit_seconds

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack the sdist as Debian expects its source, with debian/ in it. Returns its folder."""
    version = sdist.name.removeprefix("imgscore-").removesuffix(".tar.gz")
    shutil.copyfile(sdist, folder / f"imgscore_{version}.orig.tar.gz")
    subprocess.run(["tar", "--extract", "--file", sdist, "--directory", folder], check=True)
    source = folder / f"imgscore-{version}"
    shutil.copytree(source / "packaging/debian", source / "debian")
    return source


def build(source: Path) -> Path:
    """Run dpkg-buildpackage. Returns the path of the .deb file."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG"))}
    environment = {
        **kept,
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",  # Debian's Python, not the one of this checkout
        "HOME": os.fspath(source.parent),
        "SOURCE_DATE_EPOCH": commit_seconds(),
    }
    command = ["dpkg-buildpackage", "--no-sign", "--build=binary"]
    subprocess.run(command, cwd=source, check=True, env=environment)
    (package,) = source.parent.glob("imgscore_*.deb")
    return package


def main() -> None:
    """Build and check the package."""
    missing = [name for name in ("dpkg-buildpackage", "dh") if shutil.which(name) is None]
    if missing:
        needed = "dpkg-dev debhelper python3-pip python3-venv lintian"
        sys.exit(f"{', '.join(missing)}: missing; apt install {needed}")
    sdists = list(DIST.glob("imgscore-*.tar.gz"))
    if len(sdists) != 1:
        sys.exit(f"{DIST} must contain one sdist: make package")
    with tempfile.TemporaryDirectory() as folder:
        package = build(unpack(sdists[0], Path(folder)))
        for old in DIST.glob("imgscore_*.deb"):
            old.unlink()
        target = DIST / package.name
        shutil.copyfile(package, target)
    if shutil.which("lintian"):
        # pedantic and experimental tags are opinions; the others are not.
        subprocess.run(["lintian", "--fail-on=error,warning,info", "-I", target], check=True)
    else:
        print("not checked by lintian: apt install lintian")
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
