"""model download against a hub on the loopback: pinned, checked, resumed, plain when offline."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.embedders import catalogue, manifest, registry
from imgscore.embedders.download import Received, download, is_whole
from imgscore.errors import ImgscoreError, UsageError
from tests.support import uform_checkpoint
from tests.support.hub import Hub, serving

NAME = "uform3-small"
ENTRY = catalogue.UFORM[NAME]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = uform_checkpoint.make(tmp_path_factory.mktemp("hub") / "model")
    (folder / "README.md").write_text("not fetched")
    return folder


@pytest.fixture
def hub(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(published, ENTRY.repository, ENTRY.revision) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


def test_a_download_is_recorded_and_used(hub: Hub) -> None:
    received = list(download(NAME))
    weights = [one for one in received if one.file == "image_encoder.onnx"]
    assert weights[-1] == Received(weights[-1].file, weights[-1].total, weights[-1].total)
    folder = registry.installed_at(NAME)
    assert sorted(file.name for file in folder.iterdir()) == [
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
    assert [one.name for one in folder.parent.iterdir()] == [NAME]
    # Again: nothing to fetch, and no network needed.
    hub.ranges.clear()
    assert list(download(NAME)) == [] and hub.ranges == []


def test_it_goes_on_where_it_stopped(hub: Hub) -> None:
    hub.cut_after = 5000
    for number in range(1, 4):
        with pytest.raises(ImgscoreError, match="could not be downloaded") as caught:
            list(download(NAME))
        assert "goes on where it stopped" in caught.value.remedy
        part = registry.installed_at(NAME).with_name(f"{NAME}.part")
        assert (part / "image_encoder.onnx.incomplete").stat().st_size == 5000 * number
        assert not registry.installed_at(NAME).exists()
    hub.cut_after = None
    hub.ranges.clear()
    list(download(NAME))
    assert hub.ranges == ["bytes=15000-", "bytes=0-"]
    assert is_whole(registry.installed_at(NAME))


def test_what_was_begun_of_another_commit_is_dropped(hub: Hub) -> None:
    hub.cut_after = 5000
    with pytest.raises(ImgscoreError):
        list(download(NAME))
    hub.cut_after, hub.commit = None, "f" * 40
    hub.ranges.clear()
    list(download(NAME, "main"))
    assert hub.ranges[0] == "bytes=0-"
    recorded = manifest.read(registry.installed_at(NAME))
    assert recorded is not None and recorded.revision == "f" * 40


def test_other_bytes_than_the_hub_says_are_refused(hub: Hub) -> None:
    hub.lie = True
    with pytest.raises(ImgscoreError, match="arrived damaged"):
        list(download(NAME))
    assert not registry.installed_at(NAME).exists()
    hub.lie = False
    list(download(NAME))


def test_a_damaged_model_is_mended_and_other_files_of_one_commit_are_refused(
    hub: Hub, tmp_path: Path
) -> None:
    list(download(NAME))
    file = registry.installed_at(NAME) / "image_encoder.onnx"
    file.write_bytes(b"damaged")
    list(download(NAME))
    assert is_whole(registry.installed_at(NAME))
    file.write_bytes(b"damaged")
    hub.folder = uform_checkpoint.make(tmp_path / "other", seed=1)
    with pytest.raises(ImgscoreError, match="other files for the same commit"):
        list(download(NAME))


def test_a_revision_that_the_hub_does_not_have(hub: Hub) -> None:
    with pytest.raises(ImgscoreError, match="does not have the revision") as caught:
        list(download(NAME, "nowhere"))
    assert "--revision main" in caught.value.remedy


def test_a_repository_without_onnx(hub: Hub, tmp_path: Path) -> None:
    hub.folder = tmp_path / "bare"
    hub.folder.mkdir()
    (hub.folder / "config.json").write_text("{}")
    with pytest.raises(ImgscoreError, match="no UForm model in ONNX"):
        list(download(NAME))


def test_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ImgscoreError, match="could not be downloaded") as caught:
        list(download(NAME))
    assert "connect to the network" in caught.value.remedy
    with pytest.raises(UsageError, match="no such model"):
        list(download("efficientnet-lite0"))


def test_two_at_once(hub: Hub) -> None:
    first = download(NAME)
    next(first)
    with pytest.raises(ImgscoreError, match="by another imgscore"):
        list(download(NAME))
    list(first)
    assert is_whole(registry.installed_at(NAME))
