"""The documents are correct: examples parse, links have targets, named modules exist."""

import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from imgscore import api, config
from imgscore.config import Config, DaemonConfig, WatchConfig
from imgscore.doctor import CHECKS
from imgscore.events import Event
from imgscore.verbs import registry
from tools import config_docs

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_config_examples_in_docs_are_valid(page: Path) -> None:
    for example in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
        assert config.parse(example).watch


def test_config_page_is_current() -> None:
    text = config_docs.PAGE.read_text()
    assert config_docs.update_page(text) == text, "run: make docs"


def test_config_page_names_every_setting_with_its_default() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/config.md").read_text(), re.DOTALL)
    names = [
        field.name
        for kind in (Config, WatchConfig, DaemonConfig)
        for field in msgspec.structs.fields(kind)
    ]
    missing = [name for name in names if not re.search(rf"\b{name}\b", example)]
    assert not missing
    assert config.parse(example).daemon == DaemonConfig()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_in_docs_lead_to_existing_targets(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_doctor_checks_all_have_an_entry_in_docs() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text()
    assert tuple(re.findall(r"^### (.*)$", page, re.MULTILINE)) == CHECKS


def test_events_all_have_a_row_in_docs() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs/guide.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {kind.__struct_config__.tag for kind in get_args(Event)} == named


def test_manual_builds_and_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    for module in ("mkdocs", "mkdocstrings_handlers"):
        pytest.importorskip(module, reason="pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link)[^>]*(?:src|href)=\"?(https?:[^\" >]*)", page.read_text()
        )
        assert not loaded, page


def modules_in(row: str) -> list[str]:
    """The modules that a row of a table in how-it-works names, with their folders.

    A name without a folder is in the folder of the name before it.
    """
    named, folder = [], ""
    for name in re.findall(r"`([a-z_0-9/.]+)`", row):
        path = name if "/" in name or not folder else f"{folder}/{name}"
        folder = path.rpartition("/")[0]
        named.append(path)
    return named


def test_how_it_works_names_modules_that_exist() -> None:
    text = (ROOT / "docs/how-it-works.md").read_text()
    walk, tour = (part.split("\n\n|")[1] for part in text.split("\n## ") if "\n\n|" in part)
    rows = [row.split("|") for row in [*walk.splitlines()[2:], *tour.splitlines()[2:]]]
    named = [name for row in rows if len(row) > 2 for name in modules_in(row[-2])]
    roots = (ROOT, ROOT / "imgscore", ROOT / "daemon")
    missing = [
        name
        for name in named
        if not any((root / end).exists() for root in roots for end in (name, f"{name}.py"))
    ]
    assert not missing


def test_how_it_works_counts_the_modules_of_the_walk() -> None:
    text = (ROOT / "docs/how-it-works.md").read_text()
    (count,) = re.findall(r"goes through (\d+) modules", text)
    walk = text.partition("## The walk")[2].partition("\n## ")[0]
    rows = [row.split("|") for row in walk.splitlines() if row.startswith("| ")][1:]
    assert len({name for row in rows for name in modules_in(row[-2])}) == int(count)


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:imgscore|daemon|tests|bench|tools|docs)/[\w/.]+)`", text)
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).exists()]


def test_reference_of_the_api_contains_each_public_name() -> None:
    text = (ROOT / "docs/api-reference.md").read_text()
    missing = [name for name in api.__all__ if not re.search(rf"\b{name}\b", text)]
    assert not missing
    for target in re.findall(r"^::: (.*)$", text, re.MULTILINE):
        assert pkgutil.resolve_name(target).__doc__, target


def test_verbs_are_all_in_the_readme_or_the_guide() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "docs/guide.md").read_text()
    missing = [name for name in registry.names() if not re.search(rf"\b{name}\b", text)]
    assert not missing
