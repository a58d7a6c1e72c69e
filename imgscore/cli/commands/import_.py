"""The command `import`: read labels and embeddings from a Parquet file."""

from pathlib import Path
from typing import Annotated

import typer

from imgscore.cli.app import Json, OneTaste, Section, app, prints, run, text_of
from imgscore.verbs.import_ import Request, Response


@app.command("import", rich_help_panel=Section.STORE)
@prints(Response)
def import_(
    file: Annotated[Path, typer.Argument(help="A Parquet file that `imgscore export` wrote.")],
    taste: OneTaste = None,
    as_json: Json = False,
) -> None:
    """Read labels and embeddings from a Parquet file.

    imgscore reads the embeddings only if they come from the model in use.
    """
    run(Request(text_of(file), taste), _describe, as_json=as_json)


def _describe(row: Response) -> str:
    return (
        f"{row.rows} rows: {row.labels} new labels, {row.embeddings} new embeddings "
        f"for taste {row.taste}"
    )
