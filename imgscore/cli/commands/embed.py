"""The command `embed`: embed the images of a folder on many processes or machines, with Dask."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgscore import dispatch
from imgscore.bulk_embed.rows import FailedFile, Response
from imgscore.cli import output
from imgscore.cli.app import Json, Section, app, prints
from imgscore.cli.path_text import short, shortened
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import Message
from imgscore.verbs.base import absolute_path, display_path

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 5
"""The longest time to wait for the answer of a Dask scheduler, in seconds.

A running scheduler answers within a second.
"""
LOCAL_CLUSTER: dict[str, object] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.work-stealing": False,
}
"""The settings of Dask for a scheduler with one Dask worker in this process. They switch off the
web pages, and the measurements and the balancing for clusters, which took 2.5 % of a CPU."""


@app.command(rich_help_panel=Section.STORE)
@prints(Response)
def embed(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to embed.")],
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="The address of a Dask scheduler, such as tcp://host:8786."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="The number of processes on this machine. Without it: one per CPU."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Embed a large folder of images with many processes.

    You can also embed a folder that is not watched. This command needs Dask:
    pip install 'imgscore[dask]'.
    """
    if scheduler is not None and workers is not None:
        raise UsageError(
            "--scheduler and --workers exclude each other", "give only one of these options"
        )
    root = os.path.realpath(absolute_path(str(folder.absolute())))
    if not os.path.isdir(root):
        raise UsageError(f"{display_path(root)} is not a folder", "check the name of the folder")
    messages = _messages(root, scheduler, workers)
    raise typer.Exit(output.print_messages(messages, _describe, as_json=as_json))


def _messages(
    root: bytes, scheduler: str | None, workers: int | None
) -> Iterator[Message[Response]]:
    try:
        from imgscore.bulk_embed.job import Job
        from imgscore.bulk_embed.spread import embed_folder
    except ImportError:
        raise UsageError(
            "the command embed needs Dask, which is not installed", "pip install 'imgscore[dask]'"
        ) from None

    from imgscore.embedders import registry
    from imgscore.workers.cpus import cpus

    # Dask would log each error that imgscore already prints.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    settings = dispatch.settings_in_force()
    images = registry.spec(settings.model).image_embedder
    seconds = settings.daemon.file_seconds
    job = Job(root, settings.model, settings.device, images, seconds)
    with dispatch.Session() as writer, _cluster(scheduler, workers or cpus()) as client:
        yield from embed_folder(client, job, writer.ask)


@contextlib.contextmanager
def _cluster(scheduler: str | None, workers: int) -> "Iterator[Client]":
    """Yield a client of the Dask scheduler at the address `scheduler`.

    If `scheduler` is None, start a scheduler in this process, with `workers` threads. Each thread
    starts an imgscore worker process. Worker processes of Dask are not started: they listen on
    ports, and any local user could run code through these ports.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.comm import resolve_address

    with contextlib.ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(dask.config.set(LOCAL_CLUSTER))
            cluster = LocalCluster(
                n_workers=1,
                threads_per_worker=workers,
                processes=False,
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
            scheduler = cluster.scheduler_address
        try:
            # Check the address first. With an invalid address, Client() would never return.
            resolve_address(scheduler)
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ImgscoreError(
                f"no Dask scheduler answers at {scheduler}: {error}",
                "check the address, or start a scheduler: dask scheduler",
            ) from None
        yield stack.enter_context(client)


def _describe(row: Response) -> str:
    if isinstance(row, FailedFile):
        return f"failed  {short(row.path)}: {shortened(row.error)}"
    return (
        f"{row.files} images: {row.embedded} embedded, {row.known} already embedded, "
        f"{row.failed} failed"
    )
