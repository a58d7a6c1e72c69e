"""`imgscore model download` from a hub on the loopback interface."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.embedders import catalogue, manifest, registry
from imgscore.embedders.download import FileProgress, download, is_intact
from imgscore.embedders.hub_files import wanted_files
from imgscore.embedders.licence import licence_of
from imgscore.errors import ImgscoreError, UsageError
from tests.support import onnx_checkpoints, uform_checkpoint
from tests.support.hub import Hub, serving

NAME = "uform3-small"
ENTRY = catalogue.UFORM[NAME]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = uform_checkpoint.make(tmp_path_factory.mktemp("hub") / "model")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    (folder / "notes.txt").write_text("not fetched")
    return folder


@pytest.fixture
def hub(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(published, ENTRY.repository, ENTRY.revision) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


def test_download_writes_manifest_and_usable_model(hub: Hub) -> None:
    progress = list(download(NAME))
    last = [step for step in progress if step.file == "image_encoder.onnx"][-1]
    assert last == FileProgress(last.file, last.total, last.total)
    folder = registry.model_folder(NAME)
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md",
        "config.json",
        "image_encoder.onnx",
        manifest.NAME,
        "text_encoder.onnx",
        "tokenizer.json",
    ]
    recorded = manifest.read(folder)
    assert recorded is not None and recorded.revision == ENTRY.revision
    for name, facts in recorded.files.items():
        assert facts.sha256 == manifest.sha256_of(hub.folder / name)
        assert facts.size == (hub.folder / name).stat().st_size
    assert registry.spec(NAME).id.startswith("uform3-small-")
    assert registry.load(NAME, "cpu").id == registry.spec(NAME).id
    assert [file.name for file in folder.parent.iterdir()] == [NAME]
    # A second call fetches nothing and needs no network.
    hub.ranges.clear()
    assert list(download(NAME)) == [] and hub.ranges == []


def test_download_after_interruption_continues(hub: Hub) -> None:
    hub.cut_after = 5000
    for number in range(1, 4):
        with pytest.raises(ImgscoreError, match="could not be downloaded") as caught:
            list(download(NAME))
        assert "it continues the download" in caught.value.remedy
        part = registry.model_folder(NAME).with_name(f"{NAME}.part")
        assert (part / "image_encoder.onnx.incomplete").stat().st_size == 5000 * number
        assert not registry.model_folder(NAME).exists()
    hub.cut_after = None
    hub.ranges.clear()
    list(download(NAME))
    assert hub.ranges == ["bytes=15000-", "bytes=0-"]
    assert is_intact(registry.model_folder(NAME))


def test_download_of_another_commit_drops_partial_files(hub: Hub) -> None:
    hub.cut_after = 5000
    with pytest.raises(ImgscoreError):
        list(download(NAME))
    hub.cut_after, hub.commit = None, "f" * 40
    hub.ranges.clear()
    list(download(NAME, "main"))
    assert hub.ranges[0] == "bytes=0-"
    recorded = manifest.read(registry.model_folder(NAME))
    assert recorded is not None and recorded.revision == "f" * 40


def test_download_with_wrong_checksum_is_refused(hub: Hub) -> None:
    hub.lie = True
    with pytest.raises(ImgscoreError, match="arrived damaged"):
        list(download(NAME))
    assert not registry.model_folder(NAME).exists()
    hub.lie = False
    list(download(NAME))


def test_download_repairs_damage_and_refuses_changed_commit(hub: Hub, tmp_path: Path) -> None:
    list(download(NAME))
    file = registry.model_folder(NAME) / "image_encoder.onnx"
    file.write_bytes(b"damaged")
    list(download(NAME))
    assert is_intact(registry.model_folder(NAME))
    file.write_bytes(b"damaged")
    hub.folder = uform_checkpoint.make(tmp_path / "other", seed=1)
    with pytest.raises(ImgscoreError, match="have changed since the first download"):
        list(download(NAME))


def test_download_unknown_revision_raises_with_remedy(hub: Hub) -> None:
    with pytest.raises(ImgscoreError, match="does not have this revision") as caught:
        list(download(NAME, "nowhere"))
    assert "--revision main" in caught.value.remedy


def test_download_repository_without_onnx_raises(hub: Hub, tmp_path: Path) -> None:
    hub.folder = tmp_path / "bare"
    hub.folder.mkdir()
    (hub.folder / "config.json").write_text("{}")
    with pytest.raises(ImgscoreError, match="no model in ONNX"):
        list(download(NAME))


def test_download_offline_raises_with_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ImgscoreError, match="could not be downloaded") as caught:
        list(download(NAME))
    assert "connect to the network" in caught.value.remedy
    with pytest.raises(UsageError, match="no such model"):
        list(download("efficientnet-lite0"))


def test_download_while_another_runs_raises(hub: Hub) -> None:
    first = download(NAME)
    next(first)
    with pytest.raises(ImgscoreError, match="by another imgscore"):
        list(download(NAME))
    list(first)
    assert is_intact(registry.model_folder(NAME))


@pytest.mark.parametrize("layout", ["clip", "open_clip"])
def test_download_of_a_repository_on_the_hub_gives_a_usable_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    folder = getattr(onnx_checkpoints, layout)(tmp_path / "model")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "visual" if layout == "open_clip" else folder / "onnx").joinpath("rknpu").mkdir()
    (folder / "pytorch_model.bin").write_bytes(bytes(100))
    name = "hf:someone/tiny-model"
    with serving(folder, "someone/tiny-model", "c" * 40) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        list(download(name))
    target = registry.model_folder(name)
    assert is_intact(target) and not (target / "pytorch_model.bin").exists()
    assert registry.downloaded() == [name]
    opened = registry.open_model(name)
    assert opened.has_text and opened.id.startswith("tiny-model-")
    assert licence_of(target) == "mit"
    assert registry.load(name, "cpu").id == opened.id
    (opened.weights).write_bytes(b"damaged")
    with pytest.raises(ImgscoreError):
        registry.load(name, "cpu")


@pytest.mark.parametrize(
    "names",
    [
        ["config.json", "preprocessor_config.json", "pytorch_model.bin"],
        ["visual/model.onnx"],
        ["config.json", "onnx/model.onnx"],
        ["text_encoder.onnx", "config.json"],
    ],
)
def test_wanted_files_of_an_unknown_layout_are_none(names: list[str]) -> None:
    assert wanted_files(names) == []


def test_wanted_files_choose_the_largest_variant_and_stay_in_the_folder() -> None:
    names = [
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "onnx/vision_model_int8.onnx",
        "onnx/vision_model_fp16.onnx",
        "onnx/vision_model_fp16.onnx_data",
        "onnx/vision_model_fp16.onnx_data/../../../evil",
        "onnx/text_model_q4.onnx",
        "onnx/text_model.onnx",
        "visual/..",
    ]
    assert wanted_files(names) == [
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "onnx/text_model.onnx",
        "onnx/vision_model_fp16.onnx",
        "onnx/vision_model_fp16.onnx_data",
    ]


def test_wanted_files_have_tensors_only_for_an_accelerator() -> None:
    names = ["config.json", "image_encoder.onnx", "model.safetensors", "image_encoder.safetensors"]
    assert wanted_files(names) == ["config.json", "image_encoder.onnx"]
    assert wanted_files(names, tensors=True) == [
        "config.json",
        "image_encoder.onnx",
        "image_encoder.safetensors",
    ]
    assert "model.safetensors" in wanted_files(names[:3], tensors=True)


def test_download_of_files_unlike_the_witness_is_refused(hub: Hub) -> None:
    entry = catalogue.UFORM["uform3-base"]
    assert set(entry.sha256) == {"image_encoder.onnx", "text_encoder.onnx", "tokenizer.json"}
    hub.repository = entry.repository
    with pytest.raises(ImgscoreError, match="differs from the file that imgscore knows") as caught:
        list(download("uform3-base"))
    assert "--revision main" in caught.value.remedy
    assert not registry.model_folder("uform3-base").exists()
    list(download("uform3-base", "main"))
    assert registry.model_folder("uform3-base").exists()
