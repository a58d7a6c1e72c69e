"""The groups of a set of images do not depend on the sequence in which the images arrived."""

import hashlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image, ImageOps

from bench.group_store import commit, compare_all
from imgscore.embedders import registry
from imgscore.images.decode import decode
from imgscore.images.traits import Traits
from imgscore.store import groups, traits, vectors
from imgscore.store.groups import Whole
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.workers.compare_new import compare_new
from imgscore.workers.group_messages import CompareNew

SPEC = registry.spec(registry.BUILT_IN, use_filename=False)
Known = dict[bytes, tuple[bytes, Traits]]
"""The vector and the traits of each image, by digest."""


def scene(seed: int) -> Image.Image:
    """A picture of 480 × 360 pixels with structure of several sizes."""
    random = np.random.default_rng(seed)
    layers = []
    for _ in range(3):
        total = np.zeros((360, 480), np.float32)
        for side, weight in ((3, 60), (9, 40), (30, 20)):
            noise = Image.fromarray(random.normal(0, weight, (side, side)).astype(np.float32))
            total += np.asarray(noise.resize((480, 360), Image.Resampling.BICUBIC))
        layers.append(np.clip(total + 128, 0, 255).astype(np.uint8))
    return Image.fromarray(np.stack(layers, axis=2))


def versions(image: Image.Image) -> list[Image.Image]:
    return [
        image,
        image.resize((240, 180)),
        image.crop((10, 8, 466, 350)),
        image.crop((60, 30, 470, 330)),
        image.crop((30, 40, 440, 350)),
        image.crop((80, 60, 450, 320)),
        ImageOps.mirror(image),
        image.point(lambda level: min(255, int(level * 1.15))),
        ImageOps.expand(image, 30, fill="black"),
    ]


@pytest.fixture(scope="module")
def images() -> Known:
    embedder = registry.load(registry.BUILT_IN, "cpu", lambda _: None)
    preprocessor = registry.preprocessor(registry.BUILT_IN)
    known: Known = {}
    for seed in range(3):
        for picture in versions(scene(seed)):
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=88)
            decoded = decode(file.getvalue(), preprocessor.min_side, settled=True)
            vector = embedder.embed_inputs(preprocessor.inputs(decoded))
            digest = hashlib.sha256(file.getvalue()).digest()
            known[digest] = vector.tobytes(), decoded.traits
    return known


class Library:
    """A store whose images are compared at once, or one after the other."""

    def __init__(self, folder: Path, images: Known) -> None:
        self.store = Store(folder)
        self.images = images
        self.context = cast(
            "Any", SimpleNamespace(store=self.store, spec=SPEC, on_progress=lambda *_: None)
        )

    def add(self, digests: list[bytes]) -> None:
        def write(txn: Txn) -> None:
            found = [(digest, self.images[digest][0]) for digest in digests]
            vectors.append(txn, SPEC.image_embedder, found)
            for digest in digests:
                traits.record(txn, digest, self.images[digest][1])

        self.store.commit(write)

    def compare_all(self) -> None:
        compare_all(self.store, self.context)

    def compare(self, digests: list[bytes]) -> None:
        commit(self.store, compare_new(self.context, CompareNew(digests)))

    def groups(self) -> set[tuple[str, tuple[bytes, ...], tuple[Whole, ...]]]:
        with self.store.read() as txn:
            return {(group.kind, group.members, group.wholes) for group in groups.iter_all(txn)}


@pytest.mark.parametrize("per_scene", [4, 8])
def test_groups_of_images_in_any_sequence_are_those_of_one_comparison(
    images: Known, tmp_path: Path, per_scene: int
) -> None:
    # With 4 of a scene, all images are compared. With 8, each is compared with its nearest ones.
    digests = sorted(digest for at, digest in enumerate(images) if at % 9 < per_scene)
    at_once = Library(tmp_path / "at once", images)
    at_once.add(digests)
    at_once.compare_all()
    wanted = at_once.groups()
    assert len(wanted) == 3
    for seed in range(3):
        random = np.random.default_rng(seed)
        library = Library(tmp_path / str(seed), images)
        rest = [digests[at] for at in random.permutation(len(digests))]
        first = int(random.integers(2, 12))
        library.add(rest[:first])
        library.compare_all()
        rest = rest[first:]
        while rest:
            size = int(random.integers(1, 6))
            new, rest = rest[:size], rest[size:]
            library.add(new)
            library.compare(new)
            # A file that was deleted and came back is compared again.
            library.compare([digests[int(random.integers(len(digests)))]] if not rest else new[:1])
        assert library.groups() == wanted, f"sequence {seed}"
        library.store.close()
    at_once.store.close()
