"""Measuring the quality of one file, as a worker does it."""

import hashlib
import os
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from imgscore.errors import ImageError
from imgscore.images import signature
from imgscore.workers.context import Context
from imgscore.workers.measure_quality import measure_quality
from imgscore.workers.messages import Answer, Unreadable, Unstable
from imgscore.workers.quality_messages import MeasureQuality, QualityMeasured
from tests.conftest import draw

NO_CONTEXT = cast("Context", None)
"""The handler uses no context."""


def answer_of(path: Path, digest: bytes | None = None) -> Answer:
    if digest is None:
        digest = hashlib.sha256(path.read_bytes()).digest()
    return measure_quality(NO_CONTEXT, MeasureQuality(os.fsencode(path), digest))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif", "bmp", "avif"])
def test_measure_quality_of_any_format_measures_the_full_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    draw("sun", 1).resize((2000, 1500)).save(path)
    answer = answer_of(path)
    assert isinstance(answer, QualityMeasured)
    quality = answer.quality
    assert (quality.pixels, quality.bytes) == (3_000_000, path.stat().st_size)
    assert quality.is_measured and (quality.compression is not None) == (suffix == "jpg")


def test_measure_quality_of_heic_measures_the_full_size(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    heif.from_pillow(draw("text", 1).resize((1600, 1200))).save(path)
    answer = answer_of(path)
    assert isinstance(answer, QualityMeasured) and answer.quality.pixels == 1600 * 1200


def test_measure_quality_of_a_transparent_image_ignores_hidden_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = Image.effect_noise((400, 400), 80).convert("RGBA")
    image.putalpha(0)
    image.save(path)
    answer = answer_of(path)
    assert isinstance(answer, QualityMeasured) and answer.quality.detail == 0


def test_measure_quality_of_a_changed_or_missing_file_answers_unstable(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    draw("sun", 1).save(path)
    assert isinstance(answer_of(path, b"\0" * 32), Unstable)
    assert isinstance(answer_of(tmp_path / "b.png", b"\0" * 32), Unstable)
    (tmp_path / "link.png").symlink_to(path)
    assert isinstance(answer_of(tmp_path / "link.png"), Unstable)


def test_measure_quality_of_no_regular_file_answers_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert isinstance(answer_of(tmp_path / "pipe.png", b"\0" * 32), Unstable | Unreadable)


def test_measure_quality_of_a_damaged_file_raises(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    draw("sun", 1).save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ImageError):
        answer_of(path)


def test_measure_quality_of_a_webp_copy_assumes_a_step_only_if_it_is_lossy(tmp_path: Path) -> None:
    image = draw("sun", 1).resize((800, 600))
    steps = []
    for number, lossless in enumerate((False, True)):
        path = tmp_path / f"{number}.webp"
        image.save(path, lossless=lossless)
        answer = answer_of(path)
        assert isinstance(answer, QualityMeasured)
        steps.append(answer.quality.step)
    assert steps == [6.0, 1.0]


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("kind", ["still", "transparent", "animated"])
def test_is_lossy_webp_of_any_kind_is_that_of_its_first_frame(
    tmp_path: Path, kind: str, lossless: bool
) -> None:
    path = tmp_path / "a.webp"
    image = draw("sun", 1)
    if kind == "transparent":
        image.putalpha(100)
    frames = [draw("sun", 2).resize(image.size)] if kind == "animated" else []
    image.save(path, lossless=lossless, save_all=kind == "animated", append_images=frames)
    assert signature.is_lossy_webp(path.read_bytes()) == (not lossless)
    assert not signature.is_lossy_webp(path.read_bytes()[:15])
