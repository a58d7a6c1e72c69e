"""The cost of a status does not grow with the number of files."""

import pytest

from imgscore.store.transaction import Table, Txn
from imgscore.verbs.status import status
from tests.integration.engine.conftest import World


def test_status_reads_no_table_of_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = world.put("kept", 0.9, "inbox/keep")
    kept.rename(kept.with_suffix(".png"))
    for number in range(3):
        file = world.put(f"file-{number}", 0.5)
        file.rename(file.with_suffix(".png"))
    with world.engine() as engine:
        world.settle(engine)
        read: list[str] = []
        table = Txn.table

        def noted(txn: Txn, name: str) -> Table:
            read.append(name)
            return table(txn, name)

        monkeypatch.setattr(Txn, "table", noted)
        (watch,) = status(engine).watches
    assert (watch.files, watch.scored, watch.keep, watch.trash) == (3, 3, 1, 0)
    assert "counts" in read and not {"sightings", "scores", "labels"} & {*read}
