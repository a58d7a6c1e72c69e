"""Events of the kernel become hints in the mailbox."""

import os
import select
from contextlib import closing
from pathlib import Path

from imgscored.mailbox import Mailbox, Pending
from imgscored.watcher import Watcher

from imgscore.system import mounts


def taken(mailbox: Mailbox) -> Pending:
    """Wait for a message, and return everything that was posted.

    A thread posts a message before it wakes the reader. If the reader was awake, it has taken the
    message already, and nothing is left when it is woken.
    """
    while (pending := mailbox.take()) == Pending():
        assert select.select([mailbox.descriptor], [], [], 60)[0]
    return pending


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
        assert taken(mailbox).jobs == {"roots"}
        assert watcher.watch(roots, listed)  # the loop asks again, and finds it
        for change in ((info / "a.trashinfo").touch, (info / "a.trashinfo").unlink):
            change()
            while "trash" not in (pending := taken(mailbox)).jobs:
                assert pending == Pending(jobs={"roots"})  # the new folder, reported once more
            assert not pending.files and not pending.trees


def test_watcher_changed_date_posts_the_file_and_a_read_posts_nothing(tmp_path: Path) -> None:
    image = tmp_path / "sub" / "a.png"
    image.parent.mkdir()
    image.write_bytes(b"a")
    with closing(Mailbox()) as mailbox, closing(Watcher(mailbox)) as watcher:
        watcher.watch([os.fsencode(tmp_path)])
        image.read_bytes()
        for date in (1, 2):
            os.utime(image, ns=(0, date * 10**18))
            pending = taken(mailbox)
            assert pending.dates == {os.fsencode(image)}
            assert not pending.files and not pending.trees and not pending.everything


def test_watcher_many_changed_dates_posts_each_file_and_the_other_events(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b", "odd \udcff\n")]
    images = [folder / f"{number}.png" for folder in folders for number in range(400)]
    for folder in folders:
        folder.mkdir()
    for image in images:
        image.touch()
    with closing(Mailbox()) as mailbox, closing(Watcher(mailbox)) as watcher:
        watcher.watch([os.fsencode(folder) for folder in folders])
        for number, image in enumerate(images):
            os.utime(image, ns=(0, number * 10**9))
        os.utime(folders[0])
        (folders[1] / "new.png").touch()
        dates, files = set[bytes](), set[bytes]()
        while len(dates) < len(images) or not files:
            pending = taken(mailbox)
            assert not pending.everything
            dates |= pending.dates
            files |= pending.files
        assert dates - files == {os.fsencode(image) for image in images}
        assert files == {os.fsencode(folders[1] / "new.png")}
