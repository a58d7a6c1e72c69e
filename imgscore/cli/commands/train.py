"""The command `train`: train a head now."""

from typing import Annotated

import typer

from imgscore.cli import completions
from imgscore.cli.app import Json, Section, app, prints, run
from imgscore.cli.output import printable
from imgscore.cli.path_text import shortened
from imgscore.verbs.train import Request, Response


@app.command(rich_help_panel=Section.TEACH)
@prints(Response)
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
    run(Request(taste), _describe, as_json=as_json)


def _describe(row: Response) -> str:
    if row.error is not None:
        return (
            f"taste {printable(row.taste)} could not be trained: {shortened(row.error)}; "
            f"head {row.head} has not changed"
        )
    proof, quality = "", row.report.quality
    if quality and quality.compared:
        figure = quality.compared
        proof = f"; held-out {quality.measure} {figure.value:.3f}"
        proof += f" ({figure.low:.3f} to {figure.high:.3f})"
    elif row.report.pairs and row.report.pairs.accuracy:
        right = row.report.pairs.accuracy
        proof = (
            f"; right about {right.value:.1%} of the pairs ({right.low:.1%} to {right.high:.1%})"
        )
    count = f"{row.labels} labels"
    if row.comparisons:
        count += f", {row.comparisons} comparisons"
    if row.report.taste_changed:
        count += "; your taste has changed: only recent labels count"
    use = "in use" if row.used else "not used: the previous head is better"
    return f"head {row.head} of taste {row.taste}: {count}{proof}; {use}"
