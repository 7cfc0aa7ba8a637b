"""Decisions in a study: nothing of a test row reaches them, the bundle applies what was judged, all of it is said."""

from __future__ import annotations

import csv
import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss

from headstart import ImageDataset, fit, load_model
from headstart.cli import main
from headstart.data.split.make import make_split
from headstart.decisions import (
    AS_THEY_ARE,
    DecisionRules,
    Decisions,
    NoCalibration,
    Temperature,
    abstention_curve,
    parse_rule,
)
from headstart.errors import InputError, LeakError, RunError
from headstart.features.extract import extract_features
from headstart.heads import FittedHead, HeadSpec, fit_heads
from headstart.report import write_report
from headstart.results.writers.decisions import fitted_decisions
from headstart.storage import hash_file, hash_json, write_json
from headstart.study import inner_selection
from headstart.study.data import StudyData
from headstart.study.decisions import check_training_rows, decide_folds, decision_notes, fold_decisions
from headstart.study.execution.tasks import fit_seed
from headstart.study.folds import FINAL, final_fold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan
from headstart.study.search.inner_predictions import InnerPredictions
from headstart.workflow import evaluate
from headstart.workflow.run import Run

HEADS = (HeadSpec("logistic", {"C": 0.1}), HeadSpec("logistic", {"C": 10.0}), HeadSpec("knn", {"k": 5}))
PLAN = replace(StudyPlan.of_heads(HEADS, seed=3), positive=1)
RULES = DecisionRules("auto", parse_rule("sensitivity>=0.9"), 0.8)


def make_data(n: int = 120, *, groups: bool = False, seed: int = 0, n_classes: int = 2) -> StudyData:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % n_classes)
    features = rng.normal(size=(n, 8)) + 0.8 * labels[:, None] * (np.arange(8) % 2)
    numbers = rng.integers(0, n // 5, n) if groups else None
    return StudyData((features.astype(np.float32),), labels, n_classes, groups=numbers)


def folds_of(data: StudyData, scheme: str = "nested:3x3") -> list[Any]:
    return outer_folds(make_split(data.labels, groups=data.groups, scheme=scheme, seed=1))


def decide(data: StudyData, folds: list[Any], plan: StudyPlan = PLAN, rules: DecisionRules = RULES) -> list[Any]:
    return [one.decisions for one in decide_folds(data, run_folds(data, folds, plan), plan, rules)]


# Truth ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["nested:3x3", "nested:3x1", "holdout:60/20/20"])
def test_test_rows_leave_calibrator_threshold_and_sets_as_they_were(scheme: str) -> None:
    """Poison: features and labels of the test rows replaced; everything fitted stays the same to the last bit."""
    data = make_data()
    for fold in folds_of(data, scheme):
        poisoned = replace(data, features=(data.features[0].copy(),), labels=data.labels.copy())
        poisoned.features[0][fold.test] = 1e3 * np.random.default_rng(9).normal(size=(len(fold.test), 8))
        poisoned.labels[fold.test] = 1 - poisoned.labels[fold.test]
        (clean,), (other,) = decide(data, [fold]), decide(poisoned, [fold])
        assert clean.fitted == other.fitted
        assert clean.fitted.to_json() == other.fitted.to_json()
        assert clean.test.probabilities.tobytes() != other.test.probabilities.tobytes()


def test_a_training_row_does_change_the_decisions() -> None:
    """The poison test above can fail."""
    data = make_data()
    fold = folds_of(data)[0]
    changed = replace(data, labels=data.labels.copy())
    changed.labels[fold.train[:6]] = 1 - changed.labels[fold.train[:6]]
    assert decide(data, [fold])[0].fitted != decide(changed, [fold])[0].fitted


def test_the_guard_refuses_rows_that_are_not_of_training() -> None:
    data = make_data()
    fold = folds_of(data)[0]
    check_training_rows(fold, fold.train[:5])
    with pytest.raises(LeakError, match=rf"repeat0-fold0 would be fitted on row {fold.test.min()} and 0 others"):
        check_training_rows(fold, np.append(fold.train, fold.test.min()))
    (result,) = run_folds(data, [fold], PLAN)
    leaky = replace(result.inner, rows=np.append(result.inner.rows[1:], fold.test[0]))
    with pytest.raises(LeakError, match="inside the training fold"):
        decide_folds(data, [replace(result, inner=leaky)], PLAN, RULES)
    both = replace(fold, train=np.append(fold.train, fold.test[:1]))  # a row on both sides is no training row
    with pytest.raises(LeakError):
        check_training_rows(both, both.train)


@pytest.mark.parametrize("grouped", [False, True])
def test_inner_predictions_are_those_of_fits_without_the_row_and_its_group(grouped: bool) -> None:
    data = make_data(groups=grouped)
    fold = folds_of(data)[1]
    (result,) = run_folds(data, [fold], PLAN)
    found, spec = result.inner, HEADS[result.chosen]
    assert np.array_equal(np.sort(found.rows), np.sort(fold.train))
    place = {int(row): number for number, row in enumerate(found.rows)}
    for number, (train, validation) in enumerate(fold.inner):
        rows = [place[int(row)] for row in validation]
        assert set(found.fold[rows]) == {number}
        if data.groups is not None:
            assert not set(data.groups[train]) & set(data.groups[validation])
        (head,) = fit_heads(
            [spec],
            data.features[0][train],
            data.labels[train],
            n_classes=2,
            groups=None if data.groups is None else data.groups[train],
            seed=fit_seed(3, fold, number, spec.kind),
        )
        expected = head.predict_proba(data.features[0][validation])
        np.testing.assert_allclose(found.probabilities[rows], expected, atol=1e-6)


def test_candidates_beyond_the_few_kept_are_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data()
    folds = folds_of(data)
    kept = run_folds(data, folds, PLAN)
    monkeypatch.setattr(inner_selection, "N_KEPT", 0)
    for one, other in zip(kept, run_folds(data, folds, PLAN), strict=True):
        assert one.inner.rows.tobytes() == other.inner.rows.tobytes()
        np.testing.assert_allclose(one.inner.probabilities, other.inner.probabilities, atol=1e-6)


def test_labels_of_noise_are_calibrated_to_know_nothing() -> None:
    """A head sure of noise has a large log loss; calibrated it comes near to guessing, on rows it did not see."""
    data = make_data(150, seed=4)
    data = replace(data, labels=np.random.default_rng(5).integers(0, 2, 150))
    plan = StudyPlan.of_heads([HeadSpec("logistic", {"C": 100.0})], seed=0)
    folds = run_folds(data, folds_of(data), plan)
    before, after = [], []
    for result, one in zip(folds, decide_folds(data, folds, plan, DecisionRules("temperature")), strict=True):
        assert (
            isinstance(one.decisions.fitted.calibrator, Temperature) and one.decisions.fitted.calibrator.inverse < 0.7
        )
        before.append(log_loss(data.labels[result.outer.test], result.probabilities))
        after.append(log_loss(data.labels[result.outer.test], one.calibrated))
    assert np.mean(after) < np.mean(before) and np.mean(after) == pytest.approx(np.log(2), abs=0.03)


def test_choosing_by_a_score_of_predicted_classes_leaves_them_alone() -> None:
    data = make_data(300)
    data = replace(data, weights=np.where(data.labels == 1, 1.0, 0.2))
    plan = replace(PLAN, choose_by="balanced_accuracy")
    folds = run_folds(data, folds_of(data), plan)
    for result, one in zip(folds, decide_folds(data, folds, plan, DecisionRules()), strict=True):
        assert one.decisions.fitted.calibrator.kind in ("none", "temperature")
        assert np.array_equal(one.decisions.test.predicted, result.probabilities.argmax(axis=1))


def test_a_class_that_vanishes_is_reported_and_never_faked() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(40)
    rows = InnerPredictions(np.arange(40), np.stack([1 - positive, positive], axis=1), np.arange(40) % 4)
    found, reason = fold_decisions(rows, np.zeros(40, dtype=np.int64), None, PLAN, RULES)
    assert isinstance(found.calibrator, NoCalibration) and "Too few rows to calibrate on (40 rows, 0 of" in reason
    assert found.operating_point is not None and found.operating_point.threshold == 0.5
    assert found.conformal is not None and found.conformal.uninformative == (False, True)
    assert found.apply(rows.probabilities).sets[:, 1].all()  # type: ignore[index]
    data = make_data()
    (one,) = decide(data, folds_of(data)[:1])
    notes = decision_notes([replace(one, fitted=found)], ("calm", "rough"))
    assert notes == [
        "Operating point of repeat0-fold0: A class has no calibration rows, so the threshold is one half.",
        "Prediction sets say nothing of class 'rough': it has 0 calibration images in some fold and a level of 0.8 "
        "needs 4, so every set there contains it.",
    ]


def test_few_groups_make_coverage_rough_and_that_is_reported() -> None:
    data = replace(make_data(), groups=np.arange(120) % 12)
    decided = decide(data, folds_of(data), rules=DecisionRules(level=0.9))
    assert all(one.n_groups is not None and max(one.n_groups) <= 8 for one in decided)
    (first, _) = decision_notes(decided, ("calm", "rough"))
    assert "'calm' rest on" in first and "fewer than the 9 that a level of 0.9 needs of independent images" in first


def test_the_refit_decides_by_all_rows() -> None:
    data = make_data()
    fold = final_fold(make_split(data.labels, scheme="nested:3x3", seed=1))
    (one,) = decide(data, [fold])
    assert one.outer.fold == FINAL and one.n_calibration == 120 and one.test.probabilities.shape == (0, 2)
    assert one.fitted.conformal is not None and one.fitted.conformal.n_calibration == (60, 60)


def test_three_classes_are_calibrated_and_have_sets_but_no_operating_point() -> None:
    data, plan = make_data(150, n_classes=3), replace(PLAN, positive=None)
    rules = DecisionRules("temperature", None, 0.8)
    for one in decide(data, folds_of(data), plan, rules):
        assert one.test.sets.shape == (50, 3) and one.fitted.calibrator.kind == "temperature"
    with pytest.raises(InputError, match="there are 3, where the most probable class is predicted"):
        decide(data, folds_of(data)[:1], plan)


# A whole fit ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """96 images, all decisions asked for; read only."""
    folder = tmp_path_factory.mktemp("decided")
    data = helpers.write_folders(folder / "data", 96)
    return fit(data, folder / "run", asked()), data


def asked(**changes: Any) -> Any:
    study = {"operating_point": "sensitivity>=0.9", "conformal": 0.8, "calibrate": "temperature"}
    return helpers.cheap_options(**(study | changes))


def predictions(run: Run) -> list[dict[str, str]]:
    with (run.folder / "predictions.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def columns(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probability of the positive class, calls, and whether the set holds each class."""
    rows = predictions(run)
    names = list(helpers.CLASSES)
    sets = [json.loads(row["set"]) for row in rows]
    return (
        np.array([names.index(row["label"]) for row in rows]),
        np.array([float(row["probability:rough"]) for row in rows]),
        np.array([names.index(row["predicted"]) for row in rows]),
        np.array([[name in one for name in names] for one in sets]),
    )


def test_scores_at_the_operating_point_are_those_of_the_predictions(decided: tuple[Run, Path]) -> None:
    run, _ = decided
    labels, positive, calls, _ = columns(run)
    found = run.results.decisions
    thresholds = {fold.fold: fold.operating_point.threshold for fold in found.folds}
    each = np.array([thresholds[int(row["fold"])] for row in predictions(run)])
    assert np.array_equal(calls, (positive >= each).astype(int))
    (tn, fp), (fn, tp) = confusion_matrix(labels, calls)
    scores = {name: entry.value for name, entry in found.operating_point.metrics}
    expected = {
        "recall": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "precision": tp / (tp + fp),
        "npv": tn / (tn + fn),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected)
    assert found.operating_point.confusion == ((tn, fp), (fn, tp))
    for _, entry in found.operating_point.metrics:
        assert entry.ci95[0] <= entry.value <= entry.ci95[1]
    assert run.results.metrics["recall"].value == pytest.approx(np.mean(positive[labels == 1] > 0.5))


def test_coverage_and_sizes_are_those_of_the_sets(decided: tuple[Run, Path]) -> None:
    run, _ = decided
    labels, _, _, sets = columns(run)
    found = run.results.decisions.conformal
    inside = sets[np.arange(len(labels)), labels]
    assert found.coverage.value == pytest.approx(inside.mean())
    for code, name in enumerate(helpers.CLASSES):
        assert found.per_class[name].coverage.value == pytest.approx(inside[labels == code].mean())
        assert found.per_class[name].uninformative_folds == 0
        assert found.per_class[name].min_n_calibration == 32
    assert found.mean_size == pytest.approx(sets.sum(axis=1).mean())
    assert found.share_of_size == pytest.approx(np.bincount(sets.sum(axis=1), minlength=3) / len(labels))


def test_scores_before_and_after_and_abstention(decided: tuple[Run, Path]) -> None:
    run, _ = decided
    labels, positive, _, _ = columns(run)
    found = run.results.decisions
    after = {name: entry.after.value for name, entry in found.calibration.scores}
    assert after["log_loss"] == pytest.approx(log_loss(labels, positive))
    assert after["brier"] == pytest.approx(brier_score_loss(labels, positive))
    assert after["log_loss"] == run.results.metrics["log_loss"].value
    assert found.calibration.scores.log_loss.before.value != after["log_loss"]
    curve = abstention_curve(np.stack([1 - positive, positive], axis=1), labels)
    assert found.abstention.area == pytest.approx(curve.area)
    first, *_, last = found.abstention.points
    assert first.accuracy.value == pytest.approx(run.results.metrics["accuracy"].value)
    assert last.accuracy.value == pytest.approx(1 - curve.at(0.5)[1]) and last.answered >= 0.5


def test_optimism_compares_like_with_like(decided: tuple[Run, Path]) -> None:
    """Inner scores are of probabilities as heads give them, so the outer one beside them is too."""
    run, _ = decided
    before = run.results.decisions.calibration.scores.log_loss.before.value
    assert run.results.optimism.outer == pytest.approx(before)


def test_fold_heads_with_their_decisions_give_the_predictions_again(decided: tuple[Run, Path]) -> None:
    from safetensors.numpy import load_file

    run, data = decided
    dataset = ImageDataset.from_folder(data)
    features = extract_features(dataset, helpers.extractor("multi"))
    rows = {row["image"]: row for row in predictions(run)}
    for entry in json.loads((run.folder / "folds" / "heads.json").read_text())["heads"]:
        arrays = load_file(run.folder / "folds" / entry["file"])
        head = FittedHead.from_tensors(HeadSpec.from_json(entry["head"]), arrays)
        said = Decisions.from_json(entry["decisions"], 2).apply(head.predict_proba(features))
        for place, name in enumerate(dataset.names):
            if int(rows[name]["fold"]) == entry["fold"]:
                assert float(rows[name]["probability:rough"]) == said.probabilities[place, 1]
                assert rows[name]["predicted"] == helpers.CLASSES[said.predicted[place]]
                inside = [helpers.CLASSES[code] for code in np.flatnonzero(said.sets[place])]
                assert json.loads(rows[name]["set"]) == inside


def test_the_bundle_decides_by_the_fitted_decisions(decided: tuple[Run, Path]) -> None:
    run, _ = decided
    model, new = run.model(), ImageDataset.from_arrays(helpers.noise(12, seed=8))
    raw = model.head.predict_proba(extract_features(new, helpers.extractor("multi")))
    said = model.decisions.apply(raw)
    assert said.sets is not None
    final = fitted_decisions(model.decisions, n_calibration=96, reason="Asked for.")
    assert final == run.results.decisions.final
    assert model.predict_proba(new).tobytes() == said.probabilities.tobytes()
    assert model.predict(new).tolist() == [helpers.CLASSES[code] for code in said.predicted]
    assert np.array_equal(model.predict_sets(new), said.sets)


def test_older_bundles_say_what_the_head_says(decided: tuple[Run, Path], tmp_path: Path) -> None:
    """Format 2 knew neither views nor decisions."""
    run, _ = decided
    folder = Path(shutil.copytree(run.folder / "model", tmp_path / "model"))
    description = json.loads((folder / "model.json").read_text())
    del description["decisions"], description["views"]
    write_json(folder / "model.json", description)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"]
    manifest["format"] = 2
    manifest["files"]["model.json"] = hash_file(folder / "model.json")
    write_json(folder / "manifest.json", {**manifest, "sha256": hash_json(manifest)})
    old, new = load_model(folder), ImageDataset.from_arrays(helpers.noise(6, seed=8))
    assert old.decisions == AS_THEY_ARE
    assert np.array_equal(
        old.predict_proba(new), old.head.predict_proba(extract_features(new, helpers.extractor("multi")))
    )
    with pytest.raises(InputError, match=r"makes no prediction sets\. Fit it with --conformal"):
        old.predict_sets(new)


def test_predict_writes_predicted_classes_and_sets(decided: tuple[Run, Path], tmp_path: Path) -> None:
    run, _ = decided
    paths = [
        helpers.write_image(tmp_path / f"{row}.png", pixels) for row, pixels in enumerate(helpers.noise(6, seed=8))
    ]
    paths[2].write_bytes(b"no picture")
    arguments = ["predict", str(run.folder), *(str(path) for path in paths), "--quiet"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1  # one file cannot be read
    rows = list(csv.DictReader(done.stdout.splitlines()))
    model = run.model()
    good = [path for path in paths if path != paths[2]]
    sets = model.predict_sets([str(path) for path in good])
    read = [row for row in rows if row["status"] == "ok"]
    assert [row["predicted"] for row in read] == model.predict([str(path) for path in good]).tolist()
    assert [json.loads(row["set"]) for row in read] == [
        [helpers.CLASSES[code] for code in np.flatnonzero(one)] for one in sets
    ]
    assert rows[2]["set"] == ""
    lines = [json.loads(line) for line in CliRunner().invoke(main, [*arguments, "--json-lines"]).stdout.splitlines()]
    assert [line["set"] for line in lines if line["status"] == "ok"] == [json.loads(row["set"]) for row in read]
    assert lines[2]["set"] is None


def test_outside_images_are_judged_at_the_operating_point_too(decided: tuple[Run, Path], tmp_path: Path) -> None:
    run, _ = decided
    outside = helpers.write_folders(tmp_path / "outside", 40, seed=77)
    found, model, dataset = evaluate(run.folder, outside), run.model(), ImageDataset.from_folder(outside)
    labels = np.array(dataset.label_names())
    calls, sets = model.predict(dataset), model.predict_sets(dataset)
    point = found.operating_point
    assert point.metrics.recall.value == pytest.approx((calls == "rough")[labels == "rough"].mean())
    assert point.rule == "sensitivity>=0.9"
    inside = sets[np.arange(40), [helpers.CLASSES.index(name) for name in labels]]
    assert found.conformal.coverage.value == pytest.approx(inside.mean())
    done = CliRunner().invoke(main, ["evaluate", str(run.folder), str(outside), "--quiet"])
    assert "At sensitivity>=0.9: sensitivity 0." in done.stdout and "Prediction sets at 80 % hold" in done.stdout


@pytest.mark.usefixtures("no_figures")
def test_a_run_that_is_killed_and_resumed_decides_the_same(
    decided: tuple[Run, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit_module = importlib.import_module("headstart.workflow.fit")  # the package holds the function by this name

    run, data = decided

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "results_document", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(data, tmp_path / "run", asked())
    again = fit(data, tmp_path / "run", asked())
    for name in ("results.json", "predictions.csv", "folds/heads.json", "model/model.json"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes(), name


def test_another_rule_is_another_run(decided: tuple[Run, Path]) -> None:
    run, data = decided
    with pytest.raises(RunError, match="decisions"):
        fit(data, run.folder, asked(operating_point="youden"))
    fit(data, run.folder, asked(operating_point="sensitivity=0.90"))  # the same rule in other words


def test_the_report_tells_of_decisions(decided: tuple[Run, Path]) -> None:
    run, _ = decided
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    for words in (
        "From probabilities to decisions",
        "temperature in 3 of 3 folds",
        "Scores at the operating point sensitivity&gt;=0.9",
        "NPV (precision of the other class)",
        "How often the prediction set holds the true class",
        "Leaving the least certain images to a person",
        "The operating point was set by the rule sensitivity&gt;=0.9",
    ):
        assert words in page, words
    for name in ("decision_calibration", "decision_operating_point", "decision_abstention"):
        assert (run.folder / "figures" / f"{name}.svg").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found["conformal"].pop("mean_size"), r"decisions\.conformal\.mean_size is missing"),
        (lambda found: found["conformal"]["per_class"].pop("calm"), "one entry for every class"),
        (lambda found: found["folds"][1]["operating_point"].update(threshold="low"), "threshold should be"),
        (lambda found: found["abstention"].update(area=None), r"decisions\.abstention\.area should be"),
    ],
)
def test_damaged_decisions_are_refused_by_the_report(
    change: Any, message: str, decided: tuple[Run, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(decided[0].folder, tmp_path / "run"))
    results = json.loads((folder / "results.json").read_text())
    change(results["decisions"])
    write_json(folder / "results.json", results)
    with pytest.raises(RunError, match=message):
        write_report(folder)


def test_small_classes_are_named_where_their_sets_say_nothing(folders: Path, tmp_path: Path, no_figures: None) -> None:
    found = fit(folders, tmp_path / "run", helpers.cheap_options(conformal=0.95)).results
    assert (
        "Prediction sets say nothing of class 'calm': it has 16 calibration images in some fold" in found.warnings[-2]
    )
    sets = found.decisions.conformal
    assert sets.min_calibration_size == 19 and sets.coverage.value == 1.0 and sets.mean_size == 2.0
    assert {entry.uninformative_folds for entry in sets.per_class.values()} == {3}


# Misuse ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--operating-point", "yuden"], "Unknown operating point 'yuden'. Did you mean 'youden'"),
        (["--conformal", "90"], "The conformal level is 90; expected a share above 0 and below 1"),
        (["--operating-point", "youden"], "An operating point is for two classes; there are 3"),
        (["--calibrate", "platt"], "Platt's calibration is for two classes; there are 3"),
        (["--operating-point", "youden", "--estimate"], "An operating point is for two classes; there are 3"),
    ],
)
def test_misuse_is_reported_before_anything_is_written(options: list[str], message: str, tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 36, classes=("a", "b", "c"))
    network = ["--backbone", helpers.BACKBONE, "--weights", "random", "--input-size", "32", "--no-cache"]
    done = CliRunner().invoke(main, ["fit", str(data), "-o", str(tmp_path / "run"), *network, *options, "--quiet"])
    assert done.exit_code == 2 and message in " ".join(done.stderr.split())
    assert not (tmp_path / "run").exists()
