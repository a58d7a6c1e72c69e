"""completion: what a shell needs to complete verbs, options, folders, tastes and heads."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from imgscore.cli.app import app


class Shell(StrEnum):
    """The shells that are tested."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print what your shell needs to complete imgscore's verbs, options and names.

    bash: put eval "$(imgscore completion bash)" into ~/.bashrc.

    zsh: put eval "$(imgscore completion zsh)" into ~/.zshrc, after compinit.

    fish: imgscore completion fish > ~/.config/fish/completions/imgscore.fish
    """
    typer.echo(
        get_completion_script(
            prog_name="imgscore", complete_var="_IMGSCORE_COMPLETE", shell=shell.value
        )
    )
