"""The command `heads`: list, select and import heads."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli import completions
from imgscore.cli.app import Json, OneTaste, Section, Tastes, group, prints, run, text_of
from imgscore.cli.formatting import time_text
from imgscore.cli.taste_names import headed
from imgscore.verbs.heads import Request, Response

commands = group("heads", Section.TEACH, "List, select and import heads, the trained scorers.")


@commands.command("list")
@prints(Response)
def list_(taste: Tastes = None, as_json: Json = False) -> None:
    """List the heads of each taste with their quality, oldest first."""
    run(Request(taste=taste), headed(_describe, taste), as_json=as_json)


@commands.command()
@prints(Response)
def use(
    head: Annotated[
        str,
        typer.Argument(
            help="The head's version, as `heads list` prints it.", autocompletion=completions.heads
        ),
    ],
    taste: OneTaste = None,
    as_json: Json = False,
) -> None:
    """Use another head. The next training may replace this head."""
    run(Request("use", version=head, taste=taste), _describe, as_json=as_json)


@commands.command("import")
@prints(Response)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="A head as .safetensors, or a network of linear layers and ReLUs as .pt."
        ),
    ],
    taste: OneTaste = None,
    as_json: Json = False,
) -> None:
    """Import a head that was trained elsewhere, and use it.

    The head must have been trained on embeddings of the model in use.
    """
    run(Request("import", file=text_of(file), taste=taste), _describe, as_json=as_json)


def _describe(row: Response) -> str:
    when = time_text(row.created_ns)
    quality = row.report.quality
    figure = quality.compared if quality else None
    # An imported head has no measured quality.
    right = row.report.pairs.accuracy if row.report.pairs else None
    refused = "refused: it was worse" if figure or right else "imported"
    other = "" if row.accepted else refused
    state = "in use" if row.in_use else other
    proof = f"{quality.measure} {figure.value:.3f}" if quality and figure else "AUC unknown"
    if not figure and right is not None:
        proof = f"{right.value:.1%} of the pairs"
    compared = f", {row.comparisons} comparisons" if row.comparisons else ""
    return f"{row.head:>4}  {when}  {row.labels:>6} labels{compared}  {proof}  {state}".rstrip()
