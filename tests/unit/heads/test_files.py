"""Saving and loading heads."""

import json
import struct

import numpy as np
import pytest

from imgscore.errors import StoreError, UsageError
from imgscore.heads.files import load, save
from imgscore.heads.training import train


@pytest.mark.parametrize("count", [4, 10, 200])
def test_load_after_save_gives_the_same_scores(made_up, tmp_path, count):
    examples = made_up(count)
    head = train(examples).head
    save(head, tmp_path / "heads" / "1.safetensors")
    loaded = load(tmp_path / "heads" / "1.safetensors", embedder="made-up", dimensions=40)
    first, second = head.score(examples.background), loaded.score(examples.background)
    assert np.array_equal(first.score, second.score)
    assert np.array_equal(first.deviation, second.deviation)
    assert loaded.settings == head.settings
    assert [file.name for file in (tmp_path / "heads").iterdir()] == ["1.safetensors"]


def test_load_head_for_other_embeddings_raises(made_up, tmp_path):
    save(train(made_up(20)).head, tmp_path / "head")
    with pytest.raises(UsageError, match="made-up"):
        load(tmp_path / "head", embedder="other")
    with pytest.raises(UsageError, match="40"):
        load(tmp_path / "head", dimensions=41)


@pytest.mark.parametrize("content", [b"", b"rubbish", struct.pack("<Q", 2**40) + b"{}"])
def test_load_damaged_file_raises_with_path(tmp_path, content):
    (tmp_path / "head").write_bytes(content)
    with pytest.raises(StoreError, match="head"):
        load(tmp_path / "head")


def test_load_missing_file_raises_with_path(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_load_other_safetensors_or_version_raises(made_up, tmp_path):
    save(train(made_up(20)).head, tmp_path / "head")
    data = (tmp_path / "head").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    about = json.loads(header["__metadata__"]["imgscore"])
    for change, error in (
        ({"format": "something"}, UsageError),
        ({"version": 99}, UsageError),
        ({"kind": "unknown"}, UsageError),
        ({"values": {}}, StoreError),
    ):
        header["__metadata__"]["imgscore"] = json.dumps(about | change)
        text = json.dumps(header).encode()
        (tmp_path / "changed").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
        with pytest.raises(error):
            load(tmp_path / "changed")


def test_save_on_full_disk_keeps_the_old_head(made_up, tmp_path, monkeypatch):
    path = tmp_path / "heads" / "head"
    save(train(made_up(20)).head, path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        save(train(made_up(30)).head, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["head"]
