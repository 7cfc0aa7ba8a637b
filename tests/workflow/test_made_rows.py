"""SMOTE on windows before they are drawn: inside one set of training rows, on lines between two of one class."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "signals"))
from made_recordings import recording, write_folder

from headstart.balance import balanced
from headstart.cli.main import main
from headstart.data import ImageDataset
from headstart.data.split.make import split_dataset
from headstart.errors import InputError
from headstart.features.cache import FeatureCache
from headstart.features.extract import extract_features
from headstart.model import load_model
from headstart.progress import Silent
from headstart.signals.dataset import window_dataset
from headstart.signals.span import Span
from headstart.signals.windows import Windowing
from headstart.study.data import StudyData
from headstart.study.features import FeatureSet, SharedFeatures, WithMadeRows, row_key, training_rows_of
from headstart.study.folds import OuterFold, final_fold, outer_folds
from headstart.study.training_set.fold_rows import build_training_rows
from headstart.study.training_set.leak_guard import check_apart
from headstart.study.training_set.spec import TrainingSetSpec
from headstart.workflow.job.made_rows import RowMaker, check_made_rows
from headstart.workflow.options.signals import SignalOptions
from headstart.workflow.signals import estimate_signals, fit_signals

SPEC = TrainingSetSpec("smote-windows")


def windows_of(n_recordings: int = 6, *, changed: int | None = None, **about: Any) -> ImageDataset:
    """Windows of recordings, a quarter of them anomalies; one recording may be another."""
    found = []
    for number in range(n_recordings):
        one = recording(120, name=f"{number}.csv", seed=number, anomaly=slice(90, None))
        found.append(replace(one, values=one.values * 3 + 1) if number == changed else one)
    how = Windowing(Span(10.0), Span(10.0), reference=Span(30.0), rule="centre")
    return window_dataset(found, how, **({"with_statistics": True} | about))


def folds_of(dataset: ImageDataset) -> list[OuterFold]:
    split = split_dataset(dataset, scheme="nested:3x2", repeats=1, seed=0)
    return [*outer_folds(split), final_fold(split)]


def made_by(dataset: ImageDataset) -> RowMaker:
    extractor = helpers.extractor()
    return RowMaker(dataset, FeatureCache(None), Silent(), seed=3, extractors=lambda fold: [extractor])


def test_windows_are_made_by_smote_in_every_set_of_training_rows_and_seen_by_the_network() -> None:
    dataset = windows_of()
    fold = folds_of(dataset)[0]
    (made,) = made_by(dataset).of(fold)
    assert len(made) == len(training_rows_of(fold)) == 3
    labels, numbers = dataset.training_labels(), dataset.pixels.numbers(np.arange(len(dataset)))
    assert numbers is not None
    for rows in training_rows_of(fold):
        one = made[row_key(rows)]
        assert np.isin(one.parents, rows).all() and (labels[one.parents] == one.labels[:, None]).all()
        counts = np.bincount(np.concatenate([labels[rows], one.labels]))
        assert counts[0] == counts[1], "as many of each class as of the largest"
    rows, one = fold.train, made[row_key(fold.train)]
    seed = int(np.random.SeedSequence([3, fold.repeat, fold.fold + 1, 2]).generate_state(1)[0])
    expected = balanced(numbers[rows], labels[rows], n_classes=2, weights=None, method="smote", seed=seed)
    new = expected.features[len(rows) :]
    pixels, columns = dataset.pixels.of_numbers(new)
    drawn = ImageDataset.from_source(pixels, [str(place) for place in range(len(new))])
    np.testing.assert_array_equal(one.features, extract_features(drawn, helpers.extractor()))
    assert [column.name for column in one.columns] == [column.name for column in dataset.columns] == list(columns)
    means = new.reshape(len(new), 10, 2)[:, :, 0].mean(axis=1, dtype=np.float64)
    np.testing.assert_array_equal(one.columns[0].values, means)


def test_a_change_of_test_windows_changes_nothing_that_is_made() -> None:
    dataset = windows_of()
    for fold in folds_of(dataset)[:3]:
        tested = dataset.pixels.windows.recording[fold.test[0]]
        other = windows_of(changed=int(tested))
        (before,), (after,) = made_by(dataset).of(fold), made_by(other).of(fold)
        key = row_key(fold.train)
        np.testing.assert_array_equal(before[key].features, after[key].features)
        np.testing.assert_array_equal(before[key].parents, after[key].parents)
        train, validated = fold.inner[0]
        inner = windows_of(changed=int(dataset.pixels.windows.recording[validated[0]]))
        np.testing.assert_array_equal(
            before[row_key(train)].features, made_by(inner).of(fold)[0][row_key(train)].features
        )


@pytest.mark.parametrize("with_statistics", [True, False])
def test_heads_are_fitted_on_real_and_made_rows_and_judged_on_real_ones(with_statistics: bool) -> None:
    dataset = windows_of(with_statistics=with_statistics)
    fold = folds_of(dataset)[0]
    features = extract_features(dataset, helpers.extractor())
    shared = WithMadeRows(SharedFeatures(FeatureSet((features,))), made_by(dataset).of)
    data = StudyData.of(dataset, shared).of_fold(fold).of_source(0)
    rows = build_training_rows(data, fold.train, SPEC, seed=0)
    n, made = len(fold.train), data.made[0][row_key(fold.train)]
    n_columns = 0 if data.table is None else data.table.shape[1]
    assert (n_columns > 0) is with_statistics
    assert rows.features[0].shape == (n + len(made.labels), features.shape[1] + n_columns)
    np.testing.assert_array_equal(rows.features[0][:n, : features.shape[1]], features[fold.train])
    np.testing.assert_array_equal(rows.features[0][n:, : features.shape[1]], made.features)
    if data.table is not None and made.table is not None:
        np.testing.assert_array_equal(rows.features[0][n:, features.shape[1] :], made.table)
        assert abs(made.table).max() < 20, "encoded as the training rows are"
    assert rows.groups is not None and data.groups is not None
    np.testing.assert_array_equal(rows.groups[n:], data.groups[made.parents[:, 0]])
    check_apart(data, rows, fold.test)
    assert len(build_training_rows(data, fold.train, TrainingSetSpec(), seed=0).labels) == n


@pytest.mark.parametrize(
    ("dataset", "fine_tunes", "words"),
    [
        (lambda: ImageDataset.from_arrays(np.zeros((9, 8, 8, 3), np.uint8), list("aabababab")), False, "are pictures"),
        (windows_of, True, "real windows alone"),
        (lambda: windows_of(standardise="window"), False, "Add --no-statistics"),
        (lambda: windows_of(4).subset(np.flatnonzero(~np.isin(np.arange(36) % 9, (6, 7)))), False, "a line is drawn"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(dataset: Any, fine_tunes: bool, words: str) -> None:
    given = dataset()
    split = split_dataset(given, scheme="nested:2x2", repeats=1, seed=0)
    with pytest.raises(InputError, match=words):
        check_made_rows(given, split, fine_tunes=fine_tunes)


def test_windows_that_are_made_have_no_views() -> None:
    with pytest.raises(InputError, match="without views"):
        TrainingSetSpec("smote-windows", "flips")


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("made") / "ring", 6)


def test_a_run_says_what_it_made_and_judges_real_windows(ring: Path, tmp_path: Path, empty_figures: None) -> None:
    signals = SignalOptions(window="20s", stride="10s", reference="30s", label_rule="majority", standardise="training")
    options = helpers.cheap_options(split="nested:2x2", balance="smote-windows")
    run = fit_signals(ring, tmp_path / "run", signals, options)
    assert {one.balance for one in run.results.search.training_sets} == {"smote-windows"}
    assert "SMOTE on windows before they are drawn" in run.report.read_text()
    assert run.results.metrics["roc_auc"].value > 0.9
    predicted = (run.folder / "predictions.csv").read_text()
    assert "made up" not in predicted and predicted.count("\n") == 1 + 6 * 8
    before = helpers.tree(run.folder)
    fit_signals(ring, tmp_path / "run", signals, options)
    assert helpers.tree(run.folder) == before
    assert load_model(run.folder).classes == ("anomaly", "normal")


def test_the_estimate_counts_what_is_made(tmp_path: Path) -> None:
    ring = write_folder(tmp_path / "ring", 6, 200)
    signals = SignalOptions(window="20s", stride="5s", reference="30s")
    plain = estimate_signals(ring, tmp_path / "run", signals, helpers.cheap_options(split="nested:2x2"))
    options = helpers.cheap_options(split="nested:2x2", balance="smote-windows")
    made = estimate_signals(ring, tmp_path / "run", signals, options)
    (note,) = set(made["notes"]) - set(plain["notes"])
    assert note.startswith("SMOTE makes ") and "windows in 9 sets of training windows" in note


def test_pictures_are_refused_before_anything_is_written(folders: Path, tmp_path: Path) -> None:
    arguments = ["fit", str(folders), "-o", str(tmp_path / "run"), "--balance", "smote-windows", "--weights", "random"]
    found = CliRunner().invoke(main, [*arguments, "--backbone", helpers.BACKBONE, "--split", "nested:2x2"])
    assert found.exit_code == 2 and "Balance by smote." in found.output
    assert not (tmp_path / "run").exists()
