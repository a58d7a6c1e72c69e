"""docs/cli.md and the man pages are up to date, complete, and valid for groff."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tools import cli_docs, response_docs

MANUALS = [path for path in cli_docs.pages() if path.suffix == ".1"]


@pytest.mark.parametrize("tool", ["cli_docs", "json_schemas", "page_types"])
def test_generated_pages_are_current(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, f"tools/{tool}.py", "--check"],
        cwd=cli_docs.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_verbs_all_have_help_texts() -> None:
    all_verbs = cli_docs.verbs()
    assert len(all_verbs) > 30
    assert not [verb.name for verb in all_verbs if not verb.help]
    assert not [
        (verb.name, item.names) for verb in all_verbs for item in verb.items if not item.help
    ]


def test_commands_with_json_name_the_type_of_their_rows() -> None:
    prints_json = [
        verb for verb in cli_docs.verbs() if any("--json" in item.names for item in verb.items)
    ]
    without = [verb.name for verb in prints_json if verb.response is None]
    assert without == ["imgscore config show"]  # its keys are those of the config


def test_row_keys_all_have_a_meaning() -> None:
    responses = [verb.response for verb in cli_docs.verbs() if verb.response is not None]
    kinds = {
        kind
        for response in responses
        for top in response_docs.kinds_of(response)
        for kind in (top, *response_docs.nested([top]))
    }
    missing = [
        (kind.__name__, field.name)
        for kind in kinds
        for field in msgspec.structs.fields(kind)
        if not response_docs.meanings(kind).get(field.name)
    ]
    assert len(kinds) > 40 and not missing


@pytest.mark.parametrize("path", MANUALS, ids=lambda path: path.name)
def test_man_page_formatted_by_groff_gives_no_warning(path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("apt install man-db")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == ""


def test_man_page_contains_the_help_of_each_verb() -> None:
    if shutil.which("man") is None:
        pytest.skip("apt install man-db")
    output = subprocess.run(
        ["man", "-l", cli_docs.ROOT / "man" / "imgscore.1"],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000", "MAN_KEEP_FORMATTING": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    words = " ".join(re.sub(".\b", "", output).split())
    for verb in cli_docs.verbs():
        assert " ".join(verb.help.split()) in words, verb.name


def test_format_manual_with_odd_text_prints_it_unchanged(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("apt install man-db")
    text = """.so /etc/passwd 'quoted' "twice" back\\slash ~/home `code` a-b ^"""
    page = tmp_path / "odd.1"
    item = cli_docs.Item("", "'-x", text)
    page.write_text(cli_docs.format_manual([cli_docs.Verb("imgscore odd", text, [item])]))
    output = subprocess.run(
        ["man", "--warnings", "-l", page],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stderr == ""
    words = " ".join(re.sub(".\b", "", output.stdout).split())
    assert words.count(text) == 2 and "'-x" in words
