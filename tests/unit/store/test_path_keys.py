"""Tests of the set of path keys."""

import random

from imgscore.store.path_keys import PathKeys
from imgscore.store.schema import path_key


def test_path_keys_of_random_paths_equal_a_set() -> None:
    keys = [path_key(b"%d" % number) for number in range(3000)]
    present, others = set(keys[:2000]), keys[2000:]
    packed = PathKeys()
    assert not packed
    packed.update(keys[:1500])
    packed.update(keys[1500:2000])
    assert len(packed) == 2000
    assert all(key in packed for key in present)
    assert not any(key in packed for key in others)
    shown = sorted(random.Random(1).sample(keys, 1500))
    assert list(packed.missing(shown)) == [key for key in shown if key not in present]


def test_path_keys_key_across_two_others_is_not_in_the_set() -> None:
    packed = PathKeys()
    packed.update([bytes(16), b"\0" + b"\1" * 15])
    assert b"\0" * 15 + b"\0" in packed
    assert b"\0" * 9 + b"\1" * 7 not in packed
    assert b"\0" * 2 + b"\1" * 14 not in packed
