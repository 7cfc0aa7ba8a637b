"""`--normalise training`: fitted in every fold, never on a test row, in run, bundle and prediction."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from safetensors.torch import save_file

import headstart
from headstart.backbones.build import build
from headstart.backbones.registry import find_entry
from headstart.data import ImageDataset, ImageResize
from headstart.data.channel_normalisation import FittedChannelNormalisation
from headstart.data.preparation import learned, restore_preparation
from headstart.errors import ArgumentError, BundleError
from headstart.features.pipeline import stream_views
from headstart.model import Model, load_model
from headstart.report.context import ReportContext
from headstart.report.sections.methods import methods_text
from headstart.results.read import read_run
from headstart.storage import hash_file, hash_json, json_bytes
from headstart.study.features import FeatureSet, FittedFeatures
from headstart.study.folds import OuterFold
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space
from headstart.workflow import fit
from headstart.workflow.fit import estimate_fit
from headstart.workflow.job import fold_extractors
from headstart.workflow.options.learning_curve import CurveOptions

LOGISTIC = (HeadTable.of("logistic", {"C": [0.1, 1.0]}),)
CHEAP = Space((FeatureSourceSpec(),), LOGISTIC)
TWO_SOURCES = Space((FeatureSourceSpec(helpers.BACKBONE), FeatureSourceSpec("test_vit")), LOGISTIC)
TUNED: dict[str, Any] = {
    "strategy": "fine-tune",
    "unlock": 1,
    "fine_tuning": {"epochs": 1, "warmup_epochs": 0, "batch_size": 8},
}


class NoEffect(FittedChannelNormalisation):
    """Mean 0, spread 1: pixels as they are, as floats."""

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        return pixels.astype(np.float32)


class Remembers:
    """Fitted by remembering the rows that it was shown."""

    def __init__(self, base: ImageResize, shown: list[np.ndarray]) -> None:
        self.base, self.shown = base, shown

    def fit(self, dataset: ImageDataset, rows: np.ndarray) -> NoEffect:
        self.shown.append(rows)
        remembered = np.array([rows.sum(), len(rows), rows.max()], dtype=np.float64)
        return NoEffect(self.base, (0.5,) * 3, (0.5,) * 3, remembered, np.ones(3), len(rows))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return helpers.write_folders(tmp_path_factory.mktemp("data"), 48)


@pytest.fixture(autouse=True)
def plain_reports() -> Iterator[None]:
    with helpers.no_figures():
        yield


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Rows that a preparation of no effect was fitted on; it takes the place of the channels' normalisation."""
    rows: list[np.ndarray] = []

    def toy(source: Any, *_: Any) -> Remembers:
        return Remembers(source.extractor.preparation, rows)

    monkeypatch.setattr(fold_extractors, "fittable_preparation", toy)
    return rows


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[OuterFold, np.ndarray]]:
    """Every fold whose features were taken, with the rows that these were fitted on."""
    found: list[tuple[OuterFold, np.ndarray]] = []
    plain = FittedFeatures.of

    def noted(self: FittedFeatures, fold: OuterFold) -> FeatureSet:
        found.append((fold, self._rows_of(fold)))
        return plain(self, fold)

    monkeypatch.setattr(FittedFeatures, "of", noted)
    return found


@pytest.mark.usefixtures("shown")
def test_a_preparation_of_no_effect_gives_the_bytes_of_none(folders: Path, tmp_path: Path) -> None:
    views = {"study": CHEAP, "augment": "none,flips", "views": 2, "tta": True}
    plain = fit(folders, tmp_path / "plain", helpers.options(**views))
    fitted = fit(folders, tmp_path / "fitted", helpers.options(normalise="training", **views))
    for name in ("predictions.csv", "split.json", "model/head.safetensors"):
        assert (fitted.folder / name).read_bytes() == (plain.folder / name).read_bytes()
    for name in ("repeat0-fold0.safetensors", "repeat0-fold2.safetensors"):
        assert (fitted.folder / "folds" / name).read_bytes() == (plain.folder / "folds" / name).read_bytes()


def test_no_strategy_fits_on_a_test_row(
    tmp_path: Path, shown: list[np.ndarray], taken: list[tuple[OuterFold, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[OuterFold, Any]] = []
    plain = fold_extractors.FoldExtractors.extractor

    def noted(self: Any, fold: OuterFold, source: int) -> Any:
        found = plain(self, fold, source)
        opened.append((fold, found.preparation))
        return found

    monkeypatch.setattr(fold_extractors.FoldExtractors, "extractor", noted)
    images, labels = helpers.noise(48, seed=1, spread=(20, 40)), helpers.labels_of(48)
    dataset = ImageDataset.from_arrays(images, labels=labels, groups=[f"g{row // 4}" for row in range(48)])
    options = helpers.options(
        backbone=None, study=TWO_SOURCES, normalise="training", leakage_tax=True, augment="flips", views=2, **TUNED
    )
    run = fit(dataset, tmp_path / "run", options)
    keys = {fold.key for fold, _ in taken}
    assert keys == {"repeat0-fold0", "repeat0-fold1", "repeat0-fold2", "final"}
    assert len({rows.tobytes() for _, rows in taken}) > 4  # the folds that ignore groups are others
    for fold, rows in taken:
        assert rows.tolist() == fold.train.tolist()
        assert not np.intersect1d(rows, fold.test).size
    assert {fold.key for fold, _ in opened} == keys  # stage maps, of every fold and of the final model
    for fold, preparation in opened:
        assert preparation.mean.tolist() == [fold.train.sum(), len(fold.train), fold.train.max()]
    assert {rows.tobytes() for rows in shown} == {rows.tobytes() for _, rows in taken}
    assert run.results.task.n_images == 48


@pytest.mark.usefixtures("shown")
def test_a_learning_curve_is_fitted_on_the_training_fold_of_every_subset(
    tmp_path: Path, taken: list[tuple[OuterFold, np.ndarray]]
) -> None:
    images = helpers.noise(120, seed=1, spread=(10, 60))
    dataset = ImageDataset.from_arrays(images, labels=helpers.labels_of(120))
    requested = CurveOptions(sizes=4, repeats=2, folds=2)
    headstart.curve(dataset, tmp_path / "curve", helpers.options(study=None, normalise="training"), requested)
    assert len({rows.tobytes() for _, rows in taken}) == 4
    for fold, rows in taken:
        assert not np.intersect1d(rows, fold.test).size
        assert len(rows) + len(fold.test) == 120


def test_test_images_change_nothing_that_their_fold_learned(tmp_path: Path) -> None:
    images, labels = helpers.noise(48, seed=2), helpers.labels_of(48)
    folds = [row // 2 % 3 for row in range(48)]
    changed = images.copy()
    changed[[fold == 0 for fold in folds]] = 255 - changed[[fold == 0 for fold in folds]] // 3
    states, heads = [], []
    for name, pixels in (("one", images), ("other", changed)):
        dataset = ImageDataset.from_arrays(pixels, labels=labels, folds=folds)
        run = fit(dataset, tmp_path / name, helpers.options(normalise="training", study=CHEAP))
        entries = json.loads((run.folder / "folds" / "heads.json").read_text())["heads"]
        states.append([entry["source"]["preparation_state"] for entry in entries])
        heads.append([(run.folder / "folds" / entry["file"]).read_bytes() for entry in entries])
    assert states[0][0] == states[1][0]
    arrays = {key: np.array(values) for key, values in states[0][0].items()}
    again = restore_preparation(entries[0]["source"]["preparation"], arrays)  # whoever predicts with a fold's head
    assert learned(again)["mean"].tolist() == states[0][0]["mean"]
    assert heads[0][0] == heads[1][0]
    assert states[0][1] != states[1][1]


@pytest.fixture(scope="module")
def run(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> headstart.Run:
    with helpers.no_figures():
        return fit(folders, tmp_path_factory.mktemp("runs") / "run", helpers.options(normalise="training", study=CHEAP))


def test_the_bundle_normalises_as_all_images_say(run: headstart.Run, folders: Path) -> None:
    model = load_model(run.folder)
    found = run.results.backbone.training_normalisation
    assert isinstance(model.preparation, FittedChannelNormalisation)
    assert found is not None
    assert found.n_images == model.preparation.n_images == 48
    np.testing.assert_allclose(np.multiply(found.mean, 255), model.preparation.mean)
    base = model.preparation.base
    paths = sorted(folders.rglob("*.png"))
    pixels = np.stack([base.read(path.read_bytes(), path.name) for path in paths]).reshape(-1, 3)
    np.testing.assert_allclose(model.preparation.mean, pixels.mean(axis=0))
    again = load_model(run.folder).predict_proba(paths[:3])
    assert again.tobytes() == model.predict_proba(paths[:3]).tobytes()


def test_an_interrupted_run_goes_on_with_the_same_results(
    run: headstart.Run, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def stop(*_: Any, **__: Any) -> None:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["headstart.workflow.fit"], "run_study", stop)
        with pytest.raises(StoppedError):
            fit(folders, tmp_path / "run", helpers.options(normalise="training", study=CHEAP))
    with monkeypatch.context() as patch:
        extracted: list[int] = []

        def noted(dataset: Any, *rest: Any) -> Any:
            extracted.append(len(dataset))
            return stream_views(dataset, *rest)

        patch.setattr("headstart.features.extract.stream_views", noted)
        again = fit(folders, tmp_path / "run", helpers.options(normalise="training", study=CHEAP))
    assert set(extracted) <= {4}  # features are in the cache; the model tries some images one by one
    for name in ("predictions.csv", "results.json", "folds/heads.json"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes()


def rewritten(folder: Path, change: Any) -> None:
    """A bundle with another description, signed as if it had been written so."""
    description = json.loads((folder / "model.json").read_text())
    change(description)
    (folder / "model.json").write_bytes(json_bytes(description))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.pop("sha256")
    manifest["files"] = {name: hash_file(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_bytes(json_bytes({**manifest, "sha256": hash_json(manifest)}))


@pytest.mark.parametrize(
    ("entry", "value", "reason"),
    [
        ("name", "wavelets", "Unknown preparation 'wavelets'.*newer headstart"),
        ("version", 99, "rules 99.*Install a newer headstart"),
        ("target", None, "normalisation of the channels is damaged"),
    ],
)
def test_a_bundle_whose_preparation_is_unknown_newer_or_damaged_is_refused(
    run: headstart.Run, tmp_path: Path, entry: str, value: Any, reason: str
) -> None:
    model: Model = load_model(run.folder)
    model.save(tmp_path / "model")
    rewritten(tmp_path / "model", lambda description: description["preparation"].update({entry: value}))
    with pytest.raises(BundleError, match=reason):
        load_model(tmp_path / "model")


def test_the_estimate_counts_an_extraction_for_every_fold(folders: Path, tmp_path: Path) -> None:
    notes = helpers.Notes()
    found = estimate_fit(folders, tmp_path / "run", helpers.options(normalise="training"), progress=notes)
    assert found["extractions"] == 4
    assert found["sources"]["test_resnet"]["features_in_cache"] == 0
    assert not (tmp_path / "run").exists()


def test_the_methods_say_how_channels_were_normalised(run: headstart.Run) -> None:
    words = methods_text(ReportContext(read_run(run.folder)))
    assert "were computed in every outer fold for every image" in words
    assert "taken anew in every outer fold, from its training images alone" in words
    assert "from 48 images: mean 0.500 in each channel, standard deviation 0.066, 0.065 and 0.066" in words


def test_random_weights_are_judged_on_what_the_run_shows_its_own(
    folders: Path, tmp_path: Path, taken: list[tuple[OuterFold, np.ndarray]]
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(build(find_entry(helpers.BACKBONE), seed=5).state_dict(), path)
    notes, titles = helpers.Notes(), []
    silent = notes.task

    def noted(title: str, *about: Any) -> Any:
        titles.append(title)
        return silent(title, *about)

    notes.task = noted
    options = helpers.options(weights=str(path), normalise="training", study=CHEAP, baselines=True)
    run = fit(folders, tmp_path / "run", options, progress=notes)
    assert run.results.transfer is not None
    assert "random_weights" in [one.name for one in run.results.transfer.baselines]
    of_folds = [title for title in titles if title.startswith("Features (test_resnet, ")]
    assert len(of_folds) == 4 + 3  # the run's, with the final model; those of random weights in the outer folds
    for fold, rows in taken:
        assert rows.tolist() == fold.train.tolist()


def test_a_constant_channel_is_told(tmp_path: Path) -> None:
    images = helpers.noise(48, seed=3)
    images[..., 2] = 90
    dataset = ImageDataset.from_arrays(images, labels=helpers.labels_of(48))
    found = fit(dataset, tmp_path / "run", helpers.options(normalise="training", study=CHEAP))
    assert any("the same value in blue: there it is shifted" in warning for warning in found.results.warnings)


def test_an_estimator_normalises_by_the_images_it_is_fitted_on(tmp_path: Path) -> None:
    from headstart import FrozenFeatures, TransferClassifier

    images = helpers.noise(16, seed=4)
    about = {"weights": "random", "input_size": helpers.SIDE, "threads": 1}
    features = FrozenFeatures(helpers.BACKBONE, normalise="training", **about).fit(images[:10])
    preparation = features.preparation_
    assert isinstance(preparation, FittedChannelNormalisation)
    dataset = ImageDataset.from_arrays(images)
    pixels = np.stack([dataset.prepared(row, preparation.base) for row in range(10)]).reshape(-1, 3)
    np.testing.assert_allclose(preparation.mean, pixels.mean(axis=0))
    plain = FrozenFeatures(helpers.BACKBONE, **about).fit(images[:10])
    assert not np.allclose(features.transform(images), plain.transform(images))
    classifier = TransferClassifier(helpers.BACKBONE, normalise="training", **about)
    classifier.fit(images, helpers.labels_of(16)).to_model().save(tmp_path / "model")
    again = load_model(tmp_path / "model").predict_proba(images)
    assert again.tobytes() == classifier.predict_proba(images).tobytes()
    with pytest.raises(ArgumentError, match="Did you mean 'training'"):
        FrozenFeatures(normalise="trainin").fit(images)
