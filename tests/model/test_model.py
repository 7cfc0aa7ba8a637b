"""The bundle: the same bytes of probabilities anywhere, every changed byte refused by the file's name."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import warm
from PIL import Image
from safetensors.numpy import load_file

from headstart import ImageDataset, load_model
from headstart.backbones.build import build, pixels_of
from headstart.backbones.registry import find_entry
from headstart.errors import BundleError, ImageError, InputError, StorageError
from headstart.features.extract import extract_features
from headstart.heads import HeadSpec, fit_heads
from headstart.model import BUNDLE_FORMAT, Model
from headstart.storage import hash_file, hash_json

FILES = ("manifest.json", "model.json", "backbone.safetensors", "head.safetensors")


@pytest.fixture(scope="module")
def model() -> Model:
    extractor = helpers.extractor()
    dataset = ImageDataset.from_arrays(helpers.noise(30))
    features = extract_features(dataset, extractor)
    (head,) = fit_heads([HeadSpec("logistic")], features, np.arange(30) % 2, n_classes=2, seed=0)
    facts = {"headline": {"text": "x"}}
    return Model(extractor.backbone, extractor.preparation, extractor.engine, head, helpers.CLASSES, facts)


@pytest.fixture(scope="module")
def saved(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    model.save(folder)
    return folder


@pytest.fixture
def bundle(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [
        helpers.write_image(tmp_path / f"{row:02d}.png", pixels) for row, pixels in enumerate(helpers.noise(20, seed=5))
    ]


# Sameness -------------------------------------------------------------------------------------------------------------

FRESH = """
import sys
from headstart import load_model
model = load_model(sys.argv[1])
print(model.predict_proba(sys.argv[2:]).tobytes().hex())
"""


def test_a_process_that_never_saw_the_data_gives_the_same_bytes(model: Model, bundle: Path, paths: list[Path]) -> None:
    expected = model.predict_proba(paths)
    assert len(np.unique(expected[:, 0])) == 20
    found = warm.run(FRESH, bundle, *paths)
    assert found.returncode == 0, found.stderr
    assert bytes.fromhex(found.stdout) == expected.tobytes()


def test_equal_to_the_head_on_cached_features(run: Any, folders: Path) -> None:
    """The bundle of a run predicts its own images as its final head and its decisions do on the run's features."""
    dataset = ImageDataset.from_folder(folders)
    fitted = run.model()
    features = extract_features(dataset, helpers.extractor("multi"))
    expected = fitted.decisions.apply(fitted.head.predict_proba(features)).probabilities
    assert fitted.predict_proba(dataset).tobytes() == expected.tobytes()


def test_company_and_order_are_of_no_account(model: Model, paths: list[Path]) -> None:
    together = model.predict_proba(paths)
    assert model.predict_proba(paths[::-1]).tobytes() == np.ascontiguousarray(together[::-1]).tobytes()
    assert model.predict_proba(paths[13:14]).tobytes() == together[13:14].tobytes()


def test_everything_comes_back(model: Model, bundle: Path) -> None:
    loaded = load_model(bundle)
    assert loaded.classes == model.classes
    assert loaded.preparation == model.preparation
    assert loaded.engine == model.engine
    assert loaded.head.spec == model.head.spec
    assert loaded.facts == model.facts
    assert loaded.backbone.weights == model.backbone.weights
    assert loaded.backbone.tensors_sha256 == model.backbone.tensors_sha256


def test_saved_twice_gives_the_same_bytes(model: Model, bundle: Path, tmp_path: Path) -> None:
    load_model(bundle).save(tmp_path / "again")
    assert helpers.tree(tmp_path / "again") == helpers.tree(bundle)


def test_bundle_says_whether_it_holds_training_features(model: Model, tmp_path: Path) -> None:
    features = extract_features(ImageDataset.from_arrays(helpers.noise(30)), helpers.extractor())
    (knn,) = fit_heads([HeadSpec("knn", {"k": 3})], features, np.arange(30) % 2, n_classes=2, seed=0)
    replace(model, head=knn).save(tmp_path / "knn")
    assert json.loads((tmp_path / "knn" / "model.json").read_text())["holds_training_features"] is True
    assert load_model(tmp_path / "knn").head.holds_training_features
    assert not model.head.holds_training_features


def test_bundle_of_a_run_holds_its_honest_scores_and_no_pickle(run: Any) -> None:
    facts = run.model().facts
    assert facts["metrics"] == run.results.to_json()["metrics"]
    assert facts["data_sha256"] == run.results.task.data_sha256
    assert {path.suffix for path in (run.folder / "model").iterdir()} == {".json", ".safetensors"}


# Damage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_every_changed_byte_is_refused_by_the_name_of_its_file(name: str, bundle: Path) -> None:
    content = (bundle / name).read_bytes()
    step = 1 if name == "manifest.json" else max(1, len(content) // 40)
    for place in [*range(0, len(content), step), len(content) - 1]:
        for flip in (1, 32):
            changed = bytearray(content)
            changed[place] ^= flip
            (bundle / name).write_bytes(changed)
            with pytest.raises(BundleError, match=name):
                load_model(bundle)


@pytest.mark.parametrize("name", FILES)
def test_truncated_emptied_and_grown_files_are_refused(name: str, bundle: Path) -> None:
    content = (bundle / name).read_bytes()
    for changed in (content[:-1], b"", content + b"\n", content + b" ", content.replace(b" ", b"\t", 1)):
        (bundle / name).write_bytes(changed)
        with pytest.raises(BundleError, match=name):
            load_model(bundle)


@pytest.mark.parametrize("name", FILES)
def test_missing_files_are_refused(name: str, bundle: Path) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"{name}.*missing"):
        load_model(bundle)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no model"):
        load_model(tmp_path / "nowhere")


def test_newer_format_is_refused_with_the_version_that_wrote_it(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    newer = {**manifest, "format": BUNDLE_FORMAT + 1, "headstart": "9.1"}
    (bundle / "manifest.json").write_text(json.dumps(newer))
    with pytest.raises(BundleError, match=r"manifest\.json: made by headstart 9\.1.*Install a newer headstart"):
        load_model(bundle)


def resign(bundle: Path) -> None:
    """Hashes as a program that rewrites a bundle would leave them."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"] = {name: hash_file(bundle / name) for name in FILES[1:]}
    del manifest["sha256"]
    text = json.dumps({**manifest, "sha256": hash_json(manifest)}, indent=1, sort_keys=True)
    (bundle / "manifest.json").write_text(text + "\n")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("backbone", "name"), "no_such_network"),
        (("backbone", "name"), "test_vit"),
        (("head", "kind"), "forest"),
        (("preparation", "decoder"), 99),
        (("preparation", "resize"), "stretch"),
        (("engine", "batch_size"), "many"),
        (("classes",), ["one"]),
        (("classes",), 3),
        (("facts",), None),
        (("engine",), None),
    ],
)
def test_rewritten_descriptions_that_do_not_fit_are_refused(
    where: tuple[str, ...], value: object, bundle: Path
) -> None:
    description = json.loads((bundle / "model.json").read_text())
    inside = description
    for name in where[:-1]:
        inside = inside[name]
    inside[where[-1]] = value
    (bundle / "model.json").write_text(json.dumps(description))
    resign(bundle)
    with pytest.raises(BundleError, match=r"model\.json: cannot be understood"):
        load_model(bundle)


def test_rewritten_tensors_that_do_not_fit_are_refused(bundle: Path) -> None:
    for name in ("head.safetensors", "backbone.safetensors"):
        content = (bundle / name).read_bytes()
        (bundle / name).write_bytes(b"not tensors")
        resign(bundle)
        with pytest.raises(BundleError, match="cannot be understood"):
            load_model(bundle)
        (bundle / name).write_bytes(content)


def test_a_half_written_bundle_is_no_bundle(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    plain, calls = os.replace, []

    def full(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(*args)

    monkeypatch.setattr("headstart.storage.os.replace", full)
    with pytest.raises(StorageError, match=r"head\.safetensors: the disk is full"):
        model.save(tmp_path / "half")
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        load_model(tmp_path / "half")


# Predicting -----------------------------------------------------------------------------------------------------------


def test_bad_files_stop_nothing_and_are_named(model: Model, paths: list[Path]) -> None:
    expected = model.predict_proba(paths)
    paths[3].write_bytes(paths[3].read_bytes()[:70])
    paths[17].unlink()
    found = list(model.predict_each(ImageDataset.from_files(paths)))
    assert [prediction.image for prediction in found] == [path.as_posix() for path in paths]
    assert [row for row, prediction in enumerate(found) if prediction.error] == [3, 17]
    assert found[17].error == "no such file"
    assert found[17].predicted is None
    for row in set(range(20)) - {3, 17}:
        assert found[row].probabilities == tuple(expected[row].tolist())
        assert found[row].predicted == model.classes[int(expected[row].argmax())]


def test_all_at_once_raises_for_a_bad_file(model: Model, paths: list[Path]) -> None:
    paths[2].write_text("text")
    with pytest.raises(ImageError, match=r"02\.png"):
        model.predict_proba(paths)


def test_arrays_paths_and_data_sets_agree(model: Model, paths: list[Path]) -> None:
    images = helpers.noise(20, seed=5)
    expected = model.predict_proba(paths)
    assert np.array_equal(np.asarray(Image.open(paths[0])), images[0])
    assert model.predict_proba(images).tobytes() == expected.tobytes()
    assert model.predict_proba(ImageDataset.from_arrays(images)).tobytes() == expected.tobytes()
    assert model.predict(images).tolist() == [model.classes[code] for code in expected.argmax(axis=1)]


def test_no_images_give_an_empty_table(model: Model) -> None:
    assert model.predict_proba([]).shape == (0, 2)
    assert model.predict([]).shape == (0,)


def test_device_of_the_bundle_or_the_cpu(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    replace(model, engine=replace(model.engine, device="cuda")).save(tmp_path / "gpu")
    assert load_model(tmp_path / "gpu").engine.device == "cpu"
    with pytest.raises(InputError, match="Device 'cuda' is not available"):
        load_model(tmp_path / "gpu", device="cuda")


def test_normalisation_is_that_of_the_bundle(bundle: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later library may state other values for the same name; a model goes on with those it was trained with."""
    later = replace(pixels_of(find_entry(helpers.BACKBONE), build(find_entry(helpers.BACKBONE))), mean=(0.0, 0.0, 0.0))
    monkeypatch.setattr("headstart.backbones.backbone.pixels_of", lambda *_: later)
    loaded = load_model(bundle).backbone
    assert (loaded.mean, loaded.std) == (model.backbone.mean, model.backbone.std)


def test_backbone_of_the_bundle_is_read_from_the_bundle_alone(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: Any, **options: Any) -> None:
        pytest.fail("looked for weights")

    monkeypatch.setattr("headstart.backbones.backbone.load_into", nowhere)
    stored = load_file(bundle / "backbone.safetensors")
    for name, tensor in load_model(bundle).backbone.state().items():
        assert np.array_equal(tensor.numpy(), stored[name])
