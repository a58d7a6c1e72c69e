"""The command `export`: write embeddings and labels into a Parquet file."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from imgscore import config, paths
from imgscore.cli.app import Json, OneTaste, Section, app, prints
from imgscore.cli.output import printable, to_json
from imgscore.cli.progress_bar import ProgressBar
from imgscore.config import Config
from imgscore.errors import StoreError


class Response(msgspec.Struct):
    """The Parquet file that was written."""

    file: str
    """the path of the Parquet file"""
    rows: int
    """the number of images in the file"""
    labels: int
    """the number of images in the file that have a label"""
    left_out: int
    """the number of labels that are not in the file, because their images have no embedding"""
    taste: str
    """the taste whose labels were written"""
    error: str | None = None
    """always null"""


@app.command(rich_help_panel=Section.STORE)
@prints(Response)
def export(
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    labelled: Annotated[
        bool,
        typer.Option(
            "--labelled", help="Write only labelled images. Use this to train a head elsewhere."
        ),
    ] = False,
    taste: OneTaste = None,
    as_json: Json = False,
) -> None:
    """Write embeddings and labels into a Parquet file.

    Each row also has the file name and the sha256 of its image.
    """
    from imgscore import parquet
    from imgscore.embedders import registry
    from imgscore.store import verify
    from imgscore.store.store import Store
    from imgscore.verbs.argument_checks import check_taste
    from imgscore.verbs.tastes import one_of
    from imgscore.watches import Watches

    settings = config.load() if paths.config_file().exists() else Config()
    chosen = one_of(Watches.of(settings), taste)
    spec = registry.spec(settings.model, use_filename=settings.use_filename)
    if not (paths.store_folder() / "data.mdb").exists():
        raise StoreError("there is no store to export yet", "create the store: imgscore init INBOX")
    verify.before_reading(paths.data_folder(), paths.store_folder())
    with ProgressBar("writing"), Store(paths.store_folder(), readonly=True) as store:
        if taste is not None:
            with store.read() as txn:
                check_taste(txn, taste, {watch.taste for watch in settings.watch})
        written = parquet.write(store, file, taste=chosen, spec=spec, labelled=labelled)
    row = Response(str(file), *written, taste=chosen)
    typer.echo(to_json(row) if as_json else _written(row))


def _written(row: Response) -> str:
    text = f"{row.rows} images, {row.labels} of them labelled, in {printable(row.file)}"
    if row.left_out:
        text += f"; {row.left_out} labels left out: their images have no embedding"
    return text
