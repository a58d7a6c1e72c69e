"""train: train a head now."""

from typing import Annotated

import typer

from imgscore.cli import completions
from imgscore.cli.app import Json, Section, app, run
from imgscore.verbs.base import Row


@app.command(rich_help_panel=Section.TEACH)
def train(
    taste: Annotated[
        str | None,
        typer.Option(
            help="Train only this taste. Without it: all tastes.", autocompletion=completions.tastes
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn from the labels now, and update the order."""
    run("train", {"taste": taste}, _describe, as_json=as_json)


def _describe(row: Row) -> str:
    auc = row["report"].get("quality", {}).get("auc", {})
    proof = ""
    if auc.get("value") is not None:
        proof = f"; held-out AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    use = "in use" if row["used"] else "not used: the head before it is better"
    return f"head {row['head']} of taste {row['taste']}: {row['labels']} labels{proof}; {use}"
