"""Files that imgscore leaves alone: counted by reason, and neither dated nor labelled."""

import os
from pathlib import Path

from tests.conftest import draw, put
from tests.support.commands import Start, imgscore


def fill(folder: Path) -> None:
    """Files of each kind, also in a subfolder."""
    (folder / "sub").mkdir()
    (image,) = put(folder, "sun", 1)
    for name in ("a.mp4", "b.MOV", "sub/c.mkv"):
        (folder / name).write_bytes(b"video")
    for name in (".hidden.png", "sub/.hidden.jpg"):
        (folder / name).write_bytes(image.read_bytes())
    (folder / "link.png").symlink_to(image)
    (folder / "drawing.svg").write_text("<svg/>")
    (folder / "x.png.crdownload").write_bytes(image.read_bytes()[:900])
    for name in ("notes.txt", "song.mp3", "sub/archive.zip", "photo"):
        (folder / name).write_bytes(b"x")
    for name in ("sun-000.xmp", "sun-000.png.json", "Thumbs.db", ".DS_Store", "desktop.ini"):
        (folder / name).write_bytes(b"x")
    (folder / "12bit.jpg").write_bytes(twelve_bits())


def twelve_bits() -> bytes:
    """A JPEG that says that it has 12 bits for each sample."""
    path = Path(os.environ["TMPDIR"]) / "source.jpg"
    draw("sun", 3).save(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 12
    return bytes(data)


COUNTS = {"hidden": 2, "links": 1, "svg": 1, "unfinished": 1, "unknown": 4, "videos": 3}
LINE = "2 hidden files, 1 link, 1 SVG, 1 unfinished download, 4 other files, 3 videos"


def test_status_counts_the_files_left_alone_by_reason(inbox: Path, start: Start) -> None:
    fill(inbox)
    daemon = start()
    (watch,) = daemon.settle()["watches"]
    assert watch["left_alone"] == COUNTS and watch["files"] == 2
    text = imgscore("status").out
    assert f"left alone: {LINE}\n" in text
    assert text.count("unsupported") == 1, "an unsupported image is counted once, as failed"
    # An event of the file system changes the counts, without a scan.
    (inbox / "sub" / "d.webm").write_bytes(b"video")
    daemon.until(lambda status: status["watches"][0]["left_alone"]["videos"] == 4)
    (inbox / "sub").rename(inbox.with_name("away"))
    daemon.until(lambda status: status["watches"][0]["left_alone"]["videos"] == 2)
    # Recycle bins are not part of the inbox.
    (inbox / "#recycle").mkdir()
    (inbox / "#recycle" / "e.webm").write_bytes(b"video")
    (inbox / "drawing.svg").unlink()
    daemon.until(lambda status: "svg" not in status["watches"][0]["left_alone"])
    assert daemon.settle()["watches"][0]["left_alone"]["videos"] == 2


def test_status_without_daemon_counts_the_files_left_alone(inbox: Path) -> None:
    fill(inbox)
    assert imgscore("scan").code == 0
    (watch,) = imgscore("status", "--json").row["watches"]
    assert watch["left_alone"] == COUNTS


def test_init_counts_the_files_left_alone(inbox: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    fill(other)
    done = imgscore("init", other)
    assert "leaves alone: 2 hidden files, 1 link, 1 SVG" in done.out
    assert imgscore("init", other, "--json").row["left_alone"] == COUNTS


def test_score_hidden_file_scores_but_sets_no_date(inbox: Path, start: Start) -> None:
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 8)[:4]:
            path.rename(inbox / folder / path.name)
    hidden = inbox / ".hidden.png"
    draw("sun", 50).save(hidden)
    os.utime(hidden, ns=(1_500_000_000_123_456_789,) * 2)
    daemon = start()
    daemon.settle()
    (row,) = imgscore("score", "--json", hidden).rows
    assert row["score"] > 0.5 and row["error"] is None
    daemon.settle()
    assert imgscore("order").code == 0
    assert hidden.stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert daemon.settle()["watches"][0]["files"] == 8


def test_score_unfinished_download_is_refused(inbox: Path, start: Start) -> None:
    path = inbox / "x.png.crdownload"
    draw("sun", 1).save(path, "PNG")
    os.utime(path, ns=(1_500_000_000_123_456_789,) * 2)
    daemon = start()
    daemon.settle()
    done = imgscore("score", "--json", path)
    assert done.code == 1 and "unfinished download" in done.row["error"]
    status = daemon.settle()
    assert status["watches"][0]["files"] == 0 and not status["failed"]
    assert path.stat().st_mtime_ns == 1_500_000_000_123_456_789


def test_daemon_extended_names_are_indexed(inbox: Path, start: Start) -> None:
    names = ["saved.jpg?w=1200", "tweet.jpg_large", "tweet.jpg:orig", "stereo.MPO", "wget.jpg.1"]
    for number, name in enumerate(names):
        draw("sun", number).save(inbox / name, "MPO" if name.endswith("MPO") else "JPEG")
    daemon = start()
    (watch,) = daemon.settle()["watches"]
    assert watch["files"] == len(names) and not daemon.status()["failed"]
