"""evaluate, suspects, next, explain: how good it is, and what would make it better."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli import dispatch, output, pictures
from imgscore.cli.app import Json, Taste, Thumbnails, app, named, text_of
from imgscore.cli.output import printable
from imgscore.cli.pictures import Named
from imgscore.errors import UsageError
from imgscore.messages import Message, Result
from imgscore.verbs.base import Row

Count = Annotated[int, typer.Option("-n", "--count", min=1, help="At most so many.")]


@app.command()
def evaluate(
    taste: Taste = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the plots into FILE.svg.")] = None,
    as_json: Json = False,
) -> None:
    """How good the scores are, on labels the head did not see; what twice as many would bring."""
    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"{plot}: plots are drawn as SVG only", "name a file that ends in .svg")
    messages: list[Message] = list(dispatch.call("evaluate", {"taste": taste}))
    if plot is not None:
        heads = _rows(dispatch.call("heads", {"taste": taste}))
        for row in _rows(messages):
            _plot(row, heads, plot)
    raise typer.Exit(output.show(messages, _describe, as_json=as_json))


@app.command()
def suspects(
    count: Count = 20, taste: Taste = None, thumbnails: Thumbnails = True, as_json: Json = False
) -> None:
    """Labels that the rest of the library contradicts: perhaps slips of the hand."""
    arguments = {"taste": taste, "count": count}

    def images(row: Row) -> list[list[Named]]:
        return [[*_images([row]), *_images([row], "twin_path", "twin")]]

    pictures.run(
        "suspects",
        arguments,
        _suspect,
        images,
        as_json=as_json,
        wanted=thumbnails,
        nothing="no label is suspect",
    )


@app.command("next")
def next_(
    count: Count = 20, taste: Taste = None, thumbnails: Thumbnails = True, as_json: Json = False
) -> None:
    """The images whose label would teach most, no two of them alike."""
    pictures.run(
        "next",
        {"taste": taste, "count": count},
        lambda row: _scored(row, row["score"]),
        lambda row: [_images([row])],
        as_json=as_json,
        wanted=thumbnails,
        nothing="every image of an inbox has a label",
    )


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="An image, anywhere.")],
    count: Count = 5,
    taste: Taste = None,
    thumbnails: Thumbnails = True,
    as_json: Json = False,
) -> None:
    """Why a file has its score: the images that speak for it and against it."""
    arguments = {"file": text_of(file), "taste": taste, "count": count}

    def images(row: Row) -> list[list[Named]]:
        if row["error"] is not None:
            return []
        return [_images([row]), _images(row["keeps"]), _images(row["trashes"])]

    pictures.run("explain", arguments, _explained, images, as_json=as_json, wanted=thumbnails)


def _images(rows: Iterable[Row], path: str = "path", sha256: str = "sha256") -> list[Named]:
    """The images that rows name, as far as it is known where they lie."""
    return [Named(row[path], row[sha256]) for row in rows if row[path] and row[sha256]]


def _rows(messages: Iterable[Message]) -> list[Row]:
    return [message.row for message in messages if isinstance(message, Result)]


def _plot(evaluation: Row, heads: list[Row], file: Path) -> None:
    from imgscore.report import svg
    from imgscore.report.figures import figures

    try:
        file.write_text(svg.alone(figures(evaluation, heads)), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", "choose another file") from None


def _scored(row: Row, score: float) -> str:
    return f"{score:.3f}  {printable(row['path'] or row['sha256'])}"


def _suspect(row: Row) -> str:
    twin = f"  (like {printable(row['twin_path'] or row['twin'])})" if row["twin"] else ""
    return f"{row['label']:<5} but {_scored(row, row['score'])}{twin}"


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
        + ", ".join(f"{one['labels']}: {one['auc']:.3f}" for one in row["curve"])
        + ("; no time for fewer labels" if row["left_out"] else ""),
    ]
    if row["doubled"] is not None:
        lines.append(f"with twice as many    {row['doubled']:.3f} (an estimate)")
    lines.append("score → share kept    ")
    lines[-1] += ", ".join(
        f"{one['score']:.2f} → {one['keep']:.2f} ({one['count']})" for one in quality["reliability"]
    )
    return "\n".join(lines)


def _explained(row: Row) -> str:
    if row["error"] is not None:
        return named(row, "")
    lines = [
        f"{row['score']:.3f} ({row['low']:.3f} to {row['high']:.3f})  {printable(row['path'])}",
        f"head {row['head']} of taste {row['taste']}, embedder {row['embedder']}",
    ]
    for side in ("keeps", "trashes"):
        lines.append(f"the most alike of your {side} (1 = the same):")
        lines += [
            f"  {one['similarity']:+.3f}  {printable(one['path'] or one['sha256'])}"
            for one in row[side]
        ]
    moved = [one for one in row["traits_that_matter"] if abs(one["change"]) >= 0.01]
    if moved:
        lines.append("traits that matter:")
        lines += [f"  {one['change']:+.3f}  {one['name']}" for one in moved]
    return "\n".join(lines)
