"""The user's own array as all of the features: no network is opened, looked for or named, and what cannot be joined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

import headstart
from headstart.backbones.feature_block import ARRAY, parse_features
from headstart.backbones.no_network import no_network
from headstart.cli.main import main
from headstart.data import ImageDataset, read_dataset
from headstart.errors import ArgumentError, InputError
from headstart.features.extract import extract_features
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.model import load_model
from headstart.results import RunResults
from headstart.study.search.toml import read_space
from headstart.study.table_block import block_spread
from headstart.workflow import curve, evaluate, fit
from headstart.workflow.explain import explain_files
from headstart.workflow.fit import estimate_fit
from headstart.workflow.options.data import DataSource
from headstart.workflow.options.search_space import search_space

N, WIDTH = 48, 6


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def array_of(names: list[str], *, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(len(names), WIDTH))
    values[:, :2] += 2.0 * np.array(["rough" in name for name in names])[:, None]
    return values


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    folder = helpers.write_folders(tmp_path_factory.mktemp("data") / "images", N)
    path = folder.parent / "shape.npy"
    np.save(path, array_of(names_in(folder)))
    return DataSource(str(folder), feature_array=str(path))


def options(**changes: Any) -> Any:
    return helpers.cheap_options(**{"backbone": None, "weights": None, "features": ARRAY, "baselines": True, **changes})


@pytest.fixture(scope="module")
def run(source: DataSource, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run on a machine that has no weights and may open no network."""
    with helpers.empty_figures(), pytest.MonkeyPatch.context() as patch:

        def refused(*given: Any, **named: Any) -> Any:
            raise AssertionError("a network was looked for")

        patch.setattr("headstart.backbones.backbone.load_backbone", refused)
        patch.setattr("headstart.backbones.backbone.build", refused)
        patch.setattr("headstart.backbones.weights.locate.find_local", refused)
        patch.setattr("headstart.workflow.options.search_space.find_local", refused)
        return fit(source, tmp_path_factory.mktemp("runs") / "run", options(explanations=True))


def test_a_run_opens_no_network_and_says_so(run: Any) -> None:
    results = RunResults.read(run.folder / "results.json")
    assert results.headline.text.startswith("An array of the user's own, no network. Balanced accuracy")
    assert (results.backbone.name, results.backbone.feature_width) == ("no network", 0)
    assert results.transfer is not None
    names = [one.name for one in results.transfer.baselines]
    assert "table" in names and "random_weights" not in names
    assert results.transfer.verdict is None
    assert results.transfer.text.startswith("No network takes part, so nothing was transferred and there is no verdict")
    assert results.audit.near_duplicates.features_of == "handcrafted descriptors"
    page = " ".join((run.folder / "report.html").read_text().split())
    assert (
        "In place of the features of a pretrained network [1] heads saw numbers that the user brought for every" in page
    )
    assert f"Heads saw an array of {WIDTH} numbers for each image, made by the user (shape), encoded within" in page
    assert "nothing of the pictures, so no place of an image has a share" in page
    for absent in (
        "Pretrained weights",
        "Weights from",
        "variance of the picture",
        "scaled on",
    ):
        assert absent not in page


def test_the_array_tells_the_classes_and_noise_does_not(run: Any, source: DataSource, tmp_path: Path) -> None:
    assert run.results.metrics["roc_auc"].value > 0.85
    names = names_in(Path(source.path))
    path = tmp_path / "noise.npy"
    np.save(path, np.random.default_rng(5).normal(size=(len(names), WIDTH)))
    with helpers.empty_figures():
        noise = fit(DataSource(source.path, feature_array=str(path)), tmp_path / "noise", options(baselines=False))
    low, high = noise.results.metrics["roc_auc"].ci95
    assert low <= 0.5 <= high


def test_the_bundle_has_no_tensor_of_a_network_and_predicts_from_numbers(
    run: Any, source: DataSource, tmp_path: Path
) -> None:
    assert (run.folder / "model" / "backbone.safetensors").stat().st_size < 100
    model = load_model(run.folder)
    assert model.backbone.is_absent
    names = names_in(Path(source.path))[:5]
    images = ImageDataset.from_files([str(Path(source.path) / name) for name in names])
    values = array_of(names, seed=7)
    found = list(model.predict_each(images.with_feature_array(values)))
    table = model.table.apply(images.with_feature_array(values).columns)
    expected = model.decisions.apply(model.head.predict_proba(table)).probabilities
    np.testing.assert_allclose([one.probabilities for one in found], expected, rtol=1e-12)
    other = ImageDataset.from_files([str(Path(source.path) / name) for name in reversed(names)])
    swapped = list(model.predict_each(other.with_feature_array(values)))
    assert [one.probabilities for one in swapped] == [one.probabilities for one in found], "pictures count for nothing"
    with pytest.raises(InputError, match="Give --feature-array FILE"):
        list(model.predict_each(images))
    new = str(_npy(tmp_path, values[:1]))
    with pytest.raises(InputError, match="takes an array of numbers and nothing of the pictures"):
        explain_files(run.folder, [str(Path(source.path) / names[0])], tmp_path / "ex", feature_array=new)


def _npy(folder: Path, values: np.ndarray) -> Path:
    path = folder / "new.npy"
    np.save(path, values)
    return path


def test_evaluate_predict_and_a_second_call_of_fit(run: Any, source: DataSource, tmp_path: Path) -> None:
    folder = helpers.write_folders(tmp_path / "other", 12, seed=9)
    path = _npy(tmp_path, array_of(names_in(folder), seed=3))
    found = evaluate(run.model(), DataSource(str(folder), feature_array=str(path)))
    assert found.metrics["roc_auc"].value > 0.8
    words = ["predict", run.folder, folder, "--feature-array", path]
    answered = CliRunner().invoke(main, [str(word) for word in words])
    assert answered.exit_code == 0 and answered.stdout.count(",ok,") == len(names_in(folder))
    assert fit(source, run.folder, options(explanations=True)).results == run.results


def test_ensembles_smote_halving_and_curves_work(source: DataSource, tmp_path: Path) -> None:
    more = options(baselines=False, ensemble=True, balance="smote")
    with helpers.empty_figures():
        made = fit(source, tmp_path / "run", more)
        drawn = curve(
            source, tmp_path / "curve", options(baselines=False, grid=None, study=None), sizes=4, repeats=2, folds=3
        )
    assert list(
        load_model(made.folder).predict_each(read_dataset(source.path).with_feature_array(source.feature_array))
    )
    assert drawn.results.source == "no network, array"
    plan = estimate_fit(source, tmp_path / "plan", options())
    assert plan["seconds"]["features"] == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": "array,multi"}, "open no network, and compete with no other source"),
        ({"backbone": "test_resnet"}, "--backbone with features array"),
        ({"weights": "random"}, "--weights with features array"),
        ({"augment": "flips"}, "--augment with features array"),
        ({"normalise": "training"}, "--normalise training with features array"),
        ({"precision": "bf16"}, "--precision with features array"),
        ({"engine": "torch"}, "--engine with features array"),
        ({"novelty": 0.1}, "--novelty with features array"),
        ({"strategy": "fine-tune"}, "--strategy fine-tune with features array"),
    ],
)
def test_what_needs_a_network_or_pictures_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        search_space(options(**changes))


def test_without_an_array_and_joined_it_is_refused(source: DataSource, tmp_path: Path) -> None:
    words = ["fit", source.path, "--features", "array", "-o", tmp_path / "run"]
    answered = CliRunner().invoke(main, [str(word) for word in words])
    assert answered.exit_code == 2
    assert "none is given. Add --feature-array FILE" in answered.stderr
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"Leave array out, or the others\."):
        parse_features("array+multi")
    with pytest.raises(ArgumentError, match=r"is for headstart\.fit"):
        headstart.TransferClassifier(features=ARRAY).fit(np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1])


def test_a_study_names_it(source: DataSource, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('[[source]]\nfeatures = ["array"]\n\n[[head]]\nkind = "logistic"\nC = [1.0]\n')
    space = search_space(options(study=path, grid=None, features=None))
    assert [one.features for one in space.sources] == [ARRAY]
    assert len(read_space(path).candidates()) == 1


def test_no_features_are_computed_without_reading_an_image() -> None:
    gone = ImageDataset.from_files(["nowhere/a.png", "nowhere/b.png"])
    extractor = open_extractor(ExtractionSettings(features=ARRAY, input_size=(64, 48)))
    assert extract_features(gone, extractor).shape == (2, 0)
    assert extractor.compute(np.zeros((3, 64, 48, 3), np.uint8)).shape == (3, 0)
    assert no_network(5).n_channels == 5


def test_alone_the_blocks_behind_are_weighed_by_their_own_number() -> None:
    assert block_spread([0], 60, 4).tolist() == [1.0] * 64
    assert block_spread([], 255, 1)[-1] == 4.0
