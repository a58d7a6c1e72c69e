"""Desktop notifications: a daemon sends the important ones to a notification server."""

from contextlib import closing
from pathlib import Path

import pytest

from imgscore import config_edit, paths
from tests.conftest import put
from tests.integration.daemon.test_notifications import Server
from tests.support.buses import bus
from tests.support.commands import Start


@pytest.mark.parametrize("level", ["important", "all", "off"])
def test_notifications_problems_reach_the_desktop(inbox: Path, start: Start, level: str) -> None:
    text = config_edit.with_setting(paths.config_file().read_text(), "notifications", level)
    paths.config_file().write_text(text)
    with bus() as address, closing((server := Server(address)).service):
        daemon = start(DBUS_SESSION_BUS_ADDRESS=address)
        suns, texts = put(inbox, "sun", 6), put(inbox, "text", 6)
        for files, folder in ((suns, "keep"), (texts, "trash")):
            for path in files[:3]:
                path.rename(inbox / folder / path.name)
        status = daemon.settle()
        assert status["head"] and not status["failed"]
        if level == "all":
            notification = server.next()
            assert notification[3] == "New order"
            assert "of 6 images moved" in notification[4]
        (inbox / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more than a beginning")
        (inbox / "worse.png").write_bytes(b"nor this")
        assert len(daemon.settle()["failed"]) == 2
        if level != "off":
            assert "cannot be used" in server.next()[3]
        assert daemon.stop() == 0
        assert server.shown.empty()
