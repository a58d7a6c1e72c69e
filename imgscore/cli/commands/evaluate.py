"""The command `evaluate`: measure how good the scores are."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from imgscore import dispatch, grades
from imgscore.cli import output
from imgscore.cli.app import Json, Section, Tastes, app, prints
from imgscore.cli.formatting import scored
from imgscore.errors import UsageError
from imgscore.heads.results import Evaluation, Interval, Quality
from imgscore.messages import Message
from imgscore.verbs import heads
from imgscore.verbs.base import rows_of
from imgscore.verbs.evaluate import Doubtful, Request, Response
from imgscore.verbs.tastes import one_of
from imgscore.watches import Watches


@app.command(rich_help_panel=Section.TEACH)
@prints(Response)
def evaluate(
    taste: Tastes = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg", help="Draw the learning curve and other plots into this file."
        ),
    ] = None,
    doubtful: Annotated[
        bool,
        typer.Option("--doubtful", help="Also list the labels that differ most from the scores."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure how good the scores are.

    The figures are measured on labels that were not used for the training of the head. The command
    also estimates how good the scores would be if you had twice as many labels.

    AUC, average precision and accuracy compare keep with trash, and leave out undecided labels (3
    stars). The pairwise accuracy is the share of pairs of labels with different grades that the
    scores put in the right order; a pair with equal scores counts as half. The rank correlation is
    Spearman's.

    With --doubtful, it lists each image whose score differs from its grade by more than 0.4 (keep
    is 1, trash is 0), the largest difference first. The score is from a head that was trained
    without the image and its near-duplicates.
    """
    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"{plot}: plots are drawn as SVG only", "use a name that ends in .svg")
    if plot is not None:
        taste = one_of(Watches.of(dispatch.settings_in_force()), taste)
    messages: Iterable[Message[Response]] = dispatch.call(Request(taste, doubtful))
    if plot is not None:
        messages = output.gathered(messages)
        all_heads = rows_of(dispatch.call(heads.Request(taste=taste)))
        for row in rows_of(messages):
            _plot(row, all_heads, plot)
    raise typer.Exit(output.print_messages(messages, _describe, as_json=as_json))


def _plot(evaluation: Response, all_heads: list[heads.Response], file: Path) -> None:
    from imgscore.report import svg
    from imgscore.report.data import Measured, TrainedHead
    from imgscore.report.figures import figures

    measured = Evaluation(
        evaluation.kind,
        evaluation.quality,
        evaluation.curve,
        evaluation.doubled,
        evaluation.left_out,
        evaluation.pairs,
    )
    trained = [
        TrainedHead(
            head.head,
            head.in_use,
            head.accepted,
            head.labels,
            Measured(head.report.quality or None),
        )
        for head in all_heads
    ]
    try:
        file.write_text(svg.alone(figures(measured, trained)), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", "choose another file") from None


def _label(row: Doubtful) -> str:
    return row.label if row.grade is None else grades.text_of(row.grade)


def _figure(name: str, figure: Interval) -> str:
    return f"{name:<22}{figure.value:.3f}  ({figure.low:.3f} to {figure.high:.3f})"


def _describe(row: Response) -> str:
    lines = [] if row.quality is None else _of_labels(row, row.quality)
    if row.pairs is not None:
        same = f", {row.pairs.same} of them the same" if row.pairs.same else ""
        lines.append(f"taste {row.taste}: {row.pairs.comparisons} comparisons{same}")
        if row.pairs.accuracy is not None:
            lines.append(_figure("right about pairs", row.pairs.accuracy))
    if row.quality is None:
        lines.append("The scores are not calibrated: label some images with keep and with trash.")
    if row.doubtful is not None:
        lines.append(f"doubtful labels: {len(row.doubtful)}")
        lines += [f"  {_label(label):<5} but {scored(label)}" for label in row.doubtful]
    return "\n".join(lines)


def _of_labels(row: Response, quality: Quality) -> list[str]:
    figures = [
        ("accuracy", quality.accuracy),
        ("AUC", quality.auc),
        ("average precision", quality.average_precision),
    ]
    if quality.measure != "AUC":
        figures.append((quality.measure, quality.pairwise_accuracy))
        figures.append(("rank correlation", quality.rank_correlation))
    lines = [
        f"taste {row.taste}: {quality.labels} labels, {quality.keeps} of them keep"
        + (f", {quality.undecided} undecided" if quality.undecided else "")
        + ("; your taste has changed: recent labels only" if row.taste_changed else ""),
        *(_figure(name, measured) for name, measured in figures if measured is not None),
        _figure("log loss", quality.log_loss) + f"; base rate alone {quality.base_log_loss:.3f}",
        "learning curve        "
        + ", ".join(f"{point.labels}: {point.auc:.3f}" for point in row.curve)
        + ("; not measured for fewer labels: time was up" if row.left_out else ""),
    ]
    if row.doubled is not None:
        lines.append(f"with twice as many    {row.doubled:.3f} (an estimate)")
    lines.append(f"score → {'share kept' if quality.measure == 'AUC' else 'mean grade'}    ")
    lines[-1] += ", ".join(
        f"{bucket.score:.2f} → {bucket.keep:.2f} ({bucket.count})" for bucket in quality.reliability
    )
    return lines
