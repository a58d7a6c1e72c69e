"""The keys of a comparison in the terminal, as bytes that arrive together or in parts."""

from imgscore.cli.compare_terminal import Keys


def meanings(*parts: bytes) -> list[str]:
    """The meanings of the keys until the end."""
    reads = iter([*parts, b""])
    keys = Keys(lambda: next(reads))
    found: list[str] = []
    while not found or found[-1] != "end":
        found.append(keys.next())
    return found


def test_keys_pressed_early_are_used_one_after_the_other() -> None:
    assert meanings(b"1s 2q") == ["first", "same", "skip", "second", "end"]


def test_keys_arrows_of_both_modes_choose_a_side() -> None:
    assert meanings(b"\x1b[D\x1bOC", b"\x1b[C") == ["first", "second", "second", "end"]


def test_keys_without_a_meaning_are_ignored() -> None:
    assert meanings(b"x\xc3\xa9\x1b[5~\x1b[1;5D\ru") == ["undo", "end"]


def test_keys_control_d_ends() -> None:
    assert meanings(b"\x04") == ["end"]


def test_keys_late_answer_of_the_terminal_records_nothing() -> None:
    assert meanings(b"\x1b_Gi=31;OK\x1b\\\x1b[?62;1;2cs") == ["same", "end"]
