"""The degraded copies by which the order of a group is judged."""

import io

import numpy as np
import pytest
from PIL import Image

from bench.degradations import Degradation, degradations, degrade, is_better

IMAGE = Image.effect_noise((120, 80), 60).convert("RGB")


@pytest.mark.parametrize(
    ("one", "other", "better"),
    [
        (Degradation(), Degradation(blur=1), True),
        (Degradation(), Degradation(), False),
        (Degradation(blur=1), Degradation(noise=3), False),
        (Degradation(blur=1), Degradation(blur=1, noise=3), True),
        (Degradation(scale=0.5, enlarged=True), Degradation(scale=0.25), False),
        (Degradation(quality=75, again="PNG"), Degradation(quality=30), False),
        (Degradation(motion=5, angle=0), Degradation(motion=9, angle=90), False),
    ],
)
def test_is_better_of_two_copies_only_without_any_greater_loss(
    one: Degradation, other: Degradation, better: bool
) -> None:
    assert is_better(one, other) == better
    assert not is_better(other, one)


def test_degradations_of_a_seed_begin_with_the_original_and_are_the_same_again() -> None:
    made = degradations("a")
    assert made[0] == Degradation() and len(set(made)) == len(made) > 40
    assert made == degradations("a") != degradations("b")


@pytest.mark.parametrize("how", degradations("c")[:40], ids=str)
def test_degrade_makes_an_image_of_the_expected_size(how: Degradation) -> None:
    with Image.open(io.BytesIO(degrade(IMAGE, how, 1))) as copy:
        factor = how.factor if how.enlarged else how.scale
        assert copy.size == (round(120 * factor), round(80 * factor))
        changed = np.asarray(copy.convert("L").resize(IMAGE.size), float)
    assert changed.std() > 0 and copy.format == (how.again or "JPEG")
