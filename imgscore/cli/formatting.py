"""Text for results that several commands print: touches, scores, events, remarks of a status."""

from datetime import datetime

from imgscore.cli.output import printable
from imgscore.verbs.base import Row


def named(row: Row, text: str) -> str:
    """A line about a file: the text, or the row's error, and the file's path."""
    if row.get("error") is not None:
        return f"failed  {printable(row['path'])}: {printable(row['error'])}"
    return f"{text}  {printable(row['path'])}"


def scored(row: Row) -> str:
    """A line about an image: its score and its path, or its digest where no path is known."""
    return f"{row['score']:.3f}  {printable(row['path'] or row['sha256'])}"


def touched(row: Row) -> str:
    """A line about a touch: the date before and after."""
    would = "would be " if row["dry_run"] else ""
    return named(row, f"{would}{_date(row['before_ns'])} → {_date(row['after_ns'])}")


def time_text(nanoseconds: int) -> str:
    """A time in the local zone, to the second."""
    return datetime.fromtimestamp(nanoseconds // 10**9).strftime("%Y-%m-%d %H:%M:%S")


def _date(nanoseconds: int | None) -> str:
    return "-" if nanoseconds is None else time_text(nanoseconds)


def event_line(row: Row) -> str:
    """An event as text: its time, its kind and its subject."""
    when = datetime.fromtimestamp(row["time_ns"] / 1e9).strftime("%H:%M:%S")
    return f"{when}  {row['event']:<9} {printable(_event(row))}"


def _event(row: Row) -> str:
    match row:
        case {"event": "label"}:
            return f"{row['label']}  {row['path']}"
        case {"event": "labels"}:
            return f"{row['keep']} keep, {row['trash']} trash, {row['clear']} cleared"
        case {"event": "scored", "score": None}:
            return f"no head yet  {row['path']}"
        case {"event": "scored"}:
            return f"{row['score']:.3f}  {row['path']}"
        case {"event": "rescored"}:
            return f"{row['files']} images with head {row['head']}"
        case {"event": "trained"}:
            verdict = "used" if row["used"] else "not used: the head before it is better"
            return f"head {row['head']} on {row['labels']} labels, {verdict}"
        case {"event": "ordered" | "restored" | "undone"}:
            return f"{row['files']} dates" + (f" in {row['inbox']}" if row["inbox"] else "")
        case {"event": "failed" | "trouble"}:
            about = f"{row['path']}: " if row.get("path") else ""
            remedy = f" ({row['remedy']})" if row.get("remedy") else ""
            return f"{about}{row['reason']}{remedy}"
        case {"event": "following"}:
            return "Ctrl-C ends"
        case _:
            return ""


def remarks(row: Row) -> list[str]:
    """The lines about a pause for power, a dry run and a new model, if there are any."""
    lines = []
    if row["waiting"]:
        lines.append(f"waiting: {row['waiting']}; work now with: imgscore scan")
    if row["dry_run"]:
        lines.append("dry run: dates are planned, but not set")
    again = row["embedding_anew"]
    if again is not None:
        seconds = again["seconds_left"]
        left = "" if seconds is None else f", about {seconds:.0f} s left"
        lines.append(
            f"embedding again with {row['embedder']}: {again['done']} of {again['total']}{left}; "
            "until then the previous head gives the order"
        )
    return lines
