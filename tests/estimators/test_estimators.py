"""The scikit-learn face: equal to the rooms it fronts, leak-free, and at home in scikit-learn."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import helpers
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.sparse import csr_array, issparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from headstart import FrozenFeatures, ImageDataset, TransferClassifier, load_model
from headstart.backbones.backbone import load_backbone
from headstart.backbones.build import build
from headstart.backbones.registry import find_entry
from headstart.data import ImageResize
from headstart.data.split.make import split_dataset
from headstart.engines.engine import decide_engine
from headstart.errors import ArgumentError, HeadstartError, ImageError, InputError
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.heads import HeadSpec, fit_heads, grid
from headstart.runtime.threads import single_thread
from headstart.study.data import StudyData
from headstart.study.folds import final_fold
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan

SIDE = 32
OPTIONS = {
    "backbone": "test_mambaout",
    "weights": "random",
    "input_size": SIDE,
    "threads": 1,
    "device": "cpu",
    "features": "last",
}
N_IMAGES = 40
DOCUMENT = Path(__file__).parents[2] / "docs" / "estimators.md"


@pytest.fixture(scope="module")
def images():
    """Noise in two strengths: hard enough that no head is perfect."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(N_IMAGES, 20, 24, 3)) * (24 + 5 * (np.arange(N_IMAGES) % 2))[:, None, None, None]
    return np.clip(128 + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def labels():
    return np.array(["nevus", "melanoma"])[np.arange(N_IMAGES) % 2]


@pytest.fixture(scope="module")
def paths(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for row, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"{row:02d}.png")
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def features(images):
    """By the rooms that the estimators front."""
    backbone = load_backbone("test_mambaout", weights="random", seed=0)
    preparation = ImageResize((SIDE, SIDE), interpolation=backbone.interpolation)
    extractor = Extractor(backbone, preparation, decide_engine(device="cpu", n_threads=1))
    return extract_features(ImageDataset.from_arrays(images), extractor)


# Equal to the rooms they front


def test_transformer_gives_the_features_of_the_features_room(images, paths, features):
    assert features.std(axis=0).max() > 0
    column = np.array(paths, dtype=object)[:, None]
    for X in (images, list(images), paths, [str(path) for path in paths], column, ImageDataset.from_files(paths)):
        np.testing.assert_array_equal(FrozenFeatures(**OPTIONS).fit_transform(X), features)


@pytest.mark.parametrize(
    ("head", "settings"), [("logistic", {"C": 0.3}), ("dense", {"epochs": np.int64(3)}), ("svm", None)]
)
def test_classifier_gives_the_probabilities_of_the_head(images, labels, features, head, settings):
    weights, groups = np.arange(N_IMAGES) % 3, np.arange(N_IMAGES) // 2
    classifier = TransferClassifier(head=head, settings=settings, seed=3, **OPTIONS)
    with threadpool_limits(2):
        found = classifier.fit(images, labels, sample_weight=weights, groups=groups).predict_proba(images)
    codes = (labels == "nevus").astype(np.int64)
    with single_thread():  # as the classifier fits: the last bit may hang on the number of threads
        [expected] = fit_heads(
            [HeadSpec(head, {"epochs": 3} if head == "dense" else settings or {})],
            _features(images, seed=3),
            codes,
            n_classes=2,
            weights=weights,
            groups=groups,
            seed=3,
        )
    np.testing.assert_array_equal(found, expected.predict_proba(_features(images, seed=3)))


def _features(images, *, seed):
    return FrozenFeatures(seed=seed, **OPTIONS).fit_transform(images)


def test_auto_makes_the_choice_of_the_study(images, labels, features):
    groups = np.arange(N_IMAGES) // 2
    classifier = TransferClassifier(head="auto", **OPTIONS).fit(images, labels, groups=groups)
    dataset = ImageDataset.from_arrays(images, labels, groups=groups)
    data = StudyData((features,), dataset.labels, 2, groups=dataset.groups)
    [found] = run_folds(data, [final_fold(split_dataset(dataset))], StudyPlan.of_heads(grid("quick")))
    assert classifier.head_.spec == grid("quick")[found.chosen]
    assert [spec for spec, _ in classifier.candidates_] == grid("quick")
    np.testing.assert_array_equal([loss for _, loss in classifier.candidates_], found.inner_log_loss)
    np.testing.assert_array_equal(classifier.predict_proba(images), found.head.predict_proba(features))


def test_bundle_predicts_the_same_bytes(images, labels, tmp_path):
    classifier = TransferClassifier(**OPTIONS).fit(images, labels)
    classifier.to_model().save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.classes == ("melanoma", "nevus")
    assert loaded.facts["n_images"] == N_IMAGES
    np.testing.assert_array_equal(loaded.predict_proba(images), classifier.predict_proba(images))
    np.testing.assert_array_equal(loaded.predict(images), classifier.predict(images))


def test_row_stands_alone(images, labels):
    classifier = TransferClassifier(head="knn", batch_size=8, **OPTIONS).fit(images, labels)
    together = classifier.predict_proba(images)
    order = np.random.default_rng(1).permutation(N_IMAGES)
    np.testing.assert_array_equal(classifier.predict_proba(images[order]), together[order])
    for row in (0, 7, 39):
        np.testing.assert_array_equal(classifier.predict_proba(images[row : row + 1])[0], together[row])


def test_repeated_path_is_a_weight_of_two(paths, labels):
    repeated = TransferClassifier(**OPTIONS).fit(paths + paths[:10], [*labels, *labels[:10]])
    weighted = TransferClassifier(**OPTIONS).fit(paths, labels, sample_weight=[2] * 10 + [1] * 30)
    np.testing.assert_allclose(repeated.predict_proba(paths), weighted.predict_proba(paths), rtol=1e-6)


@pytest.mark.parametrize("kind", [str, int, bool])
def test_labels_come_back_as_they_went_in(images, kind):
    y = np.array([kind(value) for value in np.arange(N_IMAGES) % 2])
    classifier = TransferClassifier(settings={"C": 10.0}, **OPTIONS).fit(images, y)
    assert classifier.classes_.dtype == y.dtype == classifier.predict(images).dtype
    assert classifier.score(images, y) == np.mean(classifier.predict(images) == y) > 0.9


def test_table_columns_stand_beside_the_pictures() -> None:
    """Pictures of noise alone say nothing, and a column tells the class; the bundle predicts as the estimator does."""
    images, labels = helpers.noise(24, spread=(24, 24)), helpers.labels_of(24)
    table = {"age": [30.0 + 20 * (row % 2) + row % 3 for row in range(24)], "site": ["arm", "back", None] * 8}
    dataset = ImageDataset.from_arrays(images, labels, table=table)
    classifier = TransferClassifier(settings={"C": 1.0}, **OPTIONS).fit(dataset)
    assert (classifier.predict(dataset) == labels).mean() > 0.9
    assert np.array_equal(classifier.to_model().predict_proba(dataset), classifier.predict_proba(dataset))
    with pytest.raises(InputError, match="the data have no 'age', 'site'"):
        classifier.predict(images)


def test_data_set_brings_its_own_labels_groups_and_weights(images, labels):
    weights, groups = np.arange(N_IMAGES) % 3 + 1.0, np.arange(N_IMAGES) // 4
    dataset = ImageDataset.from_arrays(images, labels, groups=groups, weights=weights, folds=np.arange(N_IMAGES) % 4)
    alone = TransferClassifier(head="auto", **OPTIONS).fit(dataset)
    told = TransferClassifier(head="auto", **OPTIONS).fit(images, labels, sample_weight=weights, groups=groups)
    np.testing.assert_array_equal(alone.predict_proba(dataset), told.predict_proba(images))
    assert alone.candidates_ == told.candidates_


# No leaks


def test_copies_do_not_help_auto_to_learn_noise():
    """Poison: labels are noise and every image comes three times; a copy on the other side would give it away."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, size=(60, 8, 8), dtype=np.uint8)
    labels = rng.permutation(60) % 2
    classifier = TransferClassifier(head="auto", **OPTIONS).fit(np.tile(images, (3, 1, 1)), np.tile(labels, 3))
    assert min(loss for _, loss in classifier.candidates_) > 0.66  # chance is log 2 = 0.693


def test_groups_reach_the_inner_folds_through_a_grid_search(images, labels):
    groups = np.arange(N_IMAGES) // 2
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = TransferClassifier(head="auto", **OPTIONS).set_fit_request(groups=True)
        search = GridSearchCV(classifier, {"seed": [0]}, cv=StratifiedGroupKFold(2)).fit(images, labels, groups=groups)
    direct = TransferClassifier(head="auto", **OPTIONS).fit(images, labels, groups=groups)
    without = TransferClassifier(head="auto", **OPTIONS).fit(images, labels)
    assert search.best_estimator_.candidates_ == direct.candidates_ != without.candidates_


# In scikit-learn's company


def test_pipeline_with_a_head_of_scikit_learn(paths, labels, features):
    pipeline = make_pipeline(FrozenFeatures(**OPTIONS), LogisticRegression())
    expected = LogisticRegression().fit(features, labels).predict_proba(features)
    np.testing.assert_array_equal(pipeline.fit(paths, labels).predict_proba(paths), expected)


def test_grid_search_over_heads_and_settings(paths, labels, tmp_path):
    classifier = TransferClassifier(cache=tmp_path, **OPTIONS)
    choices = [{"head": ["logistic"], "settings": [{"C": 1e-4}, {"C": 1.0}]}, {"head": ["knn"]}]
    search = GridSearchCV(classifier, choices, cv=GroupKFold(2), scoring="neg_log_loss", error_score="raise")
    search.fit(paths, labels, groups=np.arange(N_IMAGES) // 4)
    assert len(set(search.cv_results_["mean_test_score"])) == 3
    assert search.best_estimator_.head_.spec.kind == search.best_params_["head"]


def test_cross_validation_of_noise_is_at_chance(paths):
    labels = np.random.default_rng(2).permutation(N_IMAGES) % 2
    scores = cross_val_score(TransferClassifier(**OPTIONS), paths, labels, cv=4)
    assert 0.2 < scores.mean() < 0.8


def test_union_of_two_backbones_names_their_features(images):
    union = make_union(FrozenFeatures(**OPTIONS), FrozenFeatures(**{**OPTIONS, "backbone": "test_vit"}))
    found = union.fit_transform(images[:3])
    names = union.get_feature_names_out()
    assert found.shape == (3, 256 + 64) == (3, len(names))
    assert [names[0], names[-1]] == ["frozenfeatures-1__test_mambaout_0", "frozenfeatures-2__test_vit_63"]


@pytest.mark.parametrize("estimator", [FrozenFeatures(**OPTIONS), TransferClassifier(settings={"C": 2.0}, **OPTIONS)])
def test_clone_and_pickle_keep_everything(estimator, images, labels):
    assert clone(estimator).get_params() == estimator.get_params()
    fitted = clone(estimator).fit(images, labels)
    again = pickle.loads(pickle.dumps(fitted))
    method = "transform" if isinstance(estimator, FrozenFeatures) else "predict_proba"
    np.testing.assert_array_equal(getattr(again, method)(images), getattr(fitted, method)(images))


def test_tags_say_that_images_go_in():
    for estimator in (FrozenFeatures(), TransferClassifier()):
        tags = get_tags(estimator).input_tags
        assert (tags.one_d_array, tags.two_d_array, tags.three_d_array, tags.string) == (True, False, True, True)
    assert not get_tags(TransferClassifier()).input_tags.allow_nan


def test_cached_features_are_not_computed_again(paths, features, tmp_path, monkeypatch):
    FrozenFeatures(cache=tmp_path, **OPTIONS).fit_transform(paths)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    monkeypatch.setattr(Extractor, "compute", lambda *_: pytest.fail("computed although it was kept"))
    np.testing.assert_array_equal(FrozenFeatures(cache="default", **OPTIONS).fit_transform(paths), features)


def test_estimators_share_neither_backbones_nor_stale_weights(images, features, tmp_path):
    spoiled = FrozenFeatures(**OPTIONS).fit(images)
    with torch.no_grad():
        for parameter in spoiled.backbone_.module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(FrozenFeatures(**OPTIONS).fit_transform(images), features)
    found = []
    for seed in (1, 2):
        network = build(find_entry("test_mambaout"), seed=seed)
        save_file(
            {name: tensor.contiguous() for name, tensor in network.state_dict().items()}, tmp_path / "w.safetensors"
        )
        found.append(FrozenFeatures(**{**OPTIONS, "weights": tmp_path / "w.safetensors"}).fit_transform(images[:2]))
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_import_leaves_torch_out():
    code = "import sys, headstart.estimators; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Refusals


BAD_X = {
    "holds no images": [[], np.zeros((0, 4, 4), dtype=np.uint8), ImageDataset.from_files([])],
    "Sparse data not supported": [csr_array((2, 2))],
    "Complex data not supported": [np.zeros((2, 4, 4), dtype=complex)],
    r"shape \(2, 3\) and type float64, and holds NaN or infinity": [np.array([[1, np.nan, 2], [1, 2, 3]])],
    r"type float64.*from 0 to 255\).*\(array \* 255\)\.round\(\)": [np.array([0.0, 255.0] * 16).reshape(2, 4, 4)],
    r"type bool.*\* 255": [np.zeros((2, 4, 4), dtype=bool)],
    r"shape \(2, 4, 4, 7\) and type uint8.*1 to 4 channels\.$": [np.zeros((2, 4, 4, 7), dtype=np.uint8)],
    r"type int32.*array\.astype\('uint8'\)": [np.zeros((2, 4, 4), dtype=np.int32)],
    r"shape \(5,\) and type int64": [[1, 2, 3, 4, 5]],
    "single str.*ImageDataset.from_folder": ["images/"],
    "Row 1 of X is None, which is no path": [["a.png", None]],
    "Row 0 of X is ''": [["", "a.png"]],
    "Row 1 of X is an array of shape": [[np.zeros((4, 4)), np.zeros((5, 4, 3, 2))]],
    "choose the column that holds the paths": [np.array([["a.png", "b"], ["c.png", "d"]])],
}


@pytest.mark.parametrize(("words", "X"), [(words, X) for words, cases in BAD_X.items() for X in cases])
def test_what_is_no_images_is_refused_in_words(words, X):
    for estimator in (FrozenFeatures(**OPTIONS), TransferClassifier(**OPTIONS)):
        with pytest.raises(ArgumentError, match=words) as raised:
            estimator.fit(X, [0, 1])
        assert isinstance(raised.value, HeadstartError)
        assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("requires y to be passed", {"y": None}),
        ("one class .*nevus", {"y": ["nevus"] * 6}),
        (r"y is missing .* in 2 rows.*: 1, 4\.", {"y": ["a", None, "b", "a", float("nan"), "b"]}),
        ("y mixes kinds", {"y": np.array(["a", 1, "b", "a", 2, "b"], dtype=object)}),
        (r"y has shape \(5,\), but X has 6 images", {"y": [0, 1, 0, 1, 0]}),
        (r"groups has shape \(2,\), but X has 6 images", {"groups": [0, 1]}),
        ("groups is missing .* in 1 row,", {"groups": ["p1", None, "p2", "p2", "p3", "p3"]}),
        (r"sample_weight: The weights have shape \(2,\); expected one for each of 6 images", {"sample_weight": [1, 2]}),
        (
            r"sample_weight: .* \(rows counted from 0: 5 is -1.0\). Weights are finite and at least 0",
            {"sample_weight": [1, 1, 1, 1, 1, -1]},
        ),
        ("sample_weight: All weights are zero, so no image would count", {"sample_weight": np.zeros(6)}),
    ],
)
def test_bad_labels_weights_and_groups_are_refused_in_words(words, arguments, images):
    with pytest.raises(ValueError, match=words):
        TransferClassifier(**OPTIONS).fit(images[:6], **{"y": [0, 1, 0, 1, 0, 1], **arguments})


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("Unknown backbone 'test_mambaot'.*test_mambaout", {"backbone": "test_mambaot"}),
        ("backbone must be a name", {"backbone": None}),
        ("Unknown head 'logistics'.*auto, corn, cumulative, dense, knn, lda, logistic", {"head": "logistics"}),
        ("head must be a name", {"head": ["knn"]}),
        ("'C' of a logistic head must be a number > 0", {"settings": {"C": -1}}),
        ("settings must be a dict", {"settings": "C=1"}),
        ("head='auto' chooses the settings itself", {"head": "auto", "settings": {"C": 1.0}}),
        ("batch_size must be a whole number of at least 1", {"batch_size": 0}),
        ("threads must be a whole number of at least 1", {"threads": 1.5}),
        ("seed must be a whole number of at least 0", {"seed": -1}),
        ("input_size must be a side or", {"input_size": (32, 32, 3)}),
        ("input_size must be a side or", {"input_size": "32"}),
        ("cannot take images of 16 x 16 pixels.*trained at 160 x 160", {"backbone": "test_convnext", "input_size": 16}),
        ("Unknown resize policy 'squish'", {"resize": "squish"}),
        ("Unknown device 'gpu'", {"device": "gpu"}),
        ("no such file of weights", {"weights": "nowhere.pth"}),
    ],
)
def test_bad_options_are_refused_in_words(words, options, images, labels):
    with pytest.raises(InputError, match=words):
        TransferClassifier(**{**OPTIONS, **options}).fit(images, labels)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("Class '1' has 4 images, but head='auto'", {}),
        ("Class '0' has 3 groups", {"groups": [0, 0, 1, 1, 2, 2, 3, 4, 5, 6]}),
        ("Class '0' has 2 images", {"sample_weight": [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]}),
    ],
)
def test_auto_asks_for_enough_of_every_class(words, arguments, images):
    with pytest.raises(ArgumentError, match=words):
        TransferClassifier(head="auto", **OPTIONS).fit(images[:10], [0] * 6 + [1] * 4, **arguments)


def test_unreadable_image_is_named(paths, labels, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(paths[0].read_bytes()[:200])
    classifier = TransferClassifier(**OPTIONS)
    with pytest.raises(ImageError, match=r"broken\.png"):
        classifier.fit([*paths, broken], [*labels, "nevus"])
    with pytest.raises(ImageError, match=r"missing\.png: no such file"):
        classifier.fit(paths, labels).predict([tmp_path / "missing.png"])


# scikit-learn's own checks, on tables drawn as pictures


class Drawn:
    """Draws a finite table of numbers as grey images, one square per column; hands everything else on as it is.

    A table of another width than in `fit` cannot be drawn, and is refused.
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.three_d_array = tags.input_tags.string = False
        tags.input_tags.two_d_array = True
        return tags

    def _dataset(self, X):
        table = X if issparse(X) else np.asarray(X)
        if table.dtype == object:
            table = table.astype(np.float64)
        if (
            issparse(X)
            or table.ndim != 2
            or 0 in table.shape
            or table.dtype.kind == "c"
            or not np.isfinite(table).all()
        ):
            return super()._dataset(X)
        if table.shape[1] != getattr(self, "_width", table.shape[1]):
            raise ValueError(f"drawn with {self._width} columns, not {table.shape[1]}")
        return super()._dataset(drawn(table))


def drawn(table):
    n_rows, n_columns = table.shape
    n_squares = int(np.ceil(np.sqrt(n_columns)))
    grey = np.zeros((n_rows, n_squares**2), dtype=np.uint8)
    grey[:, :n_columns] = np.clip(128 + 48 * table, 0, 255)
    side = SIDE // n_squares
    return grey.reshape(n_rows, n_squares, n_squares).repeat(side, axis=1).repeat(side, axis=2)


class DrawnFeatures(Drawn, FrozenFeatures):
    def fit(self, X, y=None):
        vars(self).pop("_width", None)
        super().fit(X, y)
        self._width = X.shape[1] if issparse(X) else np.asarray(X).shape[1]
        return self


class DrawnClassifier(Drawn, TransferClassifier):
    def fit(self, X, y=None, sample_weight=None):
        vars(self).pop("_width", None)
        super().fit(X, y, sample_weight)
        self._width = X.shape[1] if issparse(X) else np.asarray(X).shape[1]
        return self


DO_NOT_APPLY = {
    "check_n_features_in": "images have no columns to count, so there is no n_features_in_",
    "check_n_features_in_after_fitting": "images of any size are accepted after fitting, all are resized",
    "check_estimators_empty_data_messages": "an empty table is refused, but in words about images, not about columns",
    "check_fit2d_predict1d": "a row of numbers is refused, but reshaping it would not make it an image",
}


@parametrize_with_checks(
    [DrawnFeatures(**OPTIONS), DrawnClassifier(settings={"C": 10.0}, **OPTIONS)],
    expected_failed_checks=lambda _: DO_NOT_APPLY,
    xfail_strict=True,
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_document_lists_the_checks_that_do_not_apply():
    listed = dict(re.findall(r"^\| `(check_\w+)` \| (.+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == DO_NOT_APPLY


def test_document_examples_run(images, labels, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 4
    for row, pixels in enumerate(images[:24]):
        place = tmp_path / "photographs" / labels[row] / f"{row:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    names: dict[str, object] = {}
    for block in blocks:
        exec(re.sub(r"cv=\d\b", "cv=2", block), names)  # every fold opens the network anew
    assert (tmp_path / "model" / "manifest.json").is_file()


def test_channels_are_chosen_by_name_and_floats_keep_their_steps(images, labels):
    stack = np.concatenate([images, images[..., :2]], axis=3)
    names = ("a", "b", "c", "d", "e")
    whole = ImageDataset.from_arrays(stack, channels=names)
    floats = ImageDataset.from_arrays(stack.astype(np.float32) / 255, channels=names, scale=(0, 1))
    fitted = TransferClassifier(**OPTIONS, channels=["a", "c", "e", "d"]).fit(floats, labels)
    assert fitted.model_.preparation.pixels == "float32" and fitted.model_.backbone.n_channels == 4
    assert np.abs(fitted.predict_proba(whole) - fitted.predict_proba(floats)).max() < 0.2
    with pytest.raises(ImageError, match="no channel 'a'"):
        fitted.predict(images)
    for channels, message in (("a,b", "must be a list of names"), (["none"], "at least one of them no black")):
        with pytest.raises(ArgumentError, match=message):
            FrozenFeatures(**OPTIONS, channels=channels).fit(images)


def test_every_kind_of_picture_goes_in(images, labels, paths, features):
    """The same features and classes by arrays, tensors, a data set of torch and a frame; labels that come along do."""
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    pairs = torch.utils.data.TensorDataset(tensor, torch.arange(N_IMAGES) % 2)
    frame = pd.DataFrame({"image": [str(path) for path in paths], "label": labels})
    transformer = FrozenFeatures(**OPTIONS).fit(images)
    for X in (tensor / 255, pairs, frame, [Image.fromarray(one) for one in images]):
        np.testing.assert_array_equal(transformer.transform(X), features)
    expected = TransferClassifier(**OPTIONS).fit(images, labels).predict_proba(images)
    found = TransferClassifier(**OPTIONS).fit(frame)
    np.testing.assert_array_equal(found.predict_proba(tensor), expected)
    np.testing.assert_array_equal(found.to_model().predict_proba(pairs), expected)
    [alone] = found.to_model().predict_proba(Image.fromarray(images[3]))
    np.testing.assert_array_equal(alone, expected[3])
