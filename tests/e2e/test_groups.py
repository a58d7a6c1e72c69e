"""`imgscore groups`: bursts, near-duplicates and copies, with a daemon and without."""

import os
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from imgscore import paths
from imgscore.demo import pictures
from imgscore.store import groups, similarity
from imgscore.store.store import Store
from imgscore.testing import eventually
from tests.conftest import draw, put
from tests.support.commands import Start, imgscore


def listed(*arguments: str | Path) -> list[tuple[str, list[str]]]:
    answer = imgscore("groups", *arguments, "--json")
    assert answer.code == 0, answer.err
    return sorted(
        (row["kind"], sorted(os.path.basename(path) for path in row["files"]))
        for row in answer.rows
    )


def test_groups_lists_copies_with_their_facts(inbox: Path) -> None:
    (first,), (second,) = put(inbox, "sun", 1), put(inbox, "text", 1, first=1)
    (inbox / "sub").mkdir()
    shutil.copy2(first, inbox / "sub" / "copy\n.png")
    shutil.copy2(second, inbox / "trash" / "thrown.jpg")
    assert imgscore("scan").code == 0
    (row,) = imgscore("groups", "--json").rows
    assert row["kind"] == "copies" and row["why"] == "The bytes of these files are equal."
    assert row["files"] == [str(first), str(inbox / "sub" / "copy\n.png")]
    assert [member["path"] for member in row["members"]] == row["files"]
    member = row["members"][1]
    assert member["bytes"] == first.stat().st_size and member["width"] > 0
    assert (member["score"], member["label"], member["taken"]) == (None, None, None)
    printed = imgscore("groups").out
    assert printed.startswith("2 copies: The bytes") and "\\n.png" in printed
    assert max(line.find("/") for line in printed.splitlines()) <= 40
    (first.parent / "sub" / "copy\n.png").unlink()
    assert imgscore("scan").code == 0
    none = imgscore("groups")
    assert (none.code, none.out) == (0, "") and "no groups found" in none.err


def test_groups_counts_only_files_of_the_given_folder(inbox: Path) -> None:
    (first,), (second,) = put(inbox, "sun", 1), put(inbox, "text", 1, first=1)
    for folder in ("sub", "trash"):
        (inbox / folder).mkdir(exist_ok=True)
        shutil.copy2(first, inbox / folder / "a.png")
        shutil.copy2(first, inbox / folder / "b.png")
    shutil.copy2(second, inbox / "sub" / "c.jpg")
    assert imgscore("scan").code == 0
    assert listed() == [
        ("copies", ["a.png", "b.png", first.name]),
        ("copies", ["c.jpg", second.name]),
    ]
    assert listed(inbox / "sub") == [("copies", ["a.png", "b.png"])]
    assert listed(inbox / "trash") == [("copies", ["a.png", "b.png"])]
    assert listed("--kind", "bursts") == []


def test_groups_counts_the_groups_of_each_kind_on_stderr(inbox: Path) -> None:
    for number in range(3):
        picture = scenery(number)
        picture.save(inbox / f"{number}.png")
        picture.save(inbox / f"{number}.jpg", quality=60)
    shutil.copy2(inbox / "0.png", inbox / "0-copy.png")
    shutil.copy2(put(inbox, "text", 1)[0], inbox / "text-copy.jpg")
    assert imgscore("scan").code == 0
    printed = imgscore("groups")
    assert printed.code == 0
    assert printed.err.endswith("3 groups of near-duplicates, 1 group of copies\n")
    assert "group of" not in imgscore("groups", "--json").err


def test_groups_during_a_pause_says_how_many_images_are_not_compared(
    inbox: Path, start: Start
) -> None:
    daemon = start()
    daemon.settle()
    assert imgscore("pause").code == 0
    for number in range(3):
        scenery(number).save(inbox / f"{number}.png")
    said = "3 images are not compared with the others yet, so groups may be missing"
    for arguments in ((), ("--json",), ("--label", "best")):
        eventually(lambda arguments=arguments: said in imgscore("groups", *arguments).err)
    assert imgscore("groups", "--json").out == ""
    assert imgscore("resume").code == 0
    daemon.settle()
    assert "not compared" not in imgscore("groups").err


def test_groups_with_a_wrong_argument_says_what_to_do(inbox: Path, tmp_path: Path) -> None:
    outside = imgscore("groups", tmp_path)
    assert outside.code == 2 and "not in a watched folder" in outside.err
    kind = imgscore("groups", "--kind", "twins")
    assert kind.code == 2 and "bursts, near-duplicates, copies" in kind.err


def test_groups_under_the_daemon_lists_the_same(inbox: Path, start: Start) -> None:
    (first,) = put(inbox, "sun", 1)
    for number in range(300):
        shutil.copy2(first, inbox / f"copy-{number:03}.png")
    assert imgscore("scan").code == 0
    before = listed()
    assert [len(files) for _, files in before] == [301]
    daemon = start()
    daemon.settle()
    assert listed() == before


def test_groups_finds_changed_copies_of_a_picture_and_no_other_pictures(
    inbox: Path, start: Start
) -> None:
    pictures = [scenery(number) for number in range(6)]
    for number, picture in enumerate(pictures):
        picture.save(inbox / f"{number}.png")
    picture = pictures[0]
    picture.save(inbox / "0-jpeg.jpg", quality=40)
    picture.resize((240, 160)).save(inbox / "0-small.jpg")
    daemon = start()
    daemon.settle()
    assert listed() == [("near-duplicates", ["0-jpeg.jpg", "0-small.jpg", "0.png"])]
    # The daemon compares later images with the index that it has made.
    picture.crop((30, 20, 440, 300)).save(inbox / "0-crop.jpg", quality=90)
    framed = ImageOps.expand(picture, 30, fill=(20, 20, 20))
    framed.save(inbox / "0-framed.png")
    scenery(7).save(inbox / "7.png")
    daemon.settle()
    wanted = ["0-crop.jpg", "0-framed.png", "0-jpeg.jpg", "0-small.jpg", "0.png"]
    assert listed() == [("near-duplicates", wanted)]
    (row,) = imgscore("groups", "--json").rows
    assert row["why"] == "These images show the same picture, whole or in part."
    names = [os.path.basename(file) for file in row["files"]]
    assert names.index("0.png") < min(names.index("0-jpeg.jpg"), names.index("0-framed.png"))
    assert names[-1] == "0-crop.jpg", "a crop comes after all whole images with enough detail"
    # A deleted image leaves its group, and a restart changes nothing.
    (inbox / "0-crop.jpg").unlink()
    daemon.settle()
    assert daemon.stop() == 0
    assert listed("--kind", "near-duplicates") == [("near-duplicates", wanted[1:])]


def test_groups_of_different_landscapes_are_few(inbox: Path) -> None:
    """The sky above hills of one landscape fits into many others."""
    count = 36
    chosen = (item for item in pictures.draw_all() if pictures.kind_of(item[0]) == "landscape")
    for name, picture in islice(chosen, count):
        picture.save(inbox / name)
    assert imgscore("scan").code == 0
    assert sum(len(files) for _, files in listed()) <= count // 4


def test_groups_of_one_picture_from_two_days_give_the_seconds_of_the_burst(inbox: Path) -> None:
    for at, taken in enumerate(("01 12:00:00", "01 12:00:02", "01 12:00:03", "30 09:00:00")):
        exif = Image.Exif()
        exif[0x0110] = "Camera"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:{taken}"
        ImageOps.fit(scenery(1), (480, 310 + at)).save(inbox / f"{at}.jpg", exif=exif, quality=92)
    assert imgscore("scan").code == 0
    (row,) = imgscore("groups", "--json").rows
    assert row["kind"] == "bursts"
    assert row["why"] == "Camera took most of these images within 3 seconds."


def test_groups_of_photographs_are_bursts_but_not_brackets(inbox: Path) -> None:
    def shoot(name: str, picture: Image.Image, second: str, bias: float = 0.0) -> None:
        exif = Image.Exif()
        exif[0x0110] = "Camera"
        exif.get_ifd(0x8769).update({0x9003: f"2024:05:06 12:34:{second}", 0x9204: bias})
        picture.save(inbox / name, exif=exif, quality=92)

    moment, other = scenery(1), scenery(2)
    for number in range(4):
        shoot(f"burst-{number}.jpg", ImageOps.fit(moment, (480, 310 + number)), f"0{number}")
    shoot("other.jpg", draw("text", 1).convert("RGB"), "02")
    for number, bias in enumerate((-2.0, 0.0, 2.0)):
        brighter = ImageEnhance.Brightness(other).enhance(1 + bias / 8)
        shoot(f"bracket-{number}.jpg", brighter, "30", bias)
    assert imgscore("scan").code == 0
    (row,) = imgscore("groups", "--json").rows
    assert row["kind"] == "bursts" and row["why"].startswith("Camera took these photographs within")
    names = sorted(os.path.basename(path) for path in row["files"])
    assert names == [f"burst-{number}.jpg" for number in range(4)]
    assert {member["taken"] for member in row["members"]} == {
        f"2024-05-06T12:34:0{number}" for number in range(4)
    }


def test_groups_in_a_store_without_an_index_are_found_without_a_scan(inbox: Path) -> None:
    """A store of an older version has vectors and traits, but no index and no queue."""
    scenery(1).save(inbox / "a.png")
    scenery(1).save(inbox / "b.jpg", quality=50)
    scenery(2).save(inbox / "c.png")
    assert imgscore("scan").code == 0
    wanted = listed()
    assert wanted == [("near-duplicates", ["a.png", "b.jpg"])]
    with Store(paths.store_folder()) as store:
        store.commit(similarity.clear)
        store.commit(groups.clear)
    assert listed() == wanted
    # The daemon was killed in the first pass: the index is there in part, and one link is old.
    with Store(paths.store_folder()) as store, store.write() as txn:
        similarity.set_state(txn, None)
        first, second, *_ = (digest for digest, _ in groups.numbers(txn))
        similarity.add(txn, [], [similarity.Link(first, b"x" * 32, 1, 0.9)])
        groups.replace(txn, [first, second], [])
    assert listed() == wanted


def test_groups_after_kill_9_in_the_first_pass_are_the_same(inbox: Path, start: Start) -> None:
    for number in range(12):
        scenery(number).save(inbox / f"{number}.png")
        scenery(number).save(inbox / f"{number}.jpg", quality=60)
    assert imgscore("scan").code == 0
    wanted = listed()
    assert len(wanted) == 12
    with Store(paths.store_folder()) as store:
        store.commit(similarity.clear)
        store.commit(groups.clear)
    for _ in range(3):
        daemon = start()
        daemon.kill()
    daemon = start()
    daemon.settle()
    assert listed() == wanted


def scenery(number: int) -> Image.Image:
    """A picture with many tones, such as a photograph has."""
    random = np.random.default_rng(number)
    total = np.zeros((320, 480, 3), np.float32)
    for side, weight in ((3, 90), (6, 60), (16, 30), (60, 12)):
        noise = random.normal(0, weight, (side, side * 3 // 2, 3)).astype(np.float32)
        for channel in range(3):
            layer = Image.fromarray(noise[..., channel]).resize(
                (480, 320), Image.Resampling.BICUBIC
            )
            total[..., channel] += np.asarray(layer)
    return Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8))
