"""Did transfer help: the best baseline is chosen without test rows, the verdict is what the paired interval says."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

from headstart import fit
from headstart.backbones.backbone import load_backbone
from headstart.cli import main
from headstart.data import ImageResize, read_dataset
from headstart.data.split.make import make_split
from headstart.decisions import DecisionRules
from headstart.engines.engine import reference_engine
from headstart.errors import InputError, RunError
from headstart.features.cache import FeatureCache
from headstart.features.descriptors.extractor import DescriptorExtractor
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.heads import HeadSpec
from headstart.metrics import OutOfFold, compare_paired, evaluate
from headstart.metrics.compare import Difference
from headstart.progress import Silent
from headstart.results.writers.transfer import gain_facts, transfer_results
from headstart.study.baselines import (
    HEADS,
    MAJORITY,
    Baseline,
    BaselineFold,
    BaselineOutcome,
    baseline_plan,
    best_baselines,
    network_heads,
    pooled,
    run_baseline,
    standard_baselines,
)
from headstart.study.data import StudyData
from headstart.study.decisions import decide_folds
from headstart.study.execution.journal import Journal
from headstart.study.folds import OuterFold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.transfer_verdict import DECIDED_BY, GAINS, Gain, Transfer, judge_transfer, transfer_gains
from headstart.workflow.fit import estimate_fit
from headstart.workflow.job.baselines import BaselineSources
from headstart.workflow.run import Run, rewrite_report

RULES = DecisionRules("auto", None, None)
PLAN = replace(StudyPlan.of_heads(network_heads(2), seed=2), positive=1)


def features(labels: np.ndarray, shift: float, seed: int, width: int = 8) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(len(labels), width))
    noise[:, 0] += shift * labels
    return noise.astype(np.float32)


def task(n: int = 120) -> tuple[np.ndarray, list[OuterFold]]:
    labels = np.arange(n) % 2
    split = make_split(labels, names=[f"{row}" for row in range(n)], scheme="nested:3x2", seed=0)
    return labels, outer_folds(split)


def judged(source: np.ndarray, baseline: np.ndarray, labels: np.ndarray, folds: list[OuterFold]) -> Any:
    data = StudyData((source,), labels, 2)
    found = run_folds(data, folds, PLAN)
    run = gather(data, decide_folds(data, found, PLAN, RULES), ("a", "b"), 1, 1)
    baselines = [
        Baseline(MAJORITY, "majority class", np.zeros((len(labels), 1), np.float32), HEADS[MAJORITY]),
        Baseline("made", "made features", baseline, network_heads(2)),
    ]
    outcomes = [run_baseline(one, data, folds, PLAN, RULES) for one in baselines]
    return judge_transfer(run, outcomes, choose_by="log_loss")


# The verdict ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "p_value", "verdict"),
    [(0.05, 0.099, "helps"), (-0.05, 0.099, "hurts"), (0.05, 0.101, "no evidence"), (0.0, 1.0, "no evidence")],
)
def test_a_risk_of_5_percent_on_either_side_decides(gain: float, p_value: float, verdict: str) -> None:
    difference = Difference(0.9, 0.9 - gain, gain, gain - 0.06, gain + 0.06, p_value)
    assert Gain.of(difference, greater_is_better=True).verdict == verdict
    loss = Gain.of(Difference(0.4, 0.4 + gain, -gain, -gain - 0.06, -gain + 0.06, p_value), greater_is_better=False)
    assert (loss.verdict, loss.low, loss.high) == (verdict, gain - 0.06, gain + 0.06)


def test_an_undefined_interval_is_no_evidence() -> None:
    nan = float("nan")
    gain = Gain.of(Difference(nan, 0.5, nan, nan, nan, nan), greater_is_better=True)
    assert gain.verdict == "no evidence"
    assert gain_facts(gain).to_json() == {"run": None, "baseline": 0.5, "gain": None, "p": None, "ci95": None}


def test_gains_are_those_of_the_paired_comparison() -> None:
    labels, folds = task()
    found = judged(features(labels, 2.0, 1), features(labels, 1.0, 2), labels, folds)
    data = StudyData((features(labels, 2.0, 1),), labels, 2)
    chosen = run_folds(data, folds, PLAN)
    run = gather(data, decide_folds(data, chosen, PLAN, RULES), ("a", "b"), 1, 1)
    expected = compare_paired(run, found.oof).metrics
    for name, sign in (("balanced_accuracy", 1), ("log_loss", -1), ("brier", -1)):
        assert found.gains[name].value == sign * expected[name].value
        assert {found.gains[name].low, found.gains[name].high} == {
            sign * expected[name].low,
            sign * expected[name].high,
        }
    assert transfer_gains(run, found.oof) == found.gains
    scores = evaluate(found.outcomes[1].oof(run), metrics=["accuracy"], per_class=False)
    assert found.evaluations[1].metrics["accuracy"] == scores.metrics["accuracy"]
    of_best = evaluate(found.oof, metrics=["accuracy"], per_class=False)
    assert found.best == (1, 1, 1) and found.together.metrics["accuracy"] == of_best.metrics["accuracy"]


def test_a_telling_source_helps_and_a_hostile_one_hurts() -> None:
    labels, folds = task(160)
    knowing, blind = features(labels, 3.0, 1), features(labels, 0.0, 2)
    assert judged(knowing, blind, labels, folds).verdict == "helps"
    hostile = judged(blind, knowing, labels, folds)
    assert hostile.verdict == "hurts"
    assert judged(features(labels, 2.0, 3), features(labels, 2.0, 4), labels, folds).verdict == "no evidence"
    document = transfer_results(hostile, transferred=True)
    assert document.text.startswith("Transfer hurts (negative transfer): gain in log loss -")
    assert [row.times_best for row in document.baselines] == [0, 3]
    nothing = transfer_results(hostile, transferred=False)
    assert nothing.verdict is None
    assert "no verdict" in nothing.text


def test_scores_that_disagree_are_distinguished_in_words() -> None:
    labels, folds = task()
    found = judged(features(labels, 3.0, 1), features(labels, 0.0, 2), labels, folds)
    assert "disagree" not in transfer_results(found, transferred=True).text
    gains = {**found.gains, "balanced_accuracy": replace(found.gains["balanced_accuracy"], value=-0.02)}
    text = transfer_results(replace(found, gains=gains), transferred=True).text
    assert "The two disagree: probabilities are better, predicted classes are not." in text


@pytest.fixture(scope="module")
def some_verdict() -> Transfer:
    """A comparison whose gains are replaced."""
    labels, folds = task()
    return judged(features(labels, 2.0, 1), features(labels, 1.0, 2), labels, folds)


@pytest.mark.parametrize(
    ("deciding", "beside", "words"),
    [
        (
            (0.123, 0.03, 0.215, 0.008),
            (0.067, -0.041, 0.175, 0.2),
            "Transfer helps: gain in log loss +0.123 (+0.030 to +0.215; p = 0.008) over the best baseline; balanced "
            "accuracy +6.7 points (-4.1 to +17.5), which cannot be told from none.",
        ),
        (
            (0.05, -0.003, 0.1, 0.07),
            (0.067, 0.041, 0.1, 0.01),
            "Transfer helps: gain in log loss +0.050 (-0.003 to +0.100; p = 0.07, decided at 0.1) over the best "
            "baseline; balanced accuracy +6.7 points (+4.1 to +10.0).",
        ),
        (
            (-0.004, -0.1, 0.1, 0.8),
            (np.nan, np.nan, np.nan, np.nan),
            "No evidence that transfer helps or hurts: gain in log loss -0.004 (-0.100 to +0.100; p = 0.8) over the "
            "best baseline; balanced accuracy: gain undefined.",
        ),
        (
            (-0.2, -0.3, -0.1, 2e-9),
            (-0.1, np.nan, np.nan, np.nan),
            "Transfer hurts (negative transfer): gain in log loss -0.200 (-0.300 to -0.100; p < 0.001) over the best "
            "baseline; balanced accuracy -10.0 points.",
        ),
    ],
)
def test_verdict_score_and_interval_agree_in_one_sentence(
    some_verdict: Transfer, deciding: tuple[float, ...], beside: tuple[float, ...], words: str
) -> None:
    gains = {name: Gain(0.5, 0.5, *(deciding if name == DECIDED_BY else beside)) for name in GAINS}
    assert transfer_results(replace(some_verdict, gains=gains), transferred=True).brief == words


# The best baseline ----------------------------------------------------------------------------------------------------


def outcome(name: str, scores: list[float]) -> BaselineOutcome:
    """A baseline of two folds whose test probabilities are its first inner score."""
    folds = []
    for number, score in enumerate(scores):
        rows = np.arange(2) + 2 * number
        outer = OuterFold(0, number, 3 - rows, rows, ())
        folds.append(BaselineFold(outer, score, np.tile([0.5 - scores[0], 0.5 + scores[0]], (2, 1)), name))
    return BaselineOutcome(name, name, tuple(folds))


def test_each_fold_has_its_own_best_baseline_the_first_of_equals_and_never_nan() -> None:
    nan = float("nan")
    some = [outcome("x", [0.3, 0.3]), outcome("y", [0.2, 0.4]), outcome("z", [nan, 0.3])]
    assert best_baselines(some, "log_loss") == [1, 0]
    assert best_baselines(some, "accuracy") == [0, 1]
    with pytest.raises(RunError, match="No baseline has a score on the inner folds of repeat0-fold1"):
        best_baselines([outcome("x", [0.3, nan])], "log_loss")
    with pytest.raises(InputError, match="same outer folds"):
        best_baselines([], "log_loss")
    with pytest.raises(InputError, match="same outer folds"):
        best_baselines([outcome("x", [0.3]), outcome("y", [0.3, 0.2])], "log_loss")


def test_where_one_was_scored_on_the_holdout_all_are() -> None:
    nan = float("nan")
    known = outcome("x", [0.3, 0.3])
    known = replace(known, folds=tuple(replace(one, holdout_score=0.1) for one in known.folds))
    other = outcome("y", [0.2, 0.4])
    other = replace(other, folds=tuple(replace(one, holdout_score=0.5) for one in other.folds))
    scratch = outcome("z", [0.15, nan])
    held = tuple(replace(one, holdout_score=one.inner_score) for one in scratch.folds)
    scratch = replace(scratch, folds=held, on_holdout=True)
    assert best_baselines([known, other, scratch], "log_loss") == [0, 0]
    assert best_baselines([other, known, scratch], "log_loss") == [1, 1]
    lost = replace(scratch, folds=tuple(replace(one, holdout_score=nan) for one in held))
    assert best_baselines([known, other, lost], "log_loss") == [1, 0]  # diverged: the others' own inner folds decide


def test_baselines_are_scored_on_the_holdout_too() -> None:
    labels, folds = task()
    data = StudyData((features(labels, 1.0, 1),), labels, 2)
    baseline = Baseline("made", "made features", features(labels, 1.0, 2), network_heads(2))
    (first, *_) = run_baseline(baseline, data, folds, PLAN, RULES).folds
    own = replace(data, features=(baseline.features,))
    (result, *_) = run_folds(own, folds, baseline_plan(baseline, PLAN))
    held = folds[0].inner[0][1]
    said = result.inner.of_rows(held)[np.arange(len(held)), labels[held]]
    assert first.holdout_score == pytest.approx(-np.log(said).mean(), rel=1e-6)


def test_pooled_predictions_are_those_of_the_best_of_each_fold() -> None:
    like = OutOfFold(np.array([0, 1, 0, 1]), np.full((1, 4, 2), 0.5), np.array([[0, 0, 1, 1]]), ("a", "b"))
    some = [outcome("x", [0.3, 0.3]), outcome("y", [0.2, 0.4])]
    best = [some[place].folds[number] for number, place in enumerate(best_baselines(some, "log_loss"))]
    np.testing.assert_allclose(pooled(best, like).probabilities[0, :, 1], [0.7, 0.7, 0.8, 0.8])


def test_test_rows_choose_nothing() -> None:
    """Labels of a fold's test rows turned about: that fold's baselines, their settings and their choice stay."""
    labels, folds = task()
    made = features(labels, 1.5, 1)
    turned = labels.copy()
    turned[folds[0].test] = 1 - turned[folds[0].test]
    descriptors = features(labels, 1.0, 3)
    found = []
    for truth in (labels, turned):
        data = StudyData((made,), truth, 2)
        baselines = [
            replace(one, heads=tuple(HeadSpec("forest", {"trees": 5}) if h.kind == "forest" else h for h in one.heads))
            for one in standard_baselines(len(labels), descriptors, made, n_classes=2)
        ]
        found.append([run_baseline(one, data, folds[:1], PLAN, RULES) for one in baselines])
    for first, second in zip(*found, strict=True):
        assert first.folds[0].inner_score == second.folds[0].inner_score
        assert first.folds[0].settings == second.folds[0].settings
        np.testing.assert_array_equal(first.folds[0].probabilities, second.folds[0].probabilities)


def test_noise_never_beats_the_majority_by_much() -> None:
    """Poison: nothing to be learned, so no baseline's out-of-fold accuracy is far from chance."""
    labels, folds = task(300)
    found = judged(features(labels, 0.0, 5), features(labels, 0.0, 6), labels, folds)
    assert found.verdict != "helps"
    assert abs(found.together.metrics["accuracy"].value - 0.5) < 0.1


def test_an_interrupted_baseline_goes_on_with_the_same_results(tmp_path: Path) -> None:
    labels, folds = task()
    data = StudyData((features(labels, 1.0, 1),), labels, 2)
    baseline = Baseline("forest", "forest", features(labels, 1.0, 2), (HeadSpec("forest", {"trees": 8}),))
    first = run_baseline(baseline, data, folds, PLAN, RULES, journal=Journal(tmp_path))
    kept = sorted(tmp_path.glob("baseline-forest-*.safetensors"))
    assert len(kept) == 3 * 2 + 3
    for path in kept[::2]:
        path.unlink()
    again = run_baseline(baseline, data, folds, PLAN, RULES, journal=Journal(tmp_path))
    for one, other in zip(first.folds, again.folds, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_weights_count_in_the_majority() -> None:
    labels, folds = task()
    data = StudyData((features(labels, 1.0, 1),), labels, 2, weights=np.where(labels == 1, 3.0, 1.0))
    baseline = standard_baselines(len(labels), features(labels, 0, 1), None, n_classes=2)[0]
    found = run_baseline(baseline, data, folds, PLAN, DecisionRules("none", None, None))
    np.testing.assert_allclose(found.folds[0].probabilities[:, 1], 0.75, atol=1e-6)


# A run ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of weights: with it a run transfers something, for all that headstart can know."""
    from safetensors.torch import save_file

    from headstart.backbones.build import build
    from headstart.backbones.registry import find_entry

    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_file(build(find_entry(helpers.BACKBONE), seed=5).state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def transferred(weights: str, folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with baselines; read only."""
    return fit(folders, tmp_path_factory.mktemp("runs") / "run", helpers.options(weights=weights, baselines=True))


def test_a_run_names_its_baselines_and_the_verdict(transferred: Run) -> None:
    found = transferred.results.transfer
    assert [row.name for row in found.baselines] == [
        "majority",
        "handcrafted_svm",
        "handcrafted_forest",
        "random_weights",
    ]
    assert sum(row.times_best for row in found.baselines) == 3
    assert found.decided_by == DECIDED_BY
    assert found.verdict in ("helps", "no evidence", "hurts")
    assert transferred.results.headline.verdict == found.verdict
    assert transferred.headline.endswith(found.brief)
    assert found.gains["balanced_accuracy"].run == transferred.results.metrics["balanced_accuracy"].value
    assert found.baselines[0].metrics["balanced_accuracy"].value == 0.5


def test_predictions_of_the_baselines_give_their_scores(transferred: Run) -> None:
    with (transferred.folder / "baselines.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    found = transferred.results.transfer
    assert len(rows) == 4 * 48
    for baseline in found.baselines:
        own = [row for row in rows if row["baseline"] == baseline.name]
        right = np.mean([row["label"] == row["predicted"] for row in own])
        assert right == pytest.approx(baseline.metrics["accuracy"].value)
    best = [row for row in rows if row["best"] == "1"]
    assert len({row["image"] for row in best}) == len(best) == 48
    right = np.mean([row["label"] == row["predicted"] for row in best])
    assert right == pytest.approx(found.gains["accuracy"].baseline)


def test_the_report_has_the_verdict_table_and_figure(transferred: Run) -> None:
    page = transferred.report.read_text(encoding="utf-8")
    assert "Did transfer help?" in page
    assert (transferred.folder / "figures" / "baselines.svg").is_file()
    for title in ("Majority class", "Handcrafted features, SVM", "Same backbone, random weights"):
        assert title in page
    assert "The same folds judged simple baselines" in page


@pytest.mark.usefixtures("empty_figures")
def test_hurting_is_explained(transferred: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(transferred.folder, tmp_path / "run"))
    results = json.loads((copy / "results.json").read_text(encoding="utf-8"))
    results["transfer"]["verdict"] = "hurts"
    (copy / "results.json").write_text(json.dumps(results), encoding="utf-8")
    assert "Negative transfer: what the network learned elsewhere" in rewrite_report(copy).read_text(encoding="utf-8")
    del results["transfer"]["gains"]
    (copy / "results.json").write_text(json.dumps(results), encoding="utf-8")
    with pytest.raises(RunError, match=r"transfer\.gains is missing"):
        rewrite_report(copy)


@pytest.mark.usefixtures("no_figures")
def test_killed_among_the_baselines_the_run_goes_on_to_the_same_bytes(
    transferred: Run, weights: str, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    put, done = Journal.put, []

    def killing(self: Journal, key: str, tensors: Any) -> None:
        if key.startswith("baseline-handcrafted_forest"):
            done.append(key)
        if len(done) == 3:
            raise KilledError
        put(self, key, tensors)

    asked = helpers.options(weights=weights, baselines=True)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "put", killing)
        with pytest.raises(KilledError):
            fit(folders, tmp_path / "run", asked)
    fit(folders, tmp_path / "run", asked)
    for name in ("results.json", "baselines.csv", "predictions.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (transferred.folder / name).read_bytes()


@pytest.mark.usefixtures("empty_figures")
def test_random_weights_have_no_verdict_and_no_twin(folders: Path, tmp_path: Path) -> None:
    run = fit(folders, tmp_path / "run", helpers.options(baselines=True))
    found = run.results.transfer
    assert found.verdict is None
    assert run.results.headline.verdict is None
    assert found.text.startswith("Nothing was transferred, the weights are random, so there is no verdict")
    assert "random_weights" not in [row.name for row in found.baselines]
    assert list(found.notes) == [
        "The run's own weights are random: a baseline with random weights would be the run itself."
    ]
    assert "Nothing was transferred" in run.report.read_text(encoding="utf-8")


def test_without_baselines_nothing_is_reported_of_transfer(run: Run, folders: Path, tmp_path: Path) -> None:
    assert run.results.transfer is None
    assert not (run.folder / "baselines.csv").exists()
    assert "Did transfer help?" not in run.report.read_text(encoding="utf-8")
    with pytest.raises(RunError, match=r"options\.baselines is false there, true here"):
        fit(folders, run.folder, helpers.options(baselines=True))


def test_the_plan_counts_the_baselines(folders: Path, tmp_path: Path, weights: str) -> None:
    with_baselines = estimate_fit(folders, tmp_path / "run", helpers.options(weights=weights, baselines=True))
    without = estimate_fit(folders, tmp_path / "run", helpers.options(weights=weights))
    assert with_baselines["seconds"]["baselines"] > 0 == without["seconds"]["baselines"]


def test_images_are_read_once_for_descriptors_and_random_weights_where_neither_is_kept(
    folders: Path, tmp_path: Path
) -> None:
    images, preparation = read_dataset(folders), ImageResize((helpers.SIDE, helpers.SIDE))
    backbone = load_backbone(helpers.BACKBONE, weights="random")
    network = Extractor(backbone, preparation, reference_engine(n_threads=1, batch_size=4))
    describer, cache = DescriptorExtractor(preparation, n_threads=1), FeatureCache(tmp_path / "cache")
    sources = BaselineSources(describer, network)
    assert sources.is_joint(images, cache, is_fitted=False)
    assert not sources.is_joint(images, cache, is_fitted=True)
    assert not replace(sources, random_extractor=None).is_joint(images, cache, is_fitted=False)
    busy = replace(sources, describer=DescriptorExtractor(preparation, n_threads=2))  # one pass at a time would wait
    assert not busy.is_joint(images, cache, is_fitted=False)
    alone = [extract_features(images, one) for one in (describer, network)]
    job: Any = SimpleNamespace(dataset=images, cache=FeatureCache(None), is_fitted=False)
    for found, expected in zip(sources.features(job, Silent()), alone, strict=True):
        np.testing.assert_array_equal(found, expected)
    extract_features(images, describer, cache=cache)
    assert not sources.is_joint(images, cache, is_fitted=False)


def test_the_command_line_tells_baselines_and_verdict(transferred: Run, weights: str, folders: Path) -> None:
    asked = [
        "--backbone",
        helpers.BACKBONE,
        "--weights",
        weights,
        "--input-size",
        str(helpers.SIDE),
        "--split",
        "nested:3x2",
    ]
    asked += ["--threads", "1", "--device", "cpu", "--no-cache", "-q"]
    asked += ["--study", str(helpers.STUDY)]
    found = CliRunner().invoke(main, ["fit", str(folders), "-o", str(transferred.folder), *asked])
    assert found.exit_code == 0, found.output
    assert "Baselines on the same folds" in found.stdout
    text = " ".join(found.stdout.split())  # lines end where the terminal does
    assert text.count(transferred.results.transfer.brief) == text.count(transferred.headline) == 1
    assert text.count("gain in log loss ") == 1
