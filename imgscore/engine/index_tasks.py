"""Make the tasks for the workers that index files."""

from collections.abc import Iterable, Iterator

from imgscore.engine.context import EngineContext
from imgscore.engine.tickets import AskedFiles
from imgscore.watches import name_below
from imgscore.workers.messages import IndexFile


def index_tasks(
    ctx: EngineContext, asked: AskedFiles, paths: Iterable[bytes]
) -> Iterator[tuple[IndexFile, bool]]:
    """Yield a task for each file that is in a watch, or that a client has asked for.

    The second value is whether the file is in a label folder.
    """
    heads: dict[str, str | None] = {}
    patience = ctx.config.daemon.incomplete
    for path in paths:
        place, taste = ctx.watches.image_place(path), asked.taste(path)
        if taste is None:
            if place is None:
                continue
            taste = place.watch.taste
        if taste not in heads:
            heads[taste] = ctx.head(taste)
        name = name_below(place.watch.inbox, place.role, path) if place else None
        task = IndexFile(path, taste, heads[taste], patience, name=name)
        yield task, place is not None and place.role != "inbox"
