"""The files in packaging/ are valid, and name files, programs and folders that exist."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from imgscore.embedders import lite0_spec, model_file
from tests.support import needs

ROOT = Path(__file__).parents[3]
PACKAGING = ROOT / "packaging"
SCRIPTS = [
    *(PACKAGING / name for name in ("main-job", "install-private-venv")),
    *(PACKAGING / "debian" / name for name in ("imgscore.postinst", "imgscore.prerm")),
    PACKAGING / "debian/tests/main-job",
]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_valid_for_the_shell_of_debian(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    run("sh", "-n", script)


def test_scripts_that_are_called_are_executable() -> None:
    called = [*SCRIPTS[:2], SCRIPTS[-1], PACKAGING / "debian/rules"]
    assert not [path for path in called if not path.stat().st_mode & 0o111]


def test_pkgbuild_is_valid_bash_and_packages_the_wheel() -> None:
    needs.program("bash", "bash")
    text = f'. "{PACKAGING}/arch/PKGBUILD"; echo "$pkgname ${{arch[*]}} $(type -t build package)"'
    assert run("bash", "-euc", text).split() == [
        "imgscore", "x86_64", "aarch64", "function", "function"
    ]  # fmt: skip


def test_component_is_valid_appstream() -> None:
    needs.program("appstreamcli", "appstream")
    run("appstreamcli", "validate", "--no-net", PACKAGING / "imgscore.metainfo.xml")


def test_debian_changelog_can_be_read() -> None:
    needs.program("dpkg-parsechangelog", "dpkg-dev")
    changelog = PACKAGING / "debian/changelog"
    assert run("dpkg-parsechangelog", "-l", changelog, "-S", "Source").strip() == "imgscore"


def test_nix_expression_names_each_dependency() -> None:
    text = (PACKAGING / "nix/default.nix").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w-]+", line) for line in project["dependencies"]]
    needed = {match[0].lower().replace("_", "-") for match in names if match}
    listed = set(re.findall(r"[\w-]+", text.partition("dependencies = (")[2].partition(");")[0]))
    tail = set(re.findall(r"\) \+\+ \[ ([\w ]+) \]", text)[0].split())
    assert needed - listed - tail == set()


def test_installer_puts_the_model_where_imgscore_finds_it() -> None:
    text = (PACKAGING / "install-private-venv").read_text()
    assert f'"$share/{model_file.SHARED}/"' in text
    assert lite0_spec.PACKAGED_MODEL.name in text
    assert lite0_spec.PACKAGED_MODEL.is_relative_to(ROOT / "imgscore/embedders/data")


def test_sysctl_example_sets_only_the_inotify_limit() -> None:
    lines = (PACKAGING / "sysctl.d/50-imgscore.conf").read_text().splitlines()
    settings = [line for line in lines if line and not line.startswith("#")]
    assert settings == ["fs.inotify.max_user_watches = 524288"]
