"""The choice on inner folds: scores, failures, ties, costs; and the table of all candidates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers import write_candidates
from scipy.stats import t as student

from headstart.errors import RunError
from headstart.heads import HeadSpec
from headstart.metrics import METRICS, OutOfFold, compare_paired
from headstart.results.candidates_table import read_candidates, setting_columns
from headstart.study.fold_result import FoldRecord
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.choose import make_choice, ranked
from headstart.study.search.costs import Scale, candidate_cost, prediction_seconds
from headstart.study.search.halving.plan import HalvingPlan
from headstart.study.search.halving.run import halve
from headstart.study.search.inner_predictions import InnerTask
from headstart.study.search.space import HeadTable, Space

N = 200


def task_of(metric: str = "log_loss", n: int = N, *, seed: int = 0, **options) -> InnerTask:
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=n)
    return InnerTask(labels, 2, generator.permutation(n) % 4, metric, 0.75 * n, **options)


def predictions(task: InnerTask, noises, seed: int = 1) -> np.ndarray:
    """One candidate for each noise: the same evidence for all, blurred by noise of its own."""
    generator = np.random.default_rng(seed)
    evidence = 1.2 * (2 * task.labels - 1) + 1.2 * generator.standard_normal(len(task.labels))
    scores = evidence + np.array(noises)[:, None] * generator.standard_normal((len(noises), len(task.labels)))
    high = 1 / (1 + np.exp(-scores))
    return np.stack([1 - high, high], axis=2)


# Scores, winner, failures


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc", "balanced_accuracy"])
def test_scores_are_pooled_and_of_each_fold_and_the_best_wins(metric):
    weights = np.random.default_rng(2).uniform(0.5, 2, N)
    task = task_of(metric, weights=weights)
    probabilities = predictions(task, [2.0, 0.5, 1.0, 3.0])
    choice = make_choice(probabilities, task, np.ones(4))
    for index in range(4):
        expected = METRICS[metric](task.labels, probabilities[index], weights)
        assert choice.scores[index] == pytest.approx(expected, rel=1e-12)
        for fold in range(4):
            rows = task.fold == fold
            expected = METRICS[metric](task.labels[rows], probabilities[index, rows], weights[rows])
            assert choice.fold_scores[index, fold] == pytest.approx(expected, rel=1e-12)
    assert choice.winner == ranked(choice.scores, metric)[0] == 1
    assert choice.rank.tolist() == [3, 1, 2, 4] and choice.tied[choice.winner]


def test_a_failed_candidate_is_recorded_never_chosen_and_spoils_nothing():
    task = task_of()
    probabilities = predictions(task, [1.0, 0.4, 0.6])
    clean = make_choice(probabilities, task, np.ones(3))
    broken = np.concatenate([probabilities, probabilities[1:2]])
    broken[3, 17, 0] = np.nan
    choice = make_choice(broken, task, np.array([1.0, 1.0, 1.0, 0.0]))
    assert choice.failed.tolist() == [False, False, False, True]
    assert np.isnan(choice.scores[3]) and choice.rank[3] == 0 and not choice.tied[3]
    assert (choice.winner, choice.cheapest, choice.critical) == (clean.winner, clean.cheapest, clean.critical)
    assert np.array_equal(choice.scores[:3], clean.scores)


def test_rows_that_no_fold_validates_may_hold_anything():
    task = task_of()
    task.fold[:50] = -1
    probabilities = predictions(task, [1.0, 0.4])
    clean = make_choice(probabilities, task, np.ones(2))
    probabilities[:, :50] = np.nan
    assert np.array_equal(make_choice(probabilities, task, np.ones(2)).scores, clean.scores)
    expected = METRICS["log_loss"](task.labels[50:], probabilities[0, 50:])
    assert clean.scores[0] == pytest.approx(expected)


def test_nothing_to_choose_from_is_reported():
    task = task_of()
    with pytest.raises(RunError, match=r"None of 3 candidates has a Log loss on the inner folds \(3 failed\)"):
        make_choice(np.full((3, N, 2), np.nan), task, np.ones(3))


def test_the_task_of_an_outer_fold_reads_its_training_rows_only():
    labels = np.array([0, 1, 0, 1, -99, 1, 0, -99])  # outer test rows are poison
    groups = np.array([5, 5, 6, 6, -99, 7, 7, -99])
    train = np.array([6, 0, 1, 2, 3, 5])
    inner = [(np.array([0, 1, 2]), np.array([3, 5, 6])), (np.array([3, 5, 6]), np.array([0, 1]))]
    task = InnerTask.of(labels, train, inner, n_classes=2, metric="accuracy", groups=groups)
    assert task.labels.tolist() == [0, 0, 1, 0, 1, 1] and task.fold.tolist() == [0, 1, 1, -1, 0, 0]
    assert task.groups is not None and task.groups.tolist() == [7, 5, 5, 6, 6, 7]
    assert (task.n_folds, task.n_train) == (2, 3.0)


# Ties


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
@pytest.mark.parametrize("grouped", [False, True])
def test_deviations_are_those_of_the_paired_comparison(metric, grouped):
    groups = np.random.default_rng(5).integers(60, size=N) if grouped else None
    task = task_of(metric, groups=groups)
    probabilities = predictions(task, [0.4, 0.9])
    choice = make_choice(probabilities, task, np.ones(2), seed=3, n_resamples=400)
    one, other = (
        OutOfFold(task.labels, p[None], task.fold[None], ("a", "b"), groups=groups)
        for p in probabilities[[choice.winner, 1 - choice.winner]]
    )
    difference = compare_paired(one, other, metrics=[metric], n_train_fraction=0.75, seed=3, n_resamples=400).metrics[
        metric
    ]
    half = (difference.high - difference.low) / 2
    quantile = student.ppf(0.975, (N if groups is None else _kish(groups)) - 1)
    assert choice.deviation[1 - choice.winner] == pytest.approx(half / quantile, rel=1e-6)
    assert choice.behind[1 - choice.winner] == pytest.approx(abs(difference.value), rel=1e-9)


def test_deviations_are_widened_by_the_rows_trained_on_where_a_quarter_chooses():
    whole = task_of(seed=2)
    quarter = replace(whole, fold=np.where(whole.fold == 0, 0, -1))
    choice = make_choice(predictions(quarter, [0.4, 0.9]), quarter, np.ones(2))
    alone = InnerTask(quarter.labels[quarter.validated], 2, np.zeros(50, int), "log_loss", 1.0)
    unwidened = make_choice(predictions(quarter, [0.4, 0.9])[:, quarter.validated], alone, np.ones(2))
    trained = np.sqrt((1 + 50 / 150) / (1 + 50 / 1))  # 1 / (1 - rho) is 1 + n_test / n_train
    np.testing.assert_allclose(choice.deviation, trained * unwidened.deviation)
    assert choice.deviation[1 - choice.winner] > 0


def _kish(groups: np.ndarray) -> float:
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def test_the_same_predictions_are_tied_and_the_cheapest_of_the_tied_is_named():
    task = task_of()
    probabilities = predictions(task, [0.3, 4.0])[[0, 0, 1, 0]]
    choice = make_choice(probabilities, task, np.array([5.0, 3.0, 0.1, 3.0]))
    assert choice.tied.tolist() == [True, True, False, True]
    assert choice.winner == 0 and choice.cheapest == 1  # of equal costs the better, then the earlier
    assert choice.deviation[[0, 1, 3]].tolist() == [0, 0, 0]


def test_the_truly_best_is_in_the_set_and_the_clearly_worse_are_not():
    inside, worse = [], []
    for seed in range(40):
        task = task_of(n=300, seed=seed)
        noises = [0.8] + [0.85] * 25 + [4.0] * 5
        choice = make_choice(predictions(task, noises, seed=seed), task, np.ones(31), seed=seed, n_resamples=200)
        inside.append(choice.tied[0])
        worse.append(choice.tied[26:].any())
    assert np.mean(inside) >= 0.95 and not any(worse)


def test_more_comparisons_ask_for_more_than_one_does():
    task = task_of(n=400)
    one = make_choice(predictions(task, [0.5, 0.6]), task, np.ones(2)).critical
    many = make_choice(predictions(task, [0.5] + [0.6] * 80), task, np.ones(81)).critical
    bonferroni = student.ppf(1 - 0.05 / 80, 399)
    assert 1.4 < one < 2.0 < 2.4 < many < 1.15 * bonferroni


def test_images_of_one_group_do_not_count_as_many():
    """Every row four times over: as rows they tell candidates apart, as groups no better than once."""
    once = task_of(n=120)
    rows = np.repeat(np.arange(120), 4)
    probabilities = predictions(once, [0.5, 0.9])
    task = replace(once, labels=once.labels[rows], fold=once.fold[rows], n_train=360.0)
    loose = make_choice(probabilities[:, rows], task, np.ones(2))
    tied_in_groups = make_choice(probabilities[:, rows], replace(task, groups=rows), np.ones(2))
    plain = make_choice(probabilities, once, np.ones(2))
    behind = 1 - plain.winner
    assert tied_in_groups.deviation[behind] == pytest.approx(plain.deviation[behind], rel=1e-9)
    assert 0 < loose.deviation[behind] < 0.6 * plain.deviation[behind]


@pytest.mark.parametrize("metric", ["roc_auc", "balanced_accuracy"])
def test_where_hardly_a_draw_has_a_score_nothing_is_told_apart(metric):
    """Three classes, each one group: most draws of groups lack a class, so that the score is undefined in them."""
    labels = np.repeat([0, 1, 2], 10)
    task = InnerTask(labels, 3, np.tile([0, 1], 15), metric, 15.0, groups=labels)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), (4, 30))
    choice = make_choice(probabilities, task, np.array([3.0, 1.0, 2.0, 4.0]))
    assert choice.tied.all() and choice.cheapest == 1


def test_the_same_seed_gives_the_same_choice():
    task = task_of()
    probabilities = predictions(task, [0.5, 0.6, 0.7])
    first, again = (make_choice(list(probabilities), task, np.ones(3), seed=9) for _ in range(2))
    assert first.critical == again.critical and np.array_equal(first.deviation, again.deviation)


# Costs


def test_costs_count_features_fit_and_predictions():
    scale = Scale(4000, 1280, 2, seconds_per_image=0.05)
    dense, knn = HeadSpec("dense"), HeadSpec("knn")
    assert candidate_cost(dense, scale) > 5000 * 0.05
    assert candidate_cost(dense, scale) - candidate_cost(dense, replace(scale, seconds_per_image=0.0)) == pytest.approx(
        250
    )
    longer = HeadSpec("dense", {"epochs": 40})
    assert candidate_cost(longer, scale) > candidate_cost(dense, scale)
    assert (
        prediction_seconds(knn, scale) > prediction_seconds(dense, scale) > prediction_seconds(HeadSpec("lda"), scale)
    )
    assert prediction_seconds(knn, scale) == prediction_seconds(HeadSpec("svm"), scale)  # float32 counts half
    fewer = replace(scale, n_images=1000)
    assert prediction_seconds(knn, fewer) == 2 * prediction_seconds(HeadSpec("svm"), fewer)


# candidates.parquet


def table_parts(n_folds: int = 2, *, halving: bool = False) -> tuple[tuple[Candidate, ...], list[FoldRecord]]:
    tables = (
        HeadTable.of("dense", {"activation": ["relu", "tanh"], "epochs": [10, 20]}),
        HeadTable.of("lda", {"shrinkage": ["auto", 0.5]}),
        HeadTable.of("knn", {"k": [5, 15, 50, 100]}),
    )
    candidates = Space((FeatureSourceSpec("vgg19"), FeatureSourceSpec("resnet50", input_size=300)), tables).candidates()
    return candidates, [_record(candidates, fold, halving=halving) for fold in range(n_folds)]


def _record(candidates, fold: int, *, halving: bool) -> FoldRecord:
    task = task_of(seed=fold)
    noises = np.linspace(2.0, 0.5, len(candidates))
    probabilities = predictions(task, noises, seed=fold)
    probabilities[2, 5] = np.nan
    costs = np.arange(len(candidates), 0, -1, dtype=np.float64)
    halved, compared = None, tuple(range(len(candidates)))
    if halving:
        halved = halve(
            [candidate.head for candidate in candidates],
            lambda request: np.array(
                [[noises[i] if i != 2 else np.nan] * len(request.folds) for i in request.candidates]
            ),
            n_folds=4,
            metric="log_loss",
            plan=HalvingPlan(least=1),
            keys=[candidate.source.label for candidate in candidates],
        )
        compared = halved.kept
    choice = make_choice(probabilities[list(compared)], task, costs[list(compared)], n_resamples=100)
    chosen = compared[choice.winner]
    return FoldRecord(0, fold, choice, compared, costs, chosen, {chosen: 0.5}, halved)


def test_the_table_holds_every_candidate_of_every_fold(tmp_path: Path):
    candidates, records = table_parts()
    path = tmp_path / "candidates.parquet"
    write_candidates(path, candidates, records, metric="log_loss")
    table = read_candidates(path)
    columns = table.columns
    assert len(table) == 2 * len(candidates) == 40 and (table.metric, table.n_inner) == ("log_loss", 4)
    assert set(setting_columns()) <= set(columns)
    for row in range(40):
        candidate, record = candidates[row % 20], records[row // 20]
        assert (columns["fold"][row], columns["candidate"][row]) == (row // 20, row % 20)
        assert (columns["backbone"][row], columns["label"][row]) == (candidate.source.backbone, candidate.head.label)
        for name, value in candidate.head.settings.items():
            assert columns[name][row] == (str(value) if name == "shrinkage" else value)
        assert columns["k"][row] == candidate.head.settings.get("k", pytest.approx(np.nan, nan_ok=True))
        np.testing.assert_equal(columns["inner_score"][row], record.choice.scores[row % 20])
        np.testing.assert_equal(columns["inner_score_3"][row], record.choice.fold_scores[row % 20, 3])
        assert columns["chosen"][row] == (row % 20 == record.chosen)
    assert columns["failed"].nonzero()[0].tolist() == [2, 22] and np.isnan(columns["rank"][2])
    assert columns["tied"][columns["cheapest"]].all() and columns["cheapest"].sum() == 2
    assert np.nansum(columns["outer_score"]) == 1.0 and (columns["rung"] == 0).all()
    assert np.isnan(columns["input_size"][0]) and columns["input_size"][10] == 300


def test_a_search_that_was_halved_says_how_far_each_came(tmp_path: Path):
    candidates, records = table_parts(1, halving=True)
    halved = records[0].halved
    assert halved is not None
    path = tmp_path / "candidates.parquet"
    write_candidates(path, candidates, records, metric="log_loss", halving=halved.summary)
    table = read_candidates(path)
    assert table.halving == halved.summary
    assert np.array_equal(table.columns["rung"], halved.rung) and len(set(halved.rung.tolist())) == 3
    dropped = [index for drop in halved.dropped for index in drop.candidates]
    assert np.isnan(table.columns["inner_score"][dropped]).all() and not table.columns["tied"][dropped].any()
    seen = [index for index in dropped if np.isfinite(halved.scores[index, 0])]
    assert seen and np.array_equal(table.columns["inner_score_0"][seen], halved.scores[seen, 0])
    assert table.columns["failed"][2]


def test_equal_records_give_equal_bytes_and_nothing_is_left_half_written(tmp_path: Path):
    candidates, records = table_parts()
    for name in ("a", "b"):
        write_candidates(tmp_path / name / "candidates.parquet", candidates, records, metric="log_loss")
    assert (tmp_path / "a" / "candidates.parquet").read_bytes() == (tmp_path / "b" / "candidates.parquet").read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["candidates.parquet"]


def test_the_refit_is_left_out_of_the_outer_folds(tmp_path: Path):
    candidates, records = table_parts()
    final = replace(records[1], fold=-1, outer_scores={})
    write_candidates(tmp_path / "c.parquet", candidates, [records[0], final], metric="log_loss")
    table = read_candidates(tmp_path / "c.parquet")
    assert len(table) == 40 and len(table.of_outer_folds()) == 20 and table.of_outer_folds().n_inner == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.unlink(), "is missing, so the run is incomplete"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "is damaged"),
        (lambda path: _rewritten(path, lambda table: table.replace_schema_metadata({})), "is no table of candidates"),
        (
            lambda path: _rewritten(path, lambda table: table.drop_columns(["rank"])),
            "has no column 'rank' of type int32",
        ),
        (
            lambda path: _rewritten(
                path, lambda table: table.set_column(0, "repeat", pa.array(["x"] * len(table), pa.string()))
            ),
            "has no column 'repeat' of type int32",
        ),
        (
            lambda path: _rewritten(
                path,
                lambda table: table.replace_schema_metadata(
                    {b"headstart": b'{"format":3,"metric":"log_loss","n_inner":4,"halving":null}'}
                ),
            ),
            "was written by another version",
        ),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, change, words):
    candidates, records = table_parts(1)
    path = tmp_path / "candidates.parquet"
    write_candidates(path, candidates, records, metric="log_loss")
    change(path)
    with pytest.raises(RunError, match=words):
        read_candidates(path)


def _rewritten(path: Path, change) -> None:
    pa.parquet.write_table(change(pa.parquet.read_table(path)), path)
