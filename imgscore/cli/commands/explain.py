"""The command `explain`: show why an image has its score."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore import grades
from imgscore.cli import group_labels, terminal_images
from imgscore.cli.app import Count, FileTaste, Json, Section, Thumbnails, app, prints, text_of
from imgscore.cli.formatting import named
from imgscore.cli.path_text import short
from imgscore.cli.terminal_images import ImageRef, images_of
from imgscore.verbs.explain import Explained, Request, Response, Witness
from imgscore.verbs.group_place import GroupPlace


@app.command(rich_help_panel=Section.ORDER)
@prints(Response)
def explain(
    file: Annotated[Path, typer.Argument(help="An image. It may be outside the watched folders.")],
    count: Count = 5,
    taste: FileTaste = None,
    thumbnails: Thumbnails = True,
    as_json: Json = False,
) -> None:
    """Show why an image has its score.

    The output lists the most similar keep images and the most similar trash images, and the most
    similar images of your comparisons. It also lists the traits of the image that change its score
    most. If the image is in a group of similar images, the output says how the group stands in the
    order.
    """
    request = Request(text_of(file), taste, count)

    def images(row: Response) -> list[list[ImageRef]]:
        if not isinstance(row, Explained):
            return []
        return [
            images_of((row.path, row.sha256)),
            images_of(*((image.path, image.sha256) for image in row.keeps)),
            images_of(*((image.path, image.sha256) for image in row.trashes)),
            images_of(*((image.path, image.sha256) for image in row.undecided)),
            images_of(*((image.path, image.sha256) for image in row.better)),
            images_of(*((image.path, image.sha256) for image in row.worse)),
        ]

    terminal_images.run(request, _describe, images, as_json=as_json, wanted=thumbnails)


def _stars(similar: Witness) -> str:
    """Return the stars of a grade between keep and trash, such as "4 stars  ", or ""."""
    if similar.grade is None or similar.grade in (grades.KEEP, grades.TRASH):
        return ""
    return f"{grades.text_of(similar.grade)}  "


def _group_lines(group: GroupPlace, score: float) -> list[str]:
    """Return lines about the group of an image, and its position in the order."""
    is_best = group.place == 1
    if group.order == "off":
        position = "the setting groups is off, so each image stands where its own score puts it"
    elif group.order == "together":
        position = "the group stands together, where its best image would stand alone"
    elif is_best:
        position = "it stands where its score puts it, and the others come later"
    elif score >= grades.UNDECIDED:
        position = "it comes after all images that are more likely keep"
    else:
        position = "it stands where its score puts it"
    best = "the best" if is_best else f"no. {group.place}"
    lines = [f"{best} of {group_labels.counted_images(group.size, group.kind)}. {group.why}"]
    if not is_best:
        lines.append(f"  The best is {short(group.best)}")
    return [*lines, f"  In the order, {position}."]


def _describe(row: Response) -> str:
    if not isinstance(row, Explained):
        return named(row, "")
    lines = [
        f"{row.score:.3f} ({row.low:.3f} to {row.high:.3f})  {short(row.path)}",
        f"head {row.head} of taste {row.taste}, embedder {row.embedder}",
    ]
    if not row.calibrated:
        lines.append("The score is not calibrated: 0.5 is the middle of your library.")
    if row.group is not None:
        lines += _group_lines(row.group, row.score)
    sides = [
        ("keeps", row.keeps),
        ("trashes", row.trashes),
        ("undecided images", row.undecided),
        ("better images of a pair", row.better),
        ("worse images of a pair", row.worse),
    ]
    for side, images in sides:
        if images:
            lines.append(f"the most similar of your {side} (1 = the same image):")
        lines += [
            f"  {similar.similarity:+.3f}  {_stars(similar)}{short(similar.path or similar.sha256)}"
            for similar in images
        ]
    traits = [trait for trait in row.traits_that_matter if abs(trait.change) >= 0.01]
    if traits:
        lines.append("traits that change the score most:")
        lines += [f"  {trait.change:+.3f}  {trait.name}" for trait in traits]
    return "\n".join(lines)
