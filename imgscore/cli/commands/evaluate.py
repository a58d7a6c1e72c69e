"""evaluate: how good the scores are."""

from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import convert

from imgscore.cli import dispatch, output
from imgscore.cli.app import Json, Section, Taste, app
from imgscore.errors import UsageError
from imgscore.messages import Message
from imgscore.verbs.base import Row, rows_of


@app.command(rich_help_panel=Section.TEACH)
def evaluate(
    taste: Taste = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg", help="Draw the learning curve and other plots into this file."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure how good the scores are.

    Uses labels that the head was not trained on. Also estimates the quality with twice as many
    labels.
    """
    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"{plot}: plots are drawn as SVG only", "use a name that ends in .svg")
    messages: list[Message[Any]] = list(dispatch.call("evaluate", {"taste": taste}))
    if plot is not None:
        heads = rows_of(dispatch.call("heads", {"taste": taste}))
        for row in rows_of(messages):
            _plot(row, heads, plot)
    raise typer.Exit(output.show(messages, _describe, as_json=as_json))


def _plot(evaluation: Row, heads: list[Row], file: Path) -> None:
    from imgscore.heads.results import Evaluation
    from imgscore.report import svg
    from imgscore.report.data import TrainedHead
    from imgscore.report.figures import figures

    plots = figures(convert(evaluation, Evaluation), convert(heads, list[TrainedHead]))
    try:
        file.write_text(svg.alone(plots), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", "choose another file") from None


def _describe(row: Row) -> str:
    quality = row["quality"]

    def figure(name: str, key: str) -> str:
        value = quality[key]
        return f"{name:<22}{value['value']:.3f}  ({value['low']:.3f} to {value['high']:.3f})"

    lines = [
        f"taste {row['taste']}: {quality['labels']} labels, {quality['keeps']} of them keep",
        figure("AUC", "auc"),
        figure("average precision", "average_precision"),
        figure("log loss", "log_loss") + f"; base rate alone {quality['base_log_loss']:.3f}",
        "learning curve        "
        + ", ".join(f"{point['labels']}: {point['auc']:.3f}" for point in row["curve"])
        + ("; not measured for fewer labels: time was up" if row["left_out"] else ""),
    ]
    if row["doubled"] is not None:
        lines.append(f"with twice as many    {row['doubled']:.3f} (an estimate)")
    lines.append("score → share kept    ")
    lines[-1] += ", ".join(
        f"{bucket['score']:.2f} → {bucket['keep']:.2f} ({bucket['count']})"
        for bucket in quality["reliability"]
    )
    return "\n".join(lines)
