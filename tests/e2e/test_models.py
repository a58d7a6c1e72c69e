"""Models: switching to another embedder and back under the daemon, and the verbs for models."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgscore import paths
from imgscore.embedders import catalogue, lite0_spec, manifest, registry
from imgscore.embedders.manifest import FileFacts, Manifest
from imgscore.heads import files
from imgscore.store import heads, scores, sightings, vectors
from imgscore.store.store import Store
from imgscore.workers.context import Context
from imgscore.workers.messages import Rescore
from imgscore.workers.scoring import rescore
from tests.conftest import put
from tests.e2e.test_main_job import auc, move
from tests.support import uform_checkpoint
from tests.support.commands import Start, imgscore, newest_first
from tests.support.hub import serving

LITE0 = "efficientnet-lite0"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return uform_checkpoint.make(tmp_path_factory.mktemp("model") / "tiny")


def use(model: str | Path) -> dict[str, Any]:
    answer = imgscore("model", "use", model, "--json")
    assert answer.code == 0, answer.err
    return answer.row


def done(status: dict[str, Any]) -> int:
    """Number of 80 files that have a vector under the embedder in use."""
    progress = status["embedding_anew"]
    return 80 if progress is None else int(progress["done"])


def check_scores(inbox: Path, model: str) -> None:
    """Assert that each inbox file has the current head's score, from its vector of this model."""
    context = Context(paths.store_folder(), paths.heads_folder(), model, "cpu")
    with context.store, context.store.read() as txn:
        record = heads.current(txn, "default")
        assert record is not None and record.embedder == context.spec.id
        digests = [file.digest for file in sightings.iter_all(txn) if file.role == "inbox"]
        assert len(digests) == sum(file.is_file() for file in inbox.iterdir())
        assert all(vectors.contains(txn, context.spec.image_embedder, digest) for digest in digests)
        stored = {digest: scores.get(txn, "default", record.version, digest) for digest in digests}
        answers = rescore(context, Rescore("default", record.version, digests))
        packed_scores = b"".join(answer.scores for answer in answers)
        for at in range(0, len(packed_scores), 40):
            digest, score = packed_scores[at : at + 32], stored.pop(packed_scores[at : at + 32])
            assert score is not None, digest.hex()
            packed = scores.pack(digest, *score)
            assert np.allclose(
                np.frombuffer(packed[32:], "<f4"),
                np.frombuffer(packed_scores[at + 32 : at + 40], "<f4"),
                atol=1e-4,
            )
        assert not stored


def test_model_use_under_the_daemon_switches_and_back(
    inbox: Path, start: Start, tiny: Path
) -> None:
    uform = use(tiny)["embedder"]
    suns, texts = put(inbox, "sun", 100), put(inbox, "text", 100)
    daemon = start()
    move(suns[:10], inbox / "keep")
    move(texts[:10], inbox / "trash")
    status = daemon.settle()
    assert (status["embedder"], status["head"]) == (uform, "1")
    assert status["watches"][0]["scored"] == 180
    check_scores(inbox, str(tiny))
    order = newest_first(inbox)

    # Switch, and then add files and labels. The pause ends when the beginning was seen.
    assert imgscore("pause").code == 0
    assert use(LITE0)["embedder"] == lite0_spec.ID
    status = daemon.until(lambda status: status["embedding_anew"])
    assert status["embedder"] == lite0_spec.ID
    assert status["head"] == "1" and status["watches"][0]["scored"] == 180
    assert status["embedding_anew"]["total"] == 200
    assert newest_first(inbox) == order
    assert imgscore("resume").code == 0
    put(inbox, "sun", 5, first=500)
    put(inbox, "text", 5, first=500)
    move(suns[10:12], inbox / "keep")
    status = daemon.settle()
    assert (status["embedder"], status["head"]) == (lite0_spec.ID, "2")
    assert status["embedding_anew"] is None
    assert status["watches"][0]["scored"] == 188
    assert status["watches"][0]["labels"] == {"keep": 12, "trash": 10}
    assert auc(newest_first(inbox), "sun") > 0.95
    check_scores(inbox, LITE0)

    # Switch back: only the new files are embedded, and training uses the new labels.
    use(tiny)
    status = daemon.settle()
    assert (status["embedder"], status["head"]) == (uform, "3")
    assert status["watches"][0]["scored"] == 188
    assert status["watches"][0]["labels"] == {"keep": 12, "trash": 10}
    check_scores(inbox, str(tiny))
    with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
        counts = {name: usage.count for name, usage in vectors.embedders(txn).items()}
    assert counts == {uform: 210, lite0_spec.ID: 210}

    # All vectors exist now: the switch needs no worker.
    use(LITE0)
    status = daemon.until(
        lambda status: status["embedder"] == lite0_spec.ID and not status["pending"]
    )
    assert status["head"] == "2" and status["watches"][0]["scored"] == 188
    assert status["embedding_anew"] is None
    row = imgscore("score", inbox / "sun-500.png", "--json").row
    assert (row["embedder"], row["head"], row["error"]) == (lite0_spec.ID, "2", None)
    rows = {row["name"]: row for row in imgscore("model", "list", "--json").rows}
    assert rows[LITE0]["in_use"] and rows[LITE0]["vectors"] == 210


def test_reembedding_killed_goes_on_where_it_was(inbox: Path, start: Start, tiny: Path) -> None:
    suns, texts = put(inbox, "sun", 40), put(inbox, "text", 40)
    move(suns[:5], inbox / "keep")
    move(texts[:5], inbox / "trash")
    daemon = start()
    before = daemon.settle()
    use(tiny)
    killed_at = [0]
    for _ in range(2):
        status = daemon.until(lambda status: done(status) > killed_at[-1] or done(status) == 80)
        killed_at.append(done(status))
        daemon.kill()
        daemon = start()
    assert done(daemon.status()) >= killed_at[-1] > 0
    status = daemon.settle()
    assert status["head"] == "2" and status["embedder"] == registry.spec(str(tiny)).id
    assert status["watches"][0]["labels"] == before["watches"][0]["labels"]
    check_scores(inbox, str(tiny))


def test_model_use_unusable_model_is_refused(inbox: Path, start: Start, tmp_path: Path) -> None:
    daemon = start()
    before = daemon.settle()
    assert "imgscore model download uform3-small" in before["hint"]
    config = paths.config_file().read_text()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text(
        '{"image_encoder": {"embedding_dim": 4, "image_size": 8,'
        ' "normalization_means": [0, 0, 0], "normalization_deviations": [1, 1, 1]}}'
    )
    (broken / "image_encoder.onnx").write_bytes(b"no model")
    for model, code in ((broken, 1), ("uform3-base", 3), ("uform4", 3)):
        answer = imgscore("model", "use", model)
        assert answer.code == code and "what to do" in answer.err
    assert paths.config_file().read_text() == config
    assert daemon.settle()["embedder"] == before["embedder"]


def test_model_download_makes_the_model_usable(
    inbox: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = catalogue.UFORM["uform3-small"]
    with serving(tiny, entry.repository, entry.revision) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        answer = imgscore("model", "download", "uform3-small", "--json")
    assert answer.code == 0, answer.err
    assert answer.row["downloaded"] and answer.row["revision"] == entry.revision
    assert hub.agents and not any("torch" in agent for agent in hub.agents)  # no telemetry
    again = imgscore("model", "download", "uform3-small", "--json")  # without a hub
    assert again.code == 0 and not again.row["downloaded"]
    embedder = use("uform3-small")["embedder"]
    assert embedder.startswith("uform3-small-")
    put(inbox, "sun", 3)
    assert imgscore("scan").code == 0
    rows = {row["name"]: row for row in imgscore("model", "list", "--json").rows}
    assert rows["uform3-small"]["vectors"] == 3 and rows["uform3-small"]["in_use"]
    assert rows["uform3-small"]["embedder"] == embedder
    assert imgscore("status", "--json").row["hint"] is None


def test_daemon_damaged_model_fails_no_file(
    inbox: Path, start: Start, tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    weights = folder / "image_encoder.onnx"
    facts = FileFacts(weights.stat().st_size, manifest.sha256_of(weights))
    manifest.write(folder, Manifest("maker/model", "0" * 40, {weights.name: facts}))
    use(folder)
    good = weights.read_bytes()
    weights.write_bytes(good[:-1])
    put(inbox, "sun", 6)
    answer = imgscore("scan")
    assert answer.code and "damaged" in answer.err
    (row,) = [row for row in imgscore("doctor", "--json").rows if row["check"] == "device"]
    assert row["state"] == "problem" and "damaged" in row["detail"]
    daemon = start()
    status = daemon.until(lambda status: bool(status["troubles"]))
    assert "damaged" in status["troubles"][0] and not status["failed"]
    weights.write_bytes(good)
    daemon.stop()
    status = start().settle()
    assert status["watches"][0]["files"] == 6 and not status["failed"] + status["troubles"]


def test_daemon_missing_device_is_reported_once(inbox: Path, start: Start) -> None:
    config = paths.config_file()
    config.write_text('device = "directml"\n' + config.read_text())
    put(inbox, "sun", 6)
    daemon = start()
    status = daemon.settle()
    assert status["watches"][0]["files"] == 6 and not status["failed"]
    assert sum("DmlExecutionProvider" in problem for problem in status["troubles"]) == 1
    assert daemon.log_text.count("DmlExecutionProvider") == 1


def test_db_compact_drops_an_unused_embedder(inbox: Path, tiny: Path, tmp_path: Path) -> None:
    put(inbox, "sun", 6)
    assert imgscore("scan").code == 0
    use(tiny)
    assert imgscore("scan").code == 0
    answer = imgscore("db", "check", "--json")
    vector_count = {row["what"].split("-")[0]: row["entries"] for row in answer.rows}
    assert answer.code == 0, answer.out
    assert (vector_count["vectors of efficientnet"], vector_count["vectors of uform"]) == (6, 6)
    assert all(row["error"] is None for row in answer.rows)
    backup = imgscore("db", "backup", tmp_path / "backup", "--json").row
    assert backup["bytes"] > 0 and (tmp_path / "backup" / "data.mdb").exists()
    assert imgscore("db", "backup", tmp_path / "backup").code == 2
    for embedder, message in ((registry.spec(str(tiny)).id, "in use"), ("other", "no vectors of")):
        answer = imgscore("db", "compact", "--drop-embedder", embedder)
        assert answer.code == 2 and message in answer.err
    answer = imgscore("db", "compact", "--drop-embedder", lite0_spec.ID, "--json")
    assert answer.code == 0, answer.err
    assert answer.row["dropped"] == 6
    assert answer.row["after_bytes"] < answer.row["before_bytes"]
    # The rest is intact, and switching back embeds the images again.
    assert imgscore("db", "check").code == 0
    rows = {row["name"]: row["vectors"] for row in imgscore("model", "list", "--json").rows}
    assert rows[LITE0] == 0 and rows[str(tiny)] == 6
    use(LITE0)
    assert imgscore("scan").code == 0
    rows = {row["name"]: row["vectors"] for row in imgscore("model", "list", "--json").rows}
    assert rows[LITE0] == 6


def test_db_compact_under_a_daemon_keeps_the_file(inbox: Path, start: Start) -> None:
    start()
    answer = imgscore("db", "compact", "--json")
    assert answer.code == 0 and "imgscore stop" in answer.err
    assert answer.row["before_bytes"] == answer.row["after_bytes"]


def test_doctor_device_is_reported_with_its_reason(inbox: Path) -> None:
    (row,) = [row for row in imgscore("doctor", "--json").rows if row["check"] == "device"]
    assert row["state"] == "ok" and "CPU" in row["detail"]
    config = paths.config_file()
    config.write_text('device = "directml"\n' + config.read_text())
    (row,) = [row for row in imgscore("doctor", "--json").rows if row["check"] == "device"]
    assert row["state"] == "warning" and "onnxruntime-directml" in row["detail"]
    config.write_text('device = "abacus"\n' + config.read_text().partition("\n")[2])
    (row,) = [row for row in imgscore("doctor", "--json").rows if row["check"] == "device"]
    assert row["state"] == "problem"
    assert imgscore("scan").code == 3


@pytest.mark.parametrize("telling", [False, True])
def test_use_filename_auto_uses_names_only_if_they_tell(
    inbox: Path, start: Start, telling: bool
) -> None:
    """The names of subfolders count as well. No label decides whether names tell."""
    for kind, folder in (("sun", "beach"), ("text", "invoices")):
        for number, file in enumerate(put(inbox, kind, 16)):
            name = (
                f"{folder}/{folder} {number}.png" if telling else f"IMG_{len(kind)}{number:02}.png"
            )
            (inbox / name).parent.mkdir(exist_ok=True)
            file.rename(inbox / name)
    suns = sorted((inbox / "beach").iterdir()) if telling else sorted(inbox.glob("IMG_3*"))
    texts = sorted((inbox / "invoices").iterdir()) if telling else sorted(inbox.glob("IMG_4*"))
    move(suns[:6], inbox / "keep")
    move(texts[:6], inbox / "trash")
    daemon = start()
    status = daemon.settle()
    assert status["head"] == "1" and "+" not in status["embedder"]
    head = files.load(paths.head_file(paths.heads_folder(), "default", "1"))
    assert head.uses_names == telling
    scored = imgscore("score", suns[6], texts[6], "--json").rows
    assert scored[0]["score"] > 0.5 > scored[1]["score"]
    explained = imgscore("explain", suns[6], "--json").row
    assert explained["score"] == pytest.approx(scored[0]["score"], abs=1e-3)
    assert imgscore("evaluate").code == imgscore("next").code == 0
    if telling:
        # A file with another name gets another score.
        before = scored[0]["score"]
        (inbox / "beach" / suns[6].name).rename(inbox / "invoices" / "invoices 99.png")
        daemon.settle()
        renamed = imgscore("score", inbox / "invoices" / "invoices 99.png", "--json").row
        assert renamed["score"] < before


@pytest.mark.parametrize("uform", [False, True])
def test_use_filename_set_trains_on_names(
    inbox: Path, start: Start, tiny: Path, uform: bool
) -> None:
    """Images of one kind have two kinds of names. No image is embedded twice."""
    config = paths.config_file()
    model = f'model = "{tiny}"\n' if uform else ""
    settings = config.read_text().replace("[[watch]]\n", '[[watch]]\ngroups = "off"\n')
    config.write_text(f"{model}use_filename = true\n{settings}")
    suns = put(inbox, "sun", 60)
    names = ["beach holiday", "tax invoice"]
    named = [
        file.rename(file.with_name(f"{names[number % 2]} {number}.png"))
        for number, file in enumerate(suns)
    ]
    move(named[:20:2], inbox / "keep")
    move(named[1:20:2], inbox / "trash")
    daemon = start()
    status = daemon.settle()
    assert status["embedder"].endswith("+hashed-1") != uform
    assert status["head"] == "1" and status["watches"][0]["scored"] == 40
    auc_with_names = auc(newest_first(inbox), "beach")
    assert auc_with_names > (0.65 if uform else 0.9)  # the text encoder's weights are random
    # A name belongs to a file: a renamed file gets another score.
    before = imgscore("score", inbox / "tax invoice 31.png", "--json").row["score"]
    (inbox / "tax invoice 31.png").rename(inbox / "beach holiday.png")
    daemon.settle()
    assert imgscore("score", inbox / "beach holiday.png", "--json").row["score"] > before
    # Without names, on the same vectors: another head, for which names do not count.
    config.write_text(config.read_text().replace("use_filename = true", "use_filename = false"))
    daemon.ask("reload")
    without = status["embedder"].partition("+")[0]
    status = daemon.until(lambda status: status["embedder"] == without and not status["pending"])
    assert status["head"] == "2" and status["embedding_anew"] is None
    assert auc(newest_first(inbox), "beach") < auc_with_names
    with Store(paths.store_folder(), readonly=True) as store, store.read() as txn:
        assert {name: usage.count for name, usage in vectors.embedders(txn).items()} == {
            without: 60
        }


def test_daemon_new_embedder_version_embeds_all_again(
    inbox: Path, start: Start, tmp_path: Path
) -> None:
    """A new version has a new id. The old head stays until all is embedded; the labels stay."""
    older = tmp_path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text(
        "from imgscore.embedders import lite0_spec\nlite0_spec.ID = 'efficientnet-lite0-older'\n"
    )
    suns, texts = put(inbox, "sun", 20), put(inbox, "text", 20)
    daemon = start(PYTHONPATH=str(older))
    move(suns[:5], inbox / "keep")
    move(texts[:5], inbox / "trash")
    status = daemon.settle()
    assert (status["embedder"], status["head"]) == ("efficientnet-lite0-older", "1")
    assert daemon.stop() == 0

    daemon = start()
    status = daemon.settle()
    assert (status["embedder"], status["head"]) == (lite0_spec.ID, "2")
    assert status["watches"][0]["scored"] == 30
    assert status["watches"][0]["labels"] == {"keep": 5, "trash": 5}
    assert auc(newest_first(inbox), "sun") > 0.95
    check_scores(inbox, LITE0)
