"""The files a forge reads: workflows, issue forms, hooks and the metadata of the package."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import imgscore

ROOT = Path(__file__).parents[3]
FORGE = ROOT / ".github"
WORKFLOWS = sorted((FORGE / "workflows").glob("*.yml"))
SCHEMAS = [
    *(("vendor.github-workflows", path) for path in WORKFLOWS),
    ("vendor.github-issue-forms", FORGE / "ISSUE_TEMPLATE/bug.yml"),
    ("vendor.github-issue-forms", FORGE / "ISSUE_TEMPLATE/feature.yml"),
    ("vendor.dependabot", FORGE / "dependabot.yml"),
    ("vendor.github-issue-config", FORGE / "ISSUE_TEMPLATE/config.yml"),
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read_yaml(path: Path) -> Any:
    """A YAML file as dicts and lists."""
    return YAML(typ="safe").load(path)


def steps() -> Iterator[dict[str, Any]]:
    """Every step of every job of every workflow."""
    for path in WORKFLOWS:
        for job in read_yaml(path)["jobs"].values():
            yield from job["steps"]


@pytest.mark.parametrize(("schema", "path"), SCHEMAS, ids=lambda value: Path(value).name)
def test_forge_file_matches_its_schema(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_run_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {name for step in steps() for name in re.findall(r"^make (.+)$", step.get("run", ""))}
    assert {"lint", "test", "package"} <= called
    assert called <= targets


def test_workflows_test_every_declared_python() -> None:
    declared = re.findall(r":: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    matrix = read_yaml(FORGE / "workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == declared
    assert PROJECT["requires-python"] == f">={declared[0]}"


def test_pre_commit_hooks_run_what_lint_runs() -> None:
    (repository,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["entry"].removesuffix(" --force-exclude") for hook in repository["hooks"]}
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    for hook in hooks:
        assert hook.replace(".venv/bin", "$(BIN)") in lint


def test_version_is_the_installed_one() -> None:
    assert imgscore.__version__ == version("imgscore")
    assert PROJECT["dynamic"] == ["version"]
