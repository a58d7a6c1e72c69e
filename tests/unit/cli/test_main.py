"""Tests that each command imports the file of that command."""

import subprocess
import sys

import pytest

from imgscore.cli.app import Section
from imgscore.cli.main import load, modules


def test_modules_each_file_adds_the_command_of_its_name() -> None:
    app = load()
    where: dict[str, str] = {}
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        where[name] = command.callback.__module__
    for group in app.registered_groups:
        assert group.name is not None and group.typer_instance is not None
        (module,) = {
            command.callback.__module__
            for command in group.typer_instance.registered_commands
            if command.callback is not None
        }
        where[group.name] = module
    assert where == {name: f"imgscore.cli.commands.{file}" for name, file in modules().items()}
    assert len(where) > 30


def test_app_each_command_names_its_section() -> None:
    app = load()
    panels = [command.rich_help_panel for command in app.registered_commands]
    panels += [group.rich_help_panel for group in app.registered_groups]
    assert set(panels) == set(Section)


@pytest.mark.parametrize(
    ("command", "files"),
    [("--version", set()), ("import", {"import_"}), ("nonsense", set(modules().values()))],
)
def test_load_a_command_imports_no_other(command: str, files: set[str]) -> None:
    code = (
        "import sys; from imgscore.cli.main import load; load(sys.argv[1]); "
        "print(*(name for name in sys.modules if name.startswith('imgscore.cli.commands.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {f"imgscore.cli.commands.{file}" for file in files}


@pytest.mark.parametrize(
    "command",
    [
        ["next", "--count"], ["suspects", "--count"], ["score", "x.jpg", "--count"],
        ["search", "cat", "--count"], ["history", "--limit"], ["wait", "--timeout"],
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_commands_number_beyond_its_bound_names_the_option_and_the_range(
    command: list[str],
) -> None:
    code = "from imgscore.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command, str(2**64)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert command[-1] in done.stderr
    assert "is not in the range" in done.stderr
