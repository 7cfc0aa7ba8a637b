"""Scores of features before training: equal to the slow evaluation, blind to test rows, honest about agreement."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats
from scipy.optimize import minimize

from headstart import FitOptions, fit, rank_backbones
from headstart.cli import main
from headstart.data.split.make import split_dataset
from headstart.errors import InputError, RunError
from headstart.metrics import find_metric
from headstart.metrics.transferability import kendall_tau_b, logme, neighbour_probabilities, ranks_of
from headstart.report.context import ReportContext
from headstart.report.sections.transferability import transferability_section
from headstart.results.read import read_run
from headstart.results.writers.transferability import transferability_results, transferability_scores
from headstart.study import transferability as room
from headstart.study.data import StudyData
from headstart.study.folds import final_fold, outer_folds
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space
from headstart.workflow.run import Run


def made(n: int, d: int, *, rank: int | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features with a mean of their own, and three classes that they half explain."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(rank or d, d))
    hidden = rng.normal(size=(n, rank or d))
    labels = (hidden[:, :3] + 0.7 * rng.normal(size=(n, 3))).argmax(axis=1)
    return hidden @ mixing + 0.4, np.eye(3)[labels]


def slow_logme(features: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The evidence as the density of the labels themselves, its maximum by direct search over both precisions."""
    noise_scale = np.ones(len(features)) if weights is None else weights.mean() / weights
    gram = features @ features.T

    def minus_log_density(logs: np.ndarray, y: np.ndarray) -> float:
        covariance = np.exp(logs[0]) * gram + np.exp(logs[1]) * np.diag(noise_scale)
        sign, determinant = np.linalg.slogdet(covariance)
        assert sign > 0
        return 0.5 * (y @ np.linalg.solve(covariance, y) + determinant + len(y) * np.log(2 * np.pi))

    found = []
    for y in targets.T:
        starts = [np.array([a, b]) for a in (-8.0, -3.0) for b in (-4.0, -1.0)]
        searched = [
            minimize(minus_log_density, start, args=(y,), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
            for start in starts
        ]
        found.append(-min(one.fun for one in searched))
    correction = 0.0 if weights is None else 0.5 * np.log(noise_scale).sum()  # a constant that LogME leaves out
    return (np.mean(found) + correction) / len(features)


@pytest.mark.parametrize(("n", "d", "rank"), [(60, 5, None), (30, 45, None), (40, 60, 7), (50, 20, 6)])
def test_logme_is_the_greatest_evidence(n: int, d: int, rank: int | None) -> None:
    features, targets = made(n, d, rank=rank)
    assert logme(features, targets) == pytest.approx(slow_logme(features, targets), abs=2e-7)


def test_logme_with_weights_is_the_greatest_evidence_of_weighted_noise() -> None:
    features, targets = made(40, 6)
    weights = np.random.default_rng(1).uniform(0.2, 3.0, 40)
    assert logme(features, targets, weights) == pytest.approx(slow_logme(features, targets, weights), abs=2e-7)
    beside = np.vstack([features, features[:5] + 9]), np.vstack([targets, targets[:5]])
    assert logme(*beside, np.append(weights, np.zeros(5))) == pytest.approx(logme(features, targets, weights), abs=1e-9)


def test_logme_does_not_hang_on_the_scale_and_falls_as_features_say_less() -> None:
    features, targets = made(200, 8)
    assert logme(1000 * features, targets) == pytest.approx(logme(features, targets), abs=1e-8)
    rng = np.random.default_rng(3)
    said = [logme(features + spread * rng.normal(size=features.shape), targets) for spread in (0, 2, 8)]
    assert said == sorted(said, reverse=True)
    assert logme(rng.normal(size=(200, 8)), targets) < said[0]


def test_logme_of_features_that_say_nothing_is_that_of_noise_alone() -> None:
    targets = np.array([[1.0, 0.0], [0.0, 1.0]] * 10)
    nothing = np.tile([[1.0], [1.0], [-1.0], [-1.0]], (5, 1))  # orthogonal to both columns
    noise_alone = 0.5 * (np.log(2 / (2 * np.pi)) - 1)  # y of mean square 1/2
    assert logme(nothing, targets) == pytest.approx(noise_alone, abs=1e-6)


def test_logme_refuses_what_it_cannot_use() -> None:
    features, targets = made(10, 3)
    with pytest.raises(InputError, match=r"shape \(n, d\)"):
        logme(features[:9], targets)
    with pytest.raises(InputError, match="finite"):
        logme(np.where(features > 1, np.nan, features), targets)
    with pytest.raises(InputError, match="one above 0"):
        logme(features, targets, np.zeros(10))


@pytest.mark.parametrize("grouped", [False, True])
def test_neighbours_are_those_of_the_knn_head_fitted_without_the_group(grouped: bool) -> None:
    """The slow way: for every row a kNN head on the rows of the other groups; standardised alike beforehand."""
    features, targets = made(40, 4)
    labels = targets.argmax(axis=1)
    groups = np.arange(40) // 4 if grouped else np.arange(40)
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    found = neighbour_probabilities(features, labels, n_classes=3, k=5, groups=groups if grouped else None)
    units = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    for row in range(40):
        others = np.flatnonzero(groups != groups[row])
        nearest = others[np.argsort(-(units[others] @ units[row]))[:5]]
        votes = np.bincount(labels[nearest], minlength=3) + 1.0
        np.testing.assert_allclose(found[row], votes / votes.sum())


def test_a_row_never_votes_for_its_group() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 6))
    groups = np.repeat(np.arange(20), 5)
    features = centres[groups] + 0.01 * rng.normal(size=(100, 6))
    labels = rng.integers(0, 2, 20)[groups]  # a group's images look alike and share a label that means nothing
    loose = neighbour_probabilities(features, labels, n_classes=2, k=4).argmax(axis=1)
    kept = neighbour_probabilities(features, labels, n_classes=2, k=4, groups=groups).argmax(axis=1)
    assert (loose == labels).mean() == 1.0
    assert (kept == labels).mean() < 0.75


def test_a_row_without_others_gets_even_odds_and_few_others_all_vote() -> None:
    features, labels = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 1, 1, 1])
    alone = neighbour_probabilities(features, labels, n_classes=2, groups=np.zeros(4))
    np.testing.assert_array_equal(alone, 0.5)
    np.testing.assert_allclose(neighbour_probabilities(features, labels, n_classes=2, k=99)[0], [1 / 5, 4 / 5])
    with pytest.raises(InputError, match="k must be at least 1"):
        neighbour_probabilities(features, labels, n_classes=2, k=0)


def test_neighbours_in_blocks_are_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    features, targets = made(37, 4)
    whole = neighbour_probabilities(features, targets.argmax(axis=1), n_classes=3)
    monkeypatch.setattr("headstart.metrics.transferability._BLOCK_ENTRIES", 100)
    np.testing.assert_allclose(neighbour_probabilities(features, targets.argmax(axis=1), n_classes=3), whole)


def test_weights_are_votes() -> None:
    features, targets = made(30, 3)
    labels = targets.argmax(axis=1)
    weights = np.where(labels == 0, 3.0, 1.0)
    found = neighbour_probabilities(features, labels, n_classes=3, k=40, weights=weights)
    others = weights.sum() - weights[0]
    votes = np.array([(weights[1:] * (labels[1:] == code)).sum() for code in range(3)]) / weights.mean() + 1
    np.testing.assert_allclose(found[0], votes / votes.sum())
    assert votes.sum() == pytest.approx(others / weights.mean() + 3)


@pytest.mark.parametrize("seed", range(5))
def test_kendall_is_that_of_scipy(seed: int) -> None:
    first, second = np.random.default_rng(seed).integers(0, 4, (2, 9))
    assert kendall_tau_b(first, second) == pytest.approx(stats.kendalltau(first, second).statistic)


def test_kendall_of_nothing_to_order_is_undefined_and_ranks_share_ties() -> None:
    assert np.isnan(kendall_tau_b([1.0], [2.0]))
    assert np.isnan(kendall_tau_b([1.0, 1.0], [2.0, 3.0]))
    assert ranks_of([1.0, 0.5, np.nan, 0.5], greater_is_better=False).tolist() == [3, 1, 4, 1]


# In a study -----------------------------------------------------------------------------------------------------------


def studied(n: int = 60, *, seed: int = 0, **changes: Any) -> StudyData:
    features, targets = made(n, 6, seed=seed)
    other = np.random.default_rng(seed + 1).normal(size=(n, 4))
    given = {"features": (features.astype(np.float32), other.astype(np.float32)), "labels": targets.argmax(axis=1)}
    return StudyData(**({**given, "n_classes": 3} | changes))


def folds_of(data: StudyData) -> list[Any]:
    names = [f"{row}.png" for row in range(len(data.labels))]
    dataset = tiny_dataset(names, data)
    split = split_dataset(dataset, scheme="nested:3x2", seed=0)
    return [*outer_folds(split), final_fold(split)]


def tiny_dataset(names: list[str], data: StudyData) -> Any:
    from headstart.data import ImageDataset

    images = np.zeros((len(names), 16, 16, 3), dtype=np.uint8)
    return ImageDataset.from_arrays(images, [str(code) for code in data.labels], names=names, groups=data.groups)


def test_scores_tell_good_features_from_noise_and_are_those_of_the_parts() -> None:
    data = studied()
    folds = folds_of(data)
    found = room.score_sources(data, folds, seed=0)
    assert found.shape == (4, 2, 5)
    assert (found[:, 0, 0] > found[:, 1, 0]).all() and (found[:, 0, [1, 3]] < found[:, 1, [1, 3]]).all()
    train = folds[0].train
    features, labels = data.features[0][train], data.labels[train]
    votes = neighbour_probabilities(features, labels, n_classes=3, k=15)
    assert found[0, 0, 0] == logme(features, np.eye(3)[labels])
    assert found[0, 0, 1] == pytest.approx(float(find_metric("log_loss")(labels, votes)), abs=1e-12)
    assert found[0, 0, 2] == np.mean(votes.argmax(axis=1) == labels)


def test_test_rows_are_never_seen() -> None:
    """Poison: whatever stands in the test rows, the scores of the fold stay as they were."""
    data = studied()
    folds = folds_of(data)
    fold = folds[0]
    features = [values.copy() for values in data.features]
    labels = data.labels.copy()
    for values in features:
        values[fold.test] = np.nan
    labels[fold.test] = 2 - labels[fold.test]
    before = room.score_sources(data, [fold], seed=0)
    after = room.score_sources(studied(features=tuple(features), labels=labels), [fold], seed=0)
    np.testing.assert_array_equal(before, after)


def test_many_rows_are_drawn_and_workers_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = studied(90)
    folds = folds_of(data)
    whole = room.score_sources(data, folds, seed=0)
    np.testing.assert_array_equal(room.score_sources(data, folds, seed=0, n_jobs=2), whole)
    monkeypatch.setattr(room, "MAX_ROWS", 30)
    drawn = room.score_sources(data, folds, seed=0)
    assert (drawn != whole).all()
    np.testing.assert_array_equal(room.score_sources(data, folds, seed=0), drawn)


def test_words_name_who_disagrees_and_chance() -> None:
    scores = np.array([[[0.1, 0.5, 0.8, 0.4, 0.9], [0.2, 0.6, 0.7, 0.5, 0.8], [0.0, 0.7, 0.6, 0.6, 0.7]]] * 2)
    document = transferability_scores(scores, ["A", "B", "C"])
    assert [source.ranks.to_json() for source in document.sources] == [
        {"logme": 2, "knn_log_loss": 1, "logistic_log_loss": 1},
        {"logme": 1, "knn_log_loss": 2, "logistic_log_loss": 2},
        {"logme": 3, "knn_log_loss": 3, "logistic_log_loss": 3},
    ]
    assert list(document.words) == [
        "The scores disagree on the best: LogME prefers B; kNN and the logistic probe prefer A.",
        "They order differently: LogME alone puts B before A.",
    ]
    assert [pair.kendall_tau_b for pair in document.between] == pytest.approx([1 / 3, 1 / 3, 1.0])
    judged = transferability_results(document, [0.3, 0.4, 0.5], "log_loss")
    assert judged.agreement.kendall_tau_b.to_json() == pytest.approx(
        {"logme": 1 / 3, "knn_log_loss": 1.0, "logistic_log_loss": 1.0}
    )
    assert judged.agreement.words.endswith("by chance a score orders 3 sources just so once in 6 times.")
    reverse = transferability_results(document, [0.3, 0.4, 0.5], "accuracy")
    assert reverse.agreement.kendall_tau_b.knn_log_loss == -1.0
    lost = transferability_results(document, [0.3, None, 0.5], "log_loss")
    assert lost.agreement.n_sources == 2
    assert lost.sources[1].outer_rank is None


# In a fit, and before -------------------------------------------------------------------------------------------------


def two() -> FitOptions:
    heads = (HeadTable.of("logistic", {"C": [0.01]}),)
    space = Space((FeatureSourceSpec("test_resnet"), FeatureSourceSpec("test_efficientnet")), heads)
    return helpers.options(backbone=None, study=space)


@pytest.fixture(scope="module")
def fitted(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of two sources, with its report; read only."""
    with helpers.empty_figures():
        return fit(folders, tmp_path_factory.mktemp("fitted") / "run", two())


def test_a_fit_of_several_sources_tells_all_three_beside_the_judgement(fitted: Run) -> None:
    found = fitted.results.transferability
    assert [source.label for source in found.sources] == ["test_resnet", "test_efficientnet"]
    for number, source in enumerate(found.sources):
        best = [row.best_of_sources[number].outer_score for row in fitted.results.folds]
        assert source.outer_score == pytest.approx(np.mean(best))
        assert set(source.scores.to_json()) == set(room.SCORES)
    assert set(found.agreement.kendall_tau_b.to_json().values()) <= {-1.0, 1.0, None}
    page = fitted.report.read_text()
    assert "Which backbone, before training" in page
    assert found.agreement.words.replace("'", "&#39;") in page


def test_a_run_that_did_not_keep_them_has_no_such_section(fitted: Run, tmp_path: Path) -> None:
    record = read_run(fitted.folder)
    assert transferability_section(ReportContext(record), {}) is not None
    older = replace(record, results=record.results.model_copy(update={"transferability": None}))
    assert transferability_section(ReportContext(older), {}) is None
    whole = fitted.results.to_json()
    broken = {**whole, "transferability": {**whole["transferability"], "sources": [{"label": "a"}]}}
    copy = Path(shutil.copytree(fitted.folder, tmp_path / "run"))
    (copy / "results.json").write_text(json.dumps(broken), encoding="utf-8")
    with pytest.raises(RunError, match="scores is missing"):
        read_run(copy)


def test_one_source_has_nothing_to_rank(run: Run, folders: Path) -> None:
    assert run.results.transferability is None
    with pytest.raises(InputError, match="two backbones at least"):
        rank_backbones(folders, helpers.options())


def test_ranking_before_gives_the_numbers_of_the_fit(fitted: Run, folders: Path) -> None:
    before = rank_backbones(folders, two())
    kept = {"label", "scores", "ranks", "refit"}
    within = fitted.results.transferability
    assert [one.to_json() for one in before.results.sources] == [one.model_dump(include=kept) for one in within.sources]
    assert before.results.protocol.split_hash == fitted.results.protocol.split_hash
    assert not hasattr(before.results, "agreement")
    assert before.favoured
    assert "one fit" in before.lines()[-1]


def test_command_line_prints_table_words_and_json(fitted: Run, folders: Path, tmp_path: Path) -> None:
    options = ["--backbone", "test_resnet,test_efficientnet", "--weights", "random", "--input-size", "32"]
    options += ["--split", "nested:3x2", "--threads", "1", "--device", "cpu", "--cache", str(tmp_path), "-q"]
    words = CliRunner().invoke(main, ["backbones", "rank", str(folders), *options])
    assert words.exit_code == 0, words.output
    assert "Transferability" in words.stdout and "probe log loss" in words.stdout
    assert words.stdout.splitlines()[-1].startswith(f"Next: headstart fit {folders} -o runs/first --backbone test_")
    values = json.loads(CliRunner().invoke(main, ["backbones", "rank", str(folders), *options, "--json"]).stdout)
    assert [source["label"] for source in values["sources"]] == ["test_resnet", "test_efficientnet"]
    alone = CliRunner().invoke(main, ["backbones", "rank", str(folders), "--backbone", "test_resnet"])
    assert alone.exit_code == 2
    assert "two backbones at least" in alone.output


def test_a_fit_ends_with_the_table_in_the_terminal(fitted: Run, folders: Path, capsys: Any) -> None:
    from headstart.cli.output import print_run

    print_run(fitted)
    told = capsys.readouterr().out
    assert "Transferability" in told
    assert fitted.results.transferability.agreement.words in told


def test_words_name_three_disputed_pairs_at_most() -> None:
    logme_falls = np.arange(4.0)
    scores = np.zeros((2, 4, 5))
    scores[..., 0] = -logme_falls
    scores[..., 1] = scores[..., 3] = -logme_falls  # log loss: the last is the best
    words = transferability_scores(scores, list("ABCD")).words
    assert words[0] == "The scores disagree on the best: LogME prefers A; kNN and the logistic probe prefer D."
    assert words[1].count("LogME alone") == 3
    assert words[1].endswith("; and 3 pairs more.")
