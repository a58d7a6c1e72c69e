"""The log of `imgscore start` has a limit."""

from pathlib import Path

from imgscore.cli import lifecycle


def test_rotate_large_log_keeps_one_old_log(tmp_path: Path) -> None:
    log, old = tmp_path / "imgscored.log", tmp_path / "imgscored.log.old"
    lifecycle.rotate(log)
    log.write_bytes(b"short")
    lifecycle.rotate(log)
    assert log.read_bytes() == b"short" and not old.exists()
    for letter in (b"a", b"b"):
        log.write_bytes(letter * lifecycle.MAX_LOG_BYTES)
        lifecycle.rotate(log)
        assert not log.exists() and old.read_bytes()[:1] == letter
