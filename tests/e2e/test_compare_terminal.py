"""`imgscore compare --terminal`: one key for each answer, in a real terminal."""

import re
from pathlib import Path

from tests.support.commands import BIN, imgscore
from tests.support.terminals import Terminal, terminal


def shown(screen: Terminal) -> list[str]:
    """Wait until the program shows a pair; gives the names of the two images."""
    screen.shows("  |  ")
    screen.shows("\n")
    (line,) = re.findall(r"(\S+)  \|  (\S+)\r?\n", screen.text)
    return [Path(name).name for name in line]


def answer(screen: Terminal, key: bytes, reply: str) -> list[str]:
    """Press a key for the pair on the screen; gives the names of the pair."""
    names = shown(screen)
    screen.clear()
    screen.press(key)
    screen.shows(reply)
    return names


def test_compare_terminal_that_shows_images_draws_them(labelled_inbox: Path) -> None:
    """The test answers as kitty does: it can show an image, and it is a terminal."""
    assert imgscore("scan").code == 0
    command = (BIN / "imgscore", "compare", "--terminal")
    with terminal(*command, kind="xterm-kitty", controlling=True) as screen:
        screen.press(b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c")  # it waits until the program reads it
        screen.shows("  |  ")
        screen.shows("\x1b_Ga=T")
        screen.press(b"q")
        assert screen.process.wait(timeout=60) == 0
        assert "cannot show images" not in screen.text


def test_compare_terminal_without_thumbnails_asks_the_terminal_nothing(
    labelled_inbox: Path,
) -> None:
    assert imgscore("scan").code == 0
    command = (BIN / "imgscore", "compare", "--terminal", "--no-thumbnails")
    with terminal(*command, kind="xterm-kitty", controlling=True) as screen:
        screen.shows("  |  ")
        screen.press(b"q")
        assert screen.process.wait(timeout=60) == 0
        assert "cannot show images" not in screen.text and "\x1b_G" not in screen.text


def test_compare_terminal_keys_record_answers_and_undo(labelled_inbox: Path) -> None:
    assert imgscore("scan").code == 0
    with terminal(BIN / "imgscore", "compare", "--terminal", kind="dumb") as screen:
        screen.shows("space skip")
        first = answer(screen, b"1", "first  (1 answer)")
        second = answer(screen, b"\x1b[C", "second  (2 answers)")
        third = answer(screen, b"s", "same  (3 answers)")
        fourth = answer(screen, b" ", "skip  (3 answers)")
        fifth = answer(screen, b"u", "no answer  (3 answers)")
        again = answer(screen, b"2", "second  (4 answers)")
        assert again == fourth and len({frozenset(p) for p in (first, second, third, fourth)}) == 4
        assert shown(screen) == fifth
        screen.press(b"xyz\x1b[5~q")  # other keys do nothing
        assert screen.process.wait(timeout=60) == 0
    rows = imgscore("history", "--json").rows
    answers = [row["answer"] for row in rows if row["what"] == "compare"][::-1]
    assert answers == ["first", "second", "same", "skip", "clear", "second"]
