"""The desktop's trash is watched for what comes and goes, and without what is below it."""

import os
import select
from contextlib import closing
from pathlib import Path

from imgscored.mailbox import Mailbox
from imgscored.watcher import Watcher

from imgscore.system import mounts


def test_watcher_new_trashed_file_posts_a_job(tmp_path: Path) -> None:
    inbox, info = tmp_path / "inbox", tmp_path / "Trash" / "info"
    assert not mounts.is_remote(os.fsencode(tmp_path))
    inbox.mkdir()
    roots, listed = [os.fsencode(inbox)], [os.fsencode(info)]
    with closing(Mailbox()) as mailbox, closing(Watcher(mailbox)) as watcher:
        assert watcher.watch(roots, listed)
        assert not watcher.watch(roots, listed)
        assert not watcher.polled  # a trash that is not there yet is no trouble
        info.mkdir(parents=True)
        assert watcher.watch(roots, listed)  # the loop asks again, and finds it
        for change in ((info / "a.trashinfo").touch, (info / "a.trashinfo").unlink):
            change()
            assert select.select([mailbox.descriptor], [], [], 60)[0]
            pending = mailbox.take()
            assert pending.jobs == {"trash"} and not pending.files and not pending.trees
