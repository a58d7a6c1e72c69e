"""heads list, use and import."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli import completions
from imgscore.cli.app import Json, Taste, app, run, text_of
from imgscore.verbs.base import Row

group = typer.Typer(help="The trained heads.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(group, name="heads")


@group.command("list")
def list_(taste: Taste = None, as_json: Json = False) -> None:
    """Every head that was trained, oldest first, and what was measured."""
    run("heads", {"action": "list", "taste": taste}, _describe, as_json=as_json)


@group.command()
def use(
    head: Annotated[
        str,
        typer.Argument(
            help="Its version, as `heads list` shows it.", autocompletion=completions.heads
        ),
    ],
    taste: Taste = None,
    as_json: Json = False,
) -> None:
    """Go back to a head; the next training may replace it."""
    arguments = {"action": "use", "version": head, "taste": taste}
    run("heads", arguments, _describe, as_json=as_json)


@group.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A head: .safetensors, or the recipe's MLP as .pt.")],
    taste: Taste = None,
    as_json: Json = False,
) -> None:
    """Use a head that was trained elsewhere, on the embedder in use."""
    arguments = {"action": "import", "file": text_of(file), "taste": taste}
    run("heads", arguments, _describe, as_json=as_json)


def _describe(row: Row) -> str:
    when = datetime.fromtimestamp(row["created_ns"] // 10**9).strftime("%Y-%m-%d %H:%M:%S")
    auc = row["report"].get("quality", {}).get("auc", {}).get("value")
    # no figures: it was trained elsewhere, and refused by nobody
    other = "" if row["accepted"] else "refused: it was worse" if auc is not None else "imported"
    state = "in use" if row["in_use"] else other
    proof = f"AUC {auc:.3f}" if auc is not None else "AUC unknown"
    return f"{row['head']:>4}  {when}  {row['labels']:>6} labels  {proof}  {state}".rstrip()
