"""`make release`: the dry run changes nothing, and the edits set the version everywhere."""

import datetime
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import newest, release

ROOT = Path(__file__).parents[3]
NOW = datetime.datetime(2026, 12, 24, 18, 0, tzinfo=datetime.UTC)
CHANGES = "## [Unreleased]\n\n### Upgrade notes\n\nNothing to do.\n\n### Added\n\n* A thing.\n"
PEOPLE = {
    f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the files of this one that a release reads, committed."""
    copied = [
        "imgscore/__init__.py", "man/imgscore.1", "man/imgscored.1", "CHANGELOG.md",
        "pyproject.toml", "Makefile", "packaging/arch/PKGBUILD", "packaging/debian/changelog",
        "packaging/imgscore.metainfo.xml", "tools/release.py",
    ]  # fmt: skip
    for name in copied:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{CHANGES}")
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace("imgscore.example", "imgscore.test"))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "All")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *arguments],
        cwd=folder, env={**os.environ, **PEOPLE}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


def run_make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make` in a checkout, with the Python of these tests instead of a new environment."""
    (folder / ".venv/bin").mkdir(parents=True, exist_ok=True)
    python = folder / ".venv/bin/python"
    if not python.exists():
        python.symlink_to(sys.executable)
        (folder / ".git/info/exclude").write_text(".venv\n")
        for stamp in ("installed", "installed-dev"):
            (folder / ".venv" / stamp).touch()
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_release_dry_run_shows_all_steps_and_changes_nothing(checkout: Path) -> None:
    done = run_make(checkout, "release", "VERSION=9.8.7", "DRY_RUN=1")
    assert done.returncode == 0, done.stderr
    for text in ('+__version__ = "9.8.7"', "## [9.8.7] - ", "make test-all", "git tag v9.8.7"):
        assert text in done.stdout
    assert "Nothing is in the way of the release." in done.stdout
    assert "git push origin HEAD v9.8.7" in done.stdout
    assert git(checkout, "status", "--porcelain") == "" and git(checkout, "tag") == ""


def test_release_dry_run_of_this_checkout_works() -> None:
    done = subprocess.run(
        [sys.executable, "tools/release.py", "99.0.0", "--dry-run"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pyproject.toml has the placeholder" in done.stdout


@pytest.mark.parametrize(
    ("version", "reason"),
    [("0.1.0", "not above"), ("v2", "is no version"), ("", "is no version"), ("1.0", "no version")],
)
def test_release_wrong_version_is_refused(checkout: Path, version: str, reason: str) -> None:
    with pytest.raises(release.ReleaseError, match=reason):
        release.release(checkout, version, dry_run=False)
    assert git(checkout, "status", "--porcelain") == ""


def test_release_changed_file_or_old_tag_is_refused(checkout: Path) -> None:
    (checkout / "Makefile").write_text("")
    git(checkout, "tag", "v9.8.7")
    with pytest.raises(release.ReleaseError, match=r"the tag v9\.8\.7 exists") as caught:
        release.release(checkout, "9.8.7", dry_run=False)
    assert "git status" in str(caught.value)


def test_release_commits_all_changes_and_makes_the_tag(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one command instead of the hours of tests and builds."""
    for name, value in PEOPLE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(release, "COMMANDS", (("false",),))
    with pytest.raises(release.ReleaseError, match=r"false failed.*git checkout"):
        release.release(checkout, "9.8.7", dry_run=False)
    assert git(checkout, "tag") == ""
    git(checkout, "checkout", "--", ".")
    monkeypatch.setattr(release, "COMMANDS", (("grep", "-q", "9.8.7", "imgscore/__init__.py"),))
    release.release(checkout, "9.8.7", dry_run=False)
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "log", "-1", "--format=%s") == "Release 9.8.7\n"
    assert git(checkout, "tag", "--points-at", "HEAD") == "v9.8.7\n"


def test_edits_set_the_version_in_every_file(checkout: Path) -> None:
    for path, text in release.edits(checkout, "9.8.7", NOW).items():
        path.write_text(text)
    changelog = checkout / "CHANGELOG.md"
    changelog.write_text(release.edit_changelog(changelog.read_text(), "9.8.7", NOW.date()))
    assert release.current_version(checkout) == "9.8.7"
    assert 'TH IMGSCORE 1 "" "imgscore 9.8.7"' in (checkout / "man/imgscore.1").read_text()
    assert "\npkgver=9.8.7\n" in (checkout / "packaging/arch/PKGBUILD").read_text()
    first = (checkout / "packaging/debian/changelog").read_text().splitlines()[0]
    assert first == "imgscore (9.8.7-1) unstable; urgency=medium"
    releases = (checkout / "packaging/imgscore.metainfo.xml").read_text()
    assert releases.index('version="9.8.7" date="2026-12-24"') < releases.index('version="0.1.0"')
    text = changelog.read_text()
    assert text.startswith("# Changelog\n\n## [Unreleased]\n\n## [9.8.7] - 2026-12-24\n")
    assert release.entry(text) == "" and "A thing" in release.entry(text, "9.8.7")
    release.check_tag(checkout, "v9.8.7")
    with pytest.raises(release.ReleaseError, match="does not fit"):
        release.check_tag(checkout, "v9.8.8")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ("## [Unreleased]\n", "nothing in"),
        ("## [Unreleased]\n\n### Added\n\n* A thing.\n", "Upgrade notes"),
        (f"{CHANGES}\n## [9.8.7] - 2026-01-01\n\nOld.\n", "already"),
        ("## 1.0\n", "no entry"),
    ],
)
def test_edit_changelog_without_notes_is_refused(changes: str, reason: str) -> None:
    with pytest.raises(release.ReleaseError, match=reason):
        release.edit_changelog(f"# Changelog\n\n{changes}", "9.8.7", NOW.date())


def test_parse_orders_candidates_before_the_final_version() -> None:
    versions = ["0.2.0rc1", "0.2.0rc2", "0.2.0", "0.2.1", "0.10.0", "1.0.0"]
    assert sorted(set(versions), key=release.parse) == versions


def test_packaging_files_name_the_version_of_the_source() -> None:
    version = release.current_version(ROOT)
    assert f"\npkgver={version}\n" in (ROOT / "packaging/arch/PKGBUILD").read_text()
    debian = (ROOT / "packaging/debian/changelog").read_text()
    assert debian.startswith(f"imgscore ({version}-1) ")
    metainfo = (ROOT / "packaging/imgscore.metainfo.xml").read_text()
    assert re.findall(r'<release version="([^"]+)"', metainfo)[0] == version


def test_tag_of_the_checked_out_commit_fits_the_version() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("cannot read tags: this is no git repository")
    tags = git(ROOT, "tag", "--points-at", "HEAD", "--list", "v*").split()
    assert tags in ([], [f"v{release.current_version(ROOT)}"])


def test_unreleased_changes_begin_with_upgrade_notes() -> None:
    changes = release.entry((ROOT / "CHANGELOG.md").read_text())
    assert changes == "" or changes.startswith(release.NOTES)


def test_unbounded_keeps_lower_bounds_only() -> None:
    project = {
        "dependencies": ["a>=1.2,<3", "b>=4", "typer>=0.26,<0.29"],
        "optional-dependencies": {name: [f"{name}>=1,<2"] for name in newest.EXTRAS},
    }
    lines = newest.unbounded(project)
    assert {"a>=1.2", "b>=4", "tray>=1", "typer>=0.26,<0.29"} <= set(lines)
    assert "".join(lines).count("<") == 1
