"""Words and vectors of file names."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.embedders.filename_spec import HASHED_DIM, words
from imgscore.embedders.filenames import hash_names, text_encoder
from imgscore.embedders.uform_spec import open_folder
from imgscore.errors import ImgscoreError
from tests.support import uform_checkpoint


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"MyCat_0042.jpg", "my cat 0"),
        (b"IMG_0001.JPG", "img 0"),
        (b"noext", "noext"),
        (b"-_-.png", ""),
        (b"\xff\xfe.png", ""),
        ("Été à Paris.jpg".encode(), "été à paris"),
    ],
)
def test_words_file_name_gives_words(name: bytes, expected: str) -> None:
    assert words(name) == expected


def test_hash_names_similar_names_are_close_and_digits_ignored() -> None:
    cat, cats, dog, first, second = hash_names(
        [b"black cat.jpg", b"BlackCats_3.png", b"old dog.jpg", b"IMG_0001.jpg", b"IMG_0953.jpg"]
    ).astype(np.float32)
    assert cat @ cats > 0.5 > cat @ dog
    assert np.array_equal(first, second)


@given(st.binary(min_size=1, max_size=255))
def test_hash_names_any_name_has_unit_length_or_is_zero(name: bytes) -> None:
    (vector,) = hash_names([name]).astype(np.float32)
    assert vector.shape == (HASHED_DIM,)
    assert np.linalg.norm(vector) <= 1.01
    assert bool(np.any(vector)) <= bool(words(name))


def test_text_encoder_of_uform_equals_uforms_own(tmp_path: Path) -> None:
    from uform.numpy_processors import TextProcessor
    from uform.onnx_encoders import TextEncoder

    folder = uform_checkpoint.make(tmp_path / "tiny", quantised=True)
    encode = text_encoder(open_folder(folder))
    names = [b"black_cat.jpg", b"Old Dog 7.png", b"-.png", b"x" * 200 + b".jpg"]
    vectors = encode(names).astype(np.float32)
    processor = TextProcessor(str(folder / "config.json"), str(folder / "tokenizer.json"))
    own_encoder = TextEncoder(str(folder / "text_encoder.onnx"))
    for name, vector in zip(names, vectors, strict=True):
        expected = own_encoder.encode(processor(words(name)))[1][0]
        assert vector @ expected / np.linalg.norm(expected) > 0.999
        assert np.array_equal(encode([name])[0], vector.astype(np.float16))
    (folder / "text_encoder.onnx").unlink()
    (folder / "model.pt").unlink()
    with pytest.raises(ImgscoreError, match="no text encoder"):
        text_encoder(open_folder(folder))
