"""`--features`: blocks of several stages in search, run, bundle, prediction, report and the scikit-learn face."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest

import headstart
from headstart import FrozenFeatures, TransferClassifier
from headstart.augment import views
from headstart.backbones.feature_block import LAST, default_features
from headstart.data import ImageDataset
from headstart.data.readers.folder.walk import list_images
from headstart.errors import ArgumentError, BundleError, HeadstartError, InputError
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.model import load_model
from headstart.report.context import ReportContext
from headstart.report.sections.methods import methods_text
from headstart.results.candidates_table import read_candidates
from headstart.results.read import read_run
from headstart.storage import hash_file, hash_json, json_bytes
from headstart.study.data import StudyData
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space
from headstart.study.search.toml import read_space
from headstart.study.table_block import block_spread
from headstart.workflow import fit
from headstart.workflow.fit import estimate_fit
from headstart.workflow.options.search_space import search_space

CHEAP = Space((FeatureSourceSpec(),), (HeadTable.of("logistic", {"C": [0.1, 1.0]}),))
MULTI = [f"layer{number}:{pooling}" for number in (2, 3, 4) for pooling in ("mean", "max")]


@pytest.fixture(autouse=True)
def plain_reports() -> Iterator[None]:
    with helpers.no_figures():
        yield


def options(**changes: Any) -> Any:
    return helpers.options(**({"study": CHEAP} | changes))


@pytest.fixture(scope="module")
def run_of(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Finished runs by their features, each made once."""
    root, made = tmp_path_factory.mktemp("runs"), {}

    def of(features: str | None) -> Path:
        if features not in made:
            path = root / f"run{len(made)}"
            with helpers.no_figures():
                fit(folders, path, options(features=features))
            made[features] = path
        return made[features]

    return of


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of images in every forward pass of a network."""
    counts: list[int] = []
    plain = Extractor.compute

    def counted(self: Extractor, pixels: np.ndarray) -> np.ndarray:
        counts.append(len(pixels))
        return plain(self, pixels)

    monkeypatch.setattr(Extractor, "compute", counted)
    monkeypatch.setattr("headstart.workflow.job.time_estimate.seconds_per_image", lambda extractor: 0.01)
    return counts


def results(run: Path) -> Any:
    return json.loads((run / "results.json").read_text(encoding="utf-8"))


# A run ----------------------------------------------------------------------------------------------------------------


def test_several_stages_are_the_default(run_of: Any) -> None:
    for name in ("results.json", "predictions.csv", "candidates.parquet", "model/model.json", "model/manifest.json"):
        assert (run_of("multi") / name).read_bytes() == (run_of(None) / name).read_bytes(), name


def test_the_last_stage_alone_is_what_bundles_without_blocks_hold(run_of: Any) -> None:
    assert "features" not in results(run_of("last"))["backbone"]
    assert json.loads((run_of("last") / "model" / "manifest.json").read_text())["format"] == 4


def test_the_old_dense_layers_by_name_are_all_that_is_looked_at() -> None:
    (source,) = search_space(options(backbone="vgg19:fc")).sources
    assert (source.features, default_features(source.backbone)) == (None, "last")
    (several,) = search_space(options(backbone="vgg19:fc", features="multi")).sources
    assert several.features == "multi"


def test_features_left_open_beside_others_are_named(tmp_path: Path) -> None:
    open_or_last = (FeatureSourceSpec(), FeatureSourceSpec(features="last"))
    space = search_space(options(study=Space(open_or_last, CHEAP.tables), backbone=None))
    assert [source.features for source in space.sources] == ["multi", "last"]
    twice = Space((FeatureSourceSpec(), FeatureSourceSpec(features="multi")), CHEAP.tables)
    with pytest.raises(InputError, match="twice"):
        search_space(options(study=twice, backbone=None))


def test_a_run_tells_of_its_blocks(run_of: Any) -> None:
    found = results(run_of("multi"))
    (source,) = found["sources"]
    assert source["label"] == "test_resnet"
    assert source["features"] == found["backbone"]["features"]
    assert [block["name"] for block in source["features"]["blocks"]] == MULTI
    assert (source["features"]["requested"], source["features"]["n_views"]) == ("multi", 1)
    assert source["feature_width"] == sum(block["n_features"] for block in source["features"]["blocks"]) == 672
    context = ReportContext(read_run(run_of("multi")))
    assert "and 672 features (mean and max of layer2, layer3 and layer4) were computed once" in methods_text(context)
    mixed = methods_text(ReportContext(read_run(run_of("layer2:rows+descriptors"))))
    assert "468 features (row means of layer2 and 276 handcrafted descriptors)" in mixed
    best = methods_text(ReportContext(read_run(run_of("best"))))
    assert "672 features (mean and max of layer2, layer3 and layer4, each the mean over 8 views of the image)" in best


@pytest.mark.parametrize("features", ["multi", "best", "layer2:rows+descriptors"])
def test_the_bundle_computes_the_features_of_the_run(
    features: str, run_of: Any, folders: Path, passes: list[int]
) -> None:
    model = load_model(run_of(features))
    passes.clear()
    dataset = ImageDataset.from_files([str(folders / name) for name in list_images(folders)])
    found = np.array([one.probabilities for one in model.predict_each(dataset)])
    n_views = 8 if features == "best" else 1
    assert sum(passes) == len(dataset) * n_views
    expected = model.head.predict_proba(extract_features(dataset, model.extractor))
    np.testing.assert_array_equal(found, expected)
    assert json.loads((run_of(features) / "model" / "manifest.json").read_text())["format"] == 6
    one, whole = dataset.subset([5]), model.on_machine(batch_size=model.engine.batch_size)
    np.testing.assert_array_equal(whole.predict_proba(one), found[5:6])
    assert model.batch_of_one is not None
    np.testing.assert_allclose(model.predict_proba(one), found[5:6], rtol=0, atol=model.batch_of_one.tolerance)


def test_features_that_compete_come_of_one_pass(folders: Path, tmp_path: Path, passes: list[int]) -> None:
    fit(folders, tmp_path / "run", options(features="last,multi,layer2:mean", cache=str(tmp_path / "cache")))
    assert sum(size for size in passes if size > 1) == 48  # the model measures some images one by one, too
    found = results(tmp_path / "run")
    assert [source["label"] for source in found["sources"]] == [
        f"test_resnet, {text}" for text in ("last", "multi", "layer2:mean")
    ]
    assert sum(source["times_chosen"] for source in found["sources"]) == 3
    table = read_candidates(tmp_path / "run" / "candidates.parquet")
    assert set(table.columns["features"]) == {"last", "multi", "layer2:mean"}
    passes.clear()
    fit(folders, tmp_path / "later", options(features="layer1:max+stem:mean", cache=str(tmp_path / "cache")))
    assert set(passes) <= {1}
    load_model(tmp_path / "run").predict_proba(np.zeros((1, 8, 8, 3), dtype=np.uint8))


def test_a_study_names_features_that_compete(tmp_path: Path) -> None:
    path = helpers.write_text(
        tmp_path / "study.toml", 'grid = "quick"\n[[source]]\nfeatures = ["last", "multi", "4:rows+last"]\n'
    )
    assert [source.features for source in read_space(path).sources] == ["last", "multi", "4:rows+last"]
    helpers.write_text(path, 'grid = "quick"\n[[source]]\nfeatures = ["last", "layer2:meen"]\n')
    with pytest.raises(InputError, match=r"study.toml: \[\[source\]\] number 1: Unknown pooling 'meen'"):
        read_space(path)
    named = Space((FeatureSourceSpec(features="multi"),), CHEAP.tables, name="mine.toml")
    with pytest.raises(InputError, match=r"--features best, but mine.toml names features itself \(multi\)"):
        search_space(options(study=named, features="best"))


def test_near_duplicates_are_those_of_the_last_stage(run_of: Any) -> None:
    """Whatever heads are trained on, images and folds are the same: runs can be compared in pairs."""
    split = (run_of(None) / "split.json").read_bytes()
    assert all((run_of(features) / "split.json").read_bytes() == split for features in ("multi", "best"))


def test_channels_normalised_in_every_fold_go_through_all_stages(folders: Path, tmp_path: Path) -> None:
    fit(folders, tmp_path / "run", options(features="layer2:max+last", normalise="training"))
    dataset = ImageDataset.from_files([str(folders / name) for name in list_images(folders)[:4]])
    model = load_model(tmp_path / "run")
    expected = model.head.predict_proba(extract_features(dataset, model.extractor))
    whole = model.on_machine(batch_size=model.engine.batch_size)
    np.testing.assert_array_equal(whole.predict_proba(dataset), expected)


def test_baselines_have_their_own_blocks(folders: Path, tmp_path: Path) -> None:
    """The descriptors are one block, whatever the run's features are made of."""
    run = fit(folders, tmp_path / "run", options(features="layer2:rows+last", baselines=True))
    assert {"handcrafted_svm", "handcrafted_forest"} <= {one.name for one in run.results.transfer.baselines}


def test_labels_of_noise_score_at_chance(tmp_path: Path) -> None:
    """Many more features than images, which have nothing to do with their labels."""
    images = helpers.noise(80, spread=(25, 25))
    labels = np.random.default_rng(7).permutation(helpers.labels_of(80))
    found = fit(
        ImageDataset.from_arrays(images, labels=labels), tmp_path / "run", options(features="multi", split="nested:5x4")
    )
    accuracy = found.results.metrics["balanced_accuracy"].value
    assert accuracy is not None
    assert abs(accuracy - 0.5) <= 3 * 0.5 / np.sqrt(80)


def test_the_estimate_counts_every_forward_pass_once(folders: Path, tmp_path: Path) -> None:
    plan = estimate_fit(folders, tmp_path / "run", options(features="last,multi"))
    assert plan["features_in_cache"] == 0
    assert set(plan["sources"]) == {"test_resnet, last", "test_resnet, multi"}
    assert plan["sources"]["test_resnet, multi"]["images_per_second"] is None  # of the pass before
    best = estimate_fit(folders, tmp_path / "run", options(features="best"))
    assert best["views"] == 8


def test_kinds_that_may_not_be_turned_are_not_averaged(folders: Path, tmp_path: Path) -> None:
    for kind, n_views in (("micrograph", 8), ("solar-cell", 4), ("digit", 1)):
        notes = helpers.Notes()
        found = headstart.workflow.preflight.Preflight.of(
            folders, None, options(features="best", image_kind=kind), progress=notes
        )
        assert max(1, len(found.job.sources[0].extractor.averaged)) == n_views
        assert any("Features best are those of multi here" in text for text in notes.texts) == (kind == "digit")


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"features": "layr2:mean"}, "stage 'layr2'.*layer2"),
        ({"features": "layer4:grid2"}, "too small for 2 x 2 cells"),
        ({"features": "layer2:men"}, "pooling 'men'.*mean"),
        ({"features": "last,last"}, "--features 'last,last' should name each once"),
        ({"features": "last,"}, "not understood"),
        ({"features": "best", "augment": "flips"}, "no views to train on. Leave --augment flips out"),
        ({"features": "multi", "image_kind": "digit"}, "--augment auto and --features best"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    given: dict[str, Any], words: str, folders: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        fit(folders, tmp_path / "run", options(**given))
    assert not (tmp_path / "run").exists()


def test_a_curve_has_one_set_of_features(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="further features out"):
        headstart.curve(folders, tmp_path / "curve", helpers.options(features="last,multi"))


def bundle_with(run: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a run's bundle whose features are described otherwise, and signed."""
    names = ("model.json", "backbone.safetensors", "head.safetensors")
    for name in names:
        (folder / name).write_bytes((run / "model" / name).read_bytes())
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    change(description["features"])
    (folder / "model.json").write_bytes(json_bytes(description))
    files = {name: hash_file(folder / name) for name in names}
    manifest = {"format": 6, "headstart": headstart.__version__, "files": files}
    (folder / "manifest.json").write_bytes(json_bytes({**manifest, "sha256": hash_json(manifest)}))
    return folder


def test_a_bundle_with_unknown_blocks_is_refused(run_of: Any, tmp_path: Path) -> None:
    bundle = bundle_with(run_of("multi"), tmp_path, lambda features: features["blocks"].insert(0, "layer9:mean"))
    with pytest.raises(BundleError, match="layer9"):
        load_model(bundle)


@pytest.mark.parametrize("versions", [{"descriptors": "descriptors 9 at 64 px"}, None])
def test_a_bundle_whose_descriptors_are_of_another_version_is_refused(
    versions: dict[str, str] | None, run_of: Any, tmp_path: Path
) -> None:
    run = run_of("layer2:rows+descriptors")
    assert load_model(bundle_with(run, tmp_path, lambda features: None)).classes
    change = (
        (lambda features: features.pop("handcrafted"))
        if versions is None
        else (lambda features: features.update(handcrafted=versions))
    )
    stored = "descriptors 1 at 128 px" if versions is None else "descriptors 9 at 64 px"
    with pytest.raises(BundleError, match=f"its features are '{stored}', and this version measures 'descriptors 2"):
        load_model(bundle_with(run, tmp_path, change))


# Weights of blocks ----------------------------------------------------------------------------------------------------


def test_heads_weigh_blocks_by_the_rule_of_table_columns() -> None:
    """12 columns beside 2,000 count for a sixteenth of all; a block that is larger than that counts by its columns."""
    spread = block_spread([12, 2000])
    assert (spread[:12] ** 2).sum() == pytest.approx(2012 / 16)
    assert spread[12:].tolist() == [1.0] * 2000
    assert block_spread([5]).tolist() == [1.0] * 5
    data = StudyData((np.zeros((4, 66), np.float32),), np.arange(4) % 2, 2, blocks=((2, 64),))
    joined = data.joined()
    assert joined.spread is not None
    np.testing.assert_array_equal(joined.spread, block_spread([2, 64]))
    assert StudyData(data.features, data.labels, 2, blocks=((66,),)).joined().spread is None


# scikit-learn ---------------------------------------------------------------------------------------------------------


def estimator(kind: Any, **given: Any) -> Any:
    return kind(helpers.BACKBONE, weights="random", input_size=helpers.SIDE, threads=1, device="cpu", **given)


def test_frozen_features_name_the_columns_of_their_blocks() -> None:
    images = helpers.noise(6)
    found = estimator(FrozenFeatures, features="layer2:rows+last").fit(images)
    names, rows = found.get_feature_names_out(), found.transform(images)
    assert rows.shape == (6, len(names)) == (6, 4 * 48 + 96)
    assert (names[0], names[191], names[192]) == (
        "test_resnet_layer2:rows_0",
        "test_resnet_layer2:rows_191",
        "test_resnet_0",
    )
    last = estimator(FrozenFeatures, features="last").fit(images)
    np.testing.assert_array_equal(last.transform(images), rows[:, 192:])
    assert last.get_feature_names_out()[0] == "test_resnet_0"
    with pytest.raises(ArgumentError, match="stage 'layr2'"):
        estimator(FrozenFeatures, features="layr2:mean").fit(images)
    with pytest.raises(ArgumentError, match="features must be a name"):
        estimator(FrozenFeatures, features=3).fit(images)


def test_a_classifier_keeps_its_features_in_the_bundle(tmp_path: Path) -> None:
    images, labels = helpers.noise(16, spread=(10, 40)), helpers.labels_of(16)
    found = estimator(TransferClassifier, features="best", head="logistic").fit(images, labels)
    found.to_model().save(tmp_path)
    model = load_model(tmp_path)
    np.testing.assert_array_equal(model.predict_proba(images), found.predict_proba(images))
    assert model.features.averaged == views("dihedral", 8)
    assert LAST not in model.features.blocks
