"""Pairs that are put together into proposals of four images."""

from imgscore.heads.pair_choice import PairChoice
from imgscore.workers.choose_pairs import grouped


def pairs(*rows: tuple[int, int]) -> list[PairChoice]:
    return [PairChoice(first, second, 0.5, 1 / (1 + n)) for n, (first, second) in enumerate(rows)]


def rows_of(groups: list[list[PairChoice]]) -> list[list[tuple[int, int]]]:
    return [[(pair.first, pair.second) for pair in group] for group in groups]


def test_grouped_in_pairs_gives_each_pair() -> None:
    assert rows_of(grouped(pairs((0, 1), (2, 3)), 1, set())) == [[(0, 1)], [(2, 3)]]


def test_grouped_in_fours_puts_the_best_pairs_together() -> None:
    chosen = pairs((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
    assert rows_of(grouped(chosen, 2, set())) == [[(0, 1), (2, 3)], [(4, 5), (6, 7)]]


def test_grouped_in_fours_repeats_no_comparison() -> None:
    chosen = pairs((0, 1), (2, 3), (4, 5))
    assert rows_of(grouped(chosen, 2, {frozenset((1, 2))})) == [[(0, 1), (4, 5)]]


def test_grouped_in_fours_without_a_fitting_pair_is_empty() -> None:
    assert grouped(pairs((0, 1), (2, 3)), 2, {frozenset((0, 3))}) == []
