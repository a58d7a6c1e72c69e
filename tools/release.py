"""Prepares a release: `make release VERSION=X.Y.Z [DRY_RUN=1]`.

It checks the state of the repository, sets the version in all files that name it, runs the tests,
builds the packages, commits, and makes the tag. It uploads nothing: at the end it prints what is
left to do by hand. A dry run prints the changes and the commands, and changes nothing.
"""

import argparse
import datetime
import difflib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv" / "bin"
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:rc(\d+))?")
UNRELEASED = "## [Unreleased]\n"
NOTES = "### Upgrade notes\n"
"""The first section of an entry of the changelog: what users of the last release have to do."""
CHECKS = ("lint", "test-all", "test-lowest", "package", "deb", "sbom")
"""the make targets that must pass, in this order"""
COMMANDS = (
    (os.fspath(BIN / "pip"), "install", "--quiet", "--no-deps", "--editable", "."),
    ("make", "docs"),
    *(("make", target) for target in CHECKS),
)
"""what runs after the version is set; the first makes the installed metadata state the version"""
LEFT = """
Left to do by hand:
  1. Run `make bench` on a machine that does nothing else. Replace figures in README.md and
     docs/figures.md that changed by more than a tenth, and name the machine.
  2. Install dist/imgscore-{version}-py3-none-any.whl in an empty home folder. Follow docs/guide.md
     from the top. Repeat this with a store of the last release.
  3. git push origin HEAD v{version}
     The workflow release.yml then tests, builds, attests and publishes the packages.
  4. pipx install imgscore=={version}; imgscore demo; imgscore doctor
"""


class ReleaseError(Exception):
    """The release cannot be made; the message says why, and what to do."""


def parse(version: str) -> tuple[int, int, int, int]:
    """A version as numbers that can be compared; a final version comes after its candidates."""
    match = VERSION.fullmatch(version)
    if match is None:
        raise ReleaseError(f"{version!r} is no version; write X.Y.Z, or X.Y.ZrcN for a candidate")
    major, minor, patch, candidate = match.groups()
    return int(major), int(minor), int(patch), int(candidate) if candidate else sys.maxsize


def current_version(root: Path) -> str:
    """The version in imgscore/__init__.py."""
    text = (root / "imgscore/__init__.py").read_text()
    (version,) = re.findall(r'^__version__ = "(.*)"$', text, re.MULTILINE)
    return str(version)


def entry(changelog: str, version: str = "") -> str:
    """The text of a release in the changelog, without its heading; of [Unreleased] if no version.

    Raises ReleaseError if there is no such entry.
    """
    name = version or "Unreleased"
    match = re.search(
        rf"^## \[{re.escape(name)}\][^\n]*\n(.*?)(?=^## \[|\Z)", changelog, re.DOTALL | re.MULTILINE
    )
    if match is None:
        raise ReleaseError(f"CHANGELOG.md has no entry [{name}]")
    return match[1].strip()


def edit_changelog(text: str, version: str, day: datetime.date) -> str:
    """The changelog with the entry of the version, and a new, empty [Unreleased] above it."""
    body = entry(text)
    if not body:
        raise ReleaseError("CHANGELOG.md has nothing in [Unreleased]; describe the changes there")
    if not body.startswith(NOTES):
        raise ReleaseError(
            f"CHANGELOG.md: [Unreleased] must begin with {NOTES.strip()!r}: what a user of the "
            "last release has to do, or that there is nothing to do"
        )
    if f"## [{version}]" in text:
        raise ReleaseError(f"CHANGELOG.md has an entry [{version}] already")
    return text.replace(UNRELEASED, f"{UNRELEASED}\n## [{version}] - {day}\n", 1)


def edits(root: Path, version: str, now: datetime.datetime) -> dict[Path, str]:
    """The new texts of all files that name the version, without the changelog.

    `now`: the time of the release.
    """
    old = current_version(root)
    changed: dict[Path, str] = {}

    def replace(name: str, pattern: str, replacement: str) -> None:
        text = (root / name).read_text()
        new, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
        if not count:
            raise ReleaseError(f"{name} does not name the version as expected: {pattern}")
        changed[root / name] = new

    replace("imgscore/__init__.py", r'^__version__ = ".*"$', f'__version__ = "{version}"')
    for page in ("man/imgscore.1", "man/imgscored.1"):
        replace(page, rf'^(\.TH .*)"imgscore {re.escape(old)}"$', rf'\1"imgscore {version}"')
    replace("packaging/arch/PKGBUILD", r"^pkgver=.*$", f"pkgver={version}")
    release = f'<release version="{version}" date="{now.date()}"/>'
    replace("packaging/imgscore.metainfo.xml", r"^( *)<releases>$", rf"\1<releases>\n\1  {release}")
    debian = root / "packaging/debian/changelog"
    changed[debian] = debian_entry(version, now) + debian.read_text()
    return changed


def debian_entry(version: str, now: datetime.datetime) -> str:
    """The entry of a version in debian/changelog."""
    text = version.replace("rc", "~rc")
    return (
        f"imgscore ({text}-1) unstable; urgency=medium\n\n"
        "  * New version: see /usr/share/doc/imgscore/NEWS.md.gz.\n\n"
        f" -- The imgscore developers <imgscore@imgscore.example>  {format_datetime(now)}\n\n"
    )


def git(root: Path, *arguments: str) -> str:
    """The output of a git command."""
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def problems(root: Path, version: str) -> Iterator[str]:
    """Everything that speaks against a release of this version now."""
    if parse(version) <= parse(current_version(root)):
        yield f"{version} is not above the present version {current_version(root)}"
    if not (root / ".git").exists():
        yield "this is no git repository; release from a clone"
    else:
        if git(root, "tag", "--list", f"v{version}"):
            yield f"the tag v{version} exists; choose another version"
        if git(root, "status", "--porcelain"):
            yield "files are changed or not in git; commit or stash them: git status"
    if "imgscore.example" in (root / "pyproject.toml").read_text():
        yield "pyproject.toml has the placeholder imgscore.example; write the public addresses"


def check_tag(root: Path, tag: str) -> None:
    """Raise ReleaseError if a tag does not fit the version, or the changelog lacks its entry."""
    version = current_version(root)
    if tag != f"v{version}":
        raise ReleaseError(f"the tag {tag} does not fit the version {version} of the source")
    entry((root / "CHANGELOG.md").read_text(), version)


def show(changed: dict[Path, str], root: Path) -> None:
    """Print the changes as a diff."""
    for path, text in changed.items():
        name = os.fspath(path.relative_to(root))
        lines = difflib.unified_diff(
            path.read_text().splitlines(), text.splitlines(), name, name, lineterm="", n=0
        )
        print("\n".join(lines))


def release(root: Path, version: str, *, dry_run: bool) -> None:
    """Make the release, or show what would be done."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    parse(version)
    found = list(problems(root, version))
    changed, changelog = edits(root, version, now), root / "CHANGELOG.md"
    try:
        changed[changelog] = edit_changelog(changelog.read_text(), version, now.date())
    except ReleaseError as error:
        found.append(str(error))
    if dry_run:
        show(changed, root)
        print("\nCommands:", *(" ".join(command) for command in COMMANDS), sep="\n  ")
        print(f"  git commit --all --message 'Release {version}'\n  git tag v{version}")
        print(LEFT.format(version=version))
        print("In the way of the release:" if found else "Nothing is in the way of the release.")
        print(*(f"  {text}" for text in found), sep="\n")
        return
    if found:
        raise ReleaseError("\n".join(found))
    for path, text in changed.items():
        path.write_text(text)
    for command in COMMANDS:
        print("+", *command, flush=True)
        if subprocess.run(command, cwd=root, check=False).returncode:
            raise ReleaseError(
                f"{' '.join(command)} failed. Undo the changes with `git checkout -- .`, mend the "
                f"fault, commit, and run `make release VERSION={version}` again"
            )
    git(root, "commit", "--all", "--message", f"Release {version}")
    signed = "--sign" if git(root, "config", "--default", "", "user.signingkey") else "--annotate"
    git(root, "tag", signed, "--message", f"imgscore {version}", f"v{version}")
    print(LEFT.format(version=version))


def main() -> None:
    """Make a release, check a tag, or print an entry of the changelog."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", nargs="?", default="")
    parser.add_argument("--dry-run", action="store_true", help="show the changes; make none")
    parser.add_argument("--check-tag", metavar="TAG", help="only check that a tag fits")
    parser.add_argument("--notes", action="store_true", help="only print the changes of VERSION")
    arguments = parser.parse_args()
    try:
        if arguments.check_tag is not None:
            check_tag(ROOT, arguments.check_tag)
        elif arguments.notes:
            version = arguments.version or current_version(ROOT)
            print(entry((ROOT / "CHANGELOG.md").read_text(), version))
        else:
            release(ROOT, arguments.version, dry_run=arguments.dry_run)
    except ReleaseError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
