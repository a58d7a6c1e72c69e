"""Published ONNX layouts: the same vectors as the libraries that define the layouts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgscore.cli import model_check
from imgscore.embedders import onnx_spec, registry, text_encoder
from imgscore.embedders.onnx_session import make_session
from imgscore.embedders.preprocessing import prepare
from imgscore.errors import ConfigError, ImgscoreError
from imgscore.images.decode import Picture, decode
from imgscore.images.traits import Traits
from tests.conftest import draw
from tests.support import onnx_checkpoints

SHAPES = ((64, 64), (90, 61), (61, 117), (300, 200), (401, 33), (31, 29))
TEXTS = ("cat", "a full moon over the shrine", "Dog! THE Sun", "", "cat " * 40)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    make = onnx_checkpoints
    return {
        "clip": make.clip(root / "clip"),
        "siglip": make.siglip(root / "siglip"),
        "one file": make.clip_in_one_file(root / "one"),
        "dino": make.dino(root / "dino"),
        "registers": make.dino(root / "registers", registers=4),
        "shortest": make.open_clip(root / "shortest"),
        "squash": make.open_clip(root / "squash", resize_mode="squash"),
        "longest": make.open_clip(root / "longest", resize_mode="longest", clean="canonicalize"),
    }


def images() -> list[Image.Image]:
    drawn = [draw("sun", 1), draw("text", 2)]
    return [drawn[n % 2].convert("RGB").resize(shape) for n, shape in enumerate(SHAPES)]


def picture(image: Image.Image) -> Picture:
    facts = Traits(width=image.width, height=image.height, format="PNG", bytes_per_pixel=1)
    return Picture(np.asarray(image), facts)


def reference_pixels(folder: Path, image: Image.Image) -> NDArray[np.float32]:
    """The input of the network as transformers or open_clip prepares it, [1, 3, h, w]."""
    visual = folder / "visual" / "preprocess_cfg.json"
    if visual.exists():
        library = onnx_checkpoints.import_open_clip()
        settings = library.transform.PreprocessCfg(**json.loads(visual.read_text()))
        transform = library.transform.image_transform_v2(settings, is_train=False)
        prepared: NDArray[np.float32] = transform(image).numpy()[np.newaxis]
        return prepared
    transformers = onnx_checkpoints.import_transformers()
    file = folder / "preprocessor_config.json"
    kind = json.loads(file.read_text())["image_processor_type"]
    kinds = {
        "CLIP": transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil,
        "Sigl": transformers.models.siglip.image_processing_pil_siglip.SiglipImageProcessorPil,
        "BitI": transformers.models.bit.image_processing_pil_bit.BitImageProcessorPil,
    }
    processor = kinds[kind[:4]].from_pretrained(folder)
    result: NDArray[np.float32] = processor(images=image, return_tensors="np")["pixel_values"]
    return result


def cosines(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    a, b = left.astype(np.float64), right.astype(np.float64)
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    result: NDArray[np.float64] = (a * b).sum(axis=-1) / lengths
    return result


@pytest.mark.parametrize(
    "name", ["clip", "one file", "siglip", "dino", "registers", "shortest", "squash", "longest"]
)
def test_embed_of_a_published_layout_equals_its_own_library(
    models: dict[str, Path], name: str
) -> None:
    folder = onnx_spec.open_folder(models[name])
    embedder = registry.load(str(models[name]), "cpu")
    assert (embedder.id, embedder.dim) == (folder.id, folder.dim)
    session = make_session(folder.weights)
    vectors = embedder.embed([picture(image) for image in images()])
    for image, vector in zip(images(), vectors, strict=True):
        pixels = reference_pixels(models[name], image)
        ours = prepare(np.asarray(image), folder.preprocessing)
        assert ours.shape == pixels.shape
        assert np.abs(ours - pixels).mean() < 0.02, image.size
        inputs = {folder.facts.source: pixels}
        if name == "one file":
            text = np.full((1, 3), 7, np.int64)
            inputs |= {"input_ids": text, "attention_mask": np.ones_like(text)}
        output = session.run([folder.facts.output], inputs)[0][0]
        parts = (
            [output[0], output[folder.prefix_tokens :].mean(axis=0)]
            if name in ("dino", "registers")
            else [output]
        )
        for part, section in zip(parts, embedder.sections, strict=True):
            assert cosines(part, vector[section.start : section.stop]) > 0.999, image.size


def test_sections_of_a_model_without_pooled_output_are_class_and_patches(
    models: dict[str, Path],
) -> None:
    folder = onnx_spec.open_folder(models["registers"])
    assert [section.name for section in folder.sections] == ["class", "patches"]
    assert (folder.prefix_tokens, folder.text) == (5, None)


@pytest.mark.parametrize("name", ["clip", "one file", "siglip", "shortest", "longest"])
def test_text_encoder_of_a_published_layout_equals_its_own_library(
    models: dict[str, Path], name: str
) -> None:
    transformers = onnx_checkpoints.import_transformers()
    folder = onnx_spec.open_folder(models[name])
    assert folder.text is not None
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder.text.tokenizer.parent)
    session = make_session(folder.text.weights)
    vectors = text_encoder.load(folder)(TEXTS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        tokens = tokenizer(
            text.lower() if name in ("siglip", "longest") else text,
            max_length=16,
            truncation=True,
            padding=False if name in ("clip", "one file") else "max_length",
            return_tensors="np",
        )
        kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
        inputs = {
            source.name: tokens.get(source.name, tokens["input_ids"]).astype(kinds[source.type])
            for source in session.get_inputs()
            if source.name != "pixel_values"
        }
        if name == "one file":
            inputs["pixel_values"] = np.ones((1, 3, 32, 32), np.float32)
        outputs = [output.name for output in session.get_outputs()]
        wanted = next(name for name in text_encoder.POOLED if name in outputs)
        assert cosines(session.run([wanted], inputs)[0][0], vector) > 0.9999


def test_decode_with_a_large_input_size_keeps_enough_pixels(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    draw("sun", 3).convert("RGB").resize((3000, 2000)).save(path)
    assert min(decode(path.read_bytes()).pixels.shape[:2]) < 512
    assert min(decode(path.read_bytes(), 512).pixels.shape[:2]) >= 512


def test_id_changes_with_weights_and_preprocessing(tmp_path: Path) -> None:
    folder = onnx_checkpoints.clip(tmp_path / "clip", seed=1)
    before = onnx_spec.open_folder(folder).id
    assert onnx_spec.open_folder(folder).id == before
    file = folder / "preprocessor_config.json"
    file.write_text(file.read_text().replace('"do_normalize": true', '"do_normalize": false'))
    changed = onnx_spec.open_folder(folder).id
    onnx_checkpoints.clip(tmp_path / "other", seed=2)
    (tmp_path / "other" / "onnx" / "vision_model.onnx").replace(
        folder / "onnx" / "vision_model.onnx"
    )
    assert len({before, changed, onnx_spec.open_folder(folder).id}) == 3


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"do_pad": True}, "do_pad"),
        ({"max_num_patches": 256}, "max_num_patches"),
        ({"size": {"longest_edge": 512}}, "longest_edge"),
        ({"do_resize": False}, "do_resize"),
        ({"do_center_crop": False}, "nothing is cropped"),
        ({"resample": 17}, "resample"),
        ({"size": {"shortest_edge": 1 << 20}, "crop_size": 1 << 20}, "4096"),
        ({"image_std": [0, 1, 1]}, "positive"),
        ({"image_mean": [0.5]}, "mean"),
        ({"crop_size": 64}, "larger"),
    ],
)
def test_open_folder_with_unsupported_preprocessing_is_refused(
    models: dict[str, Path], tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    for name in ("config.json", "preprocessor_config.json", "onnx"):
        (tmp_path / name).symlink_to(models["clip"] / name)
    file = tmp_path / "preprocessor_config.json"
    tree = json.loads(file.read_text()) | settings
    file.unlink()
    file.write_text(json.dumps(tree))
    with pytest.raises(ConfigError, match=reason):
        onnx_spec.open_folder(tmp_path)


def test_open_folder_with_weights_that_are_no_model_gives_the_reason(
    models: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).symlink_to(models["clip"] / name)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ConfigError, match=r"model\.onnx cannot be used"):
        onnx_spec.open_folder(tmp_path)


def test_open_folder_with_a_text_model_as_vision_model_is_refused(
    models: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).symlink_to(models["clip"] / name)
    (tmp_path / "model.onnx").symlink_to(models["clip"] / "onnx" / "text_model.onnx")
    with pytest.raises(ConfigError, match="pixels"):
        onnx_spec.open_folder(tmp_path)


def test_text_id_without_text_side_is_refused(models: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="no text encoder"):
        _ = onnx_spec.open_folder(models["dino"]).text_id
    with pytest.raises(ImgscoreError, match="no text encoder"):
        text_encoder.load(onnx_spec.open_folder(models["dino"]))


@pytest.mark.parametrize("name", ["clip", "siglip", "dino", "squash"])
def test_try_out_compares_with_the_library_of_the_layout(
    models: dict[str, Path], name: str
) -> None:
    tried = model_check.try_out(str(models[name]))
    assert tried.library is not None and tried.min_cosine is not None
    assert tried.min_cosine > model_check.MIN_COSINE
    assert tried.spread > model_check.MIN_SPREAD and tried.images_per_second > 0
    assert tried.search == (name != "dino")


def test_try_out_of_the_built_in_model_has_no_library() -> None:
    tried = model_check.try_out(registry.BUILT_IN)
    assert (tried.library, tried.min_cosine, tried.search) == (None, None, False)
    assert tried.licence == "Apache-2.0" and tried.spread > model_check.MIN_SPREAD
