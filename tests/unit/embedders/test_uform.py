"""UForm: the same vectors as the uform package's, independent of a batch; files checked on load."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgscore.embedders import manifest, registry
from imgscore.embedders.base import Embedder
from imgscore.embedders.manifest import FileFacts, Manifest
from imgscore.embedders.onnx_session import make_session
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.images.decode import Picture
from imgscore.images.traits import Traits
from tests.conftest import draw
from tests.support import uform_checkpoint

SHAPES = [(64, 64), (90, 64), (64, 117), (300, 200), (201, 333)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return uform_checkpoint.make(tmp_path_factory.mktemp("uform") / "tiny")


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return uform_checkpoint.make(tmp_path_factory.mktemp("uform") / "quantised", quantised=True)


def picture(image: Image.Image) -> Picture:
    pixels = np.asarray(image.convert("RGB"))
    facts = Traits(width=image.width, height=image.height, format="PNG", bytes_per_pixel=1)
    return Picture(pixels, facts)


def images() -> list[Image.Image]:
    drawn = [draw("sun", 1), draw("text", 2), draw("sun", 3)]
    return [*drawn, *(drawn[n % 3].resize(shape) for n, shape in enumerate(SHAPES))]


def cosines(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    a, b = left.astype(np.float64), right.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products: NDArray[np.float64] = (a * b).sum(axis=1) / lengths
    return products


def embedding(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """The first section of the tiny checkpoint's vectors."""
    return vectors[:, :32].astype(np.float32)


def prepared_by_uform(folder: Path, image: Image.Image) -> NDArray[np.float32]:
    """An image prepared by uform's own processor, [1, 3, size, size].

    Upright images are transposed for it: uform 3.1.3 divides by a width that it has just
    overwritten, so that it squeezes them and does not scale their height.
    """
    from uform.numpy_processors import ImageProcessor

    processor = ImageProcessor(str(folder / "config.json"))
    if image.width >= image.height:
        pixels: NDArray[np.float32] = processor(image)
    else:
        pixels = processor(image.transpose(Image.Transpose.TRANSPOSE)).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(pixels)


def by_uform(folder: Path) -> NDArray[np.float32]:
    """The vectors of `images()` by uform's own ONNX encoder, one at a time."""
    from uform.onnx_encoders import ImageEncoder

    encoder = ImageEncoder(str(folder / "image_encoder.onnx"))
    return np.concatenate(
        [encoder.encode(prepared_by_uform(folder, image))[1] for image in images()]
    )


def test_embed_equals_uforms_own_onnx_encoder(tiny: Path) -> None:
    vectors = registry.load(str(tiny), "cpu").embed([picture(image) for image in images()])
    own = by_uform(tiny)
    assert cosines(embedding(vectors), own).min() >= 0.999
    # Vectors of different pictures differ, so that the comparison means something.
    assert cosines(own[:1], own[1:2])[0] < 0.99
    assert np.allclose(np.linalg.norm(embedding(vectors), axis=1), 1, atol=2e-3)


def test_embed_pt_weights_equal_uforms_own_torch_encoder(tiny: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    from uform.torch_encoders import ImageEncoder

    for name in ("config.json", "tokenizer.json", "model.pt"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    assert registry.spec(str(tmp_path)).id != registry.spec(str(tiny)).id
    vectors = registry.load(str(tmp_path), "cpu").embed([picture(image) for image in images()])
    state = torch.load(tiny / "model.pt", weights_only=True)
    encoder = ImageEncoder.from_pretrained(str(tiny / "config.json"), state).eval()
    prepared = np.concatenate([prepared_by_uform(tiny, image) for image in images()])
    own = encoder.encode(torch.from_numpy(prepared)).numpy()
    assert cosines(embedding(vectors), own).min() >= 0.999
    assert cosines(embedding(vectors), by_uform(tiny)).min() >= 0.999


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (20000, 2)])
def test_embed_extreme_shapes_gives_finite_vectors(tiny: Path, size: tuple[int, int]) -> None:
    vector = registry.load(str(tiny), "cpu").embed([picture(Image.new("RGB", size, "red"))])
    assert vector.shape == (1, 128) and np.isfinite(vector).all()


def test_embed_quantised_model_is_independent_of_other_pictures(quantised: Path) -> None:
    pictures = [picture(image) for image in images()]
    embedder = registry.load(str(quantised), "cpu")
    together = embedder.embed(pictures)
    for number, image in enumerate(pictures):
        assert np.array_equal(embedder.embed([image])[0], together[number])
    assert np.array_equal(embedder.embed(pictures[::-1])[::-1], together)
    # In one batch the session's vectors do depend on each other, so that the test means something.
    session = make_session(quantised / "image_encoder.onnx")
    prepared = np.concatenate([prepared_by_uform(quantised, image) for image in images()])
    batch = session.run(["embeddings"], {"images": prepared})[0]
    assert not np.allclose(
        batch / np.linalg.norm(batch, axis=1)[:, None], embedding(together), atol=2e-3
    )
    assert cosines(embedding(together), by_uform(quantised)).min() >= 0.999


def test_load_and_spec_give_the_same_id_dim_and_sections(tiny: Path, quantised: Path) -> None:
    embedder: Embedder = registry.load(str(tiny), "cpu")
    spec = registry.spec(str(tiny))
    assert (embedder.id, embedder.dim, embedder.sections) == spec[:3]
    assert spec.sections == (("embedding", 0, 32), ("mean", 32, 80), ("deviation", 80, 128))
    assert spec.id.startswith("uform-") and spec.id != registry.spec(str(quantised)).id
    assert embedder.embed([]).shape == (0, 128)


def test_spec_other_preprocessing_changes_the_id(tiny: Path, tmp_path: Path) -> None:
    tree = json.loads((tiny / "config.json").read_text())
    (tmp_path / "image_encoder.onnx").write_bytes((tiny / "image_encoder.onnx").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(tree))
    same = registry.spec(str(tmp_path)).id
    tree["image_encoder"]["normalization_means"][0] = 0.5
    (tmp_path / "config.json").write_text(json.dumps(tree))
    assert same == registry.spec(str(tiny)).id != registry.spec(str(tmp_path)).id


def test_spec_missing_file_raises_with_remedy(tiny: Path, tmp_path: Path) -> None:
    for model, message in (
        ("uform3-small", "not been downloaded"),
        ("uform4", "no such embedder"),
        (str(tmp_path / "none"), "no such folder"),
        (str(tmp_path), "no model in a layout"),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            registry.spec(model)
        assert caught.value.remedy
    (tmp_path / "config.json").write_bytes((tiny / "config.json").read_bytes())
    with pytest.raises(ConfigError, match="neither"):
        registry.spec(str(tmp_path))
    (tmp_path / "image_encoder.onnx").write_bytes(b"")
    for text in ("{", "[]", "{}", '{"image_encoder": {"embedding_dim": "x"}}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ConfigError, match="does not describe"):
            registry.spec(str(tmp_path))


def test_load_damaged_download_raises(tiny: Path, tmp_path: Path) -> None:
    for name in ("config.json", "image_encoder.onnx"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    weights = tmp_path / "image_encoder.onnx"
    facts = FileFacts(weights.stat().st_size, manifest.sha256_of(weights))
    manifest.write(tmp_path, Manifest("maker/model", "0" * 40, {weights.name: facts}))
    registry.load(str(tmp_path), "cpu")
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ImgscoreError, match="damaged"):
        registry.load(str(tmp_path), "cpu")
    (tmp_path / manifest.NAME).write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        registry.spec(str(tmp_path))


def test_embed_weights_of_another_config_raises(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "image_encoder.onnx").write_bytes((tiny / "image_encoder.onnx").read_bytes())
    tree = json.loads((tiny / "config.json").read_text())
    tree["image_encoder"]["embedding_dim"] = 16
    (tmp_path / "config.json").write_text(json.dumps(tree))
    embedder = registry.load(str(tmp_path), "cpu")
    with pytest.raises(ImgscoreError, match="numbers for a picture, not 112"):
        embedder.embed([picture(images()[0])])
