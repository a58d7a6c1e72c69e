"""The tab Groups of `imgscore review`, while the daemon works."""

import json
import os
import shutil
import signal
from pathlib import Path

from imgscore import paths
from imgscore.testing import eventually
from tests.conftest import put
from tests.support.commands import Start, imgscore
from tests.support.reviews import Visitor, images_of, reviewing


def test_groups_while_the_worker_of_the_daemon_is_busy_come_from_the_store(
    labelled_inbox: Path, start: Start
) -> None:
    """A stopped worker never ends its work: a query of the daemon would wait for ever."""
    shutil.copyfile(labelled_inbox / "sun-005.jpg", labelled_inbox / "copy.jpg")
    sandbox = start()
    sandbox.settle()
    with reviewing() as url:
        visitor = Visitor(url)
        base, data = visitor.begin(url)
        number_of = {name: number for name, (number, _) in images_of(data).items()}
        assert imgscore("pause").code == 0
        put(labelled_inbox, "text", 12)
        eventually(lambda: sandbox.status()["pending"] > 0, what="the daemon has work")
        pid = sandbox.status()["pid"]
        workers = [int(pid) for pid in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            status, _, body = visitor.ask(f"{base}groups", {})
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
        answer = json.loads(body)
        assert status == 200, answer
        copies = {number_of["copy.jpg"], number_of["sun-005.jpg"]}
        assert copies in [set(group["images"]) for group in answer["groups"]]
    assert list((paths.cache_folder() / "report").glob("*.json")) == [
        paths.cache_folder() / "report" / "default.json"
    ]
    assert imgscore("resume").code == 0
