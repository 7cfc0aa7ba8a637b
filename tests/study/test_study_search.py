"""A study of several sources: choices equal brute force, halving too, test rows stay unseen, chunks survive kills."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from helpers import write_candidates

from headstart.data.split.make import make_split
from headstart.errors import InputError, RunError
from headstart.heads import HeadSpec, fit_heads, plan_chunks, prediction_cost, total_cost
from headstart.metrics import evaluate, find_metric
from headstart.results.candidates_table import read_candidates
from headstart.results.writers.candidates import candidate_rows, fold_rows, halving_words, optimism
from headstart.study import inner_selection
from headstart.study import nested_cv as nested
from headstart.study import time_estimate as duration
from headstart.study.data import StudyData
from headstart.study.execution.journal import Journal
from headstart.study.execution.tasks import FitSettings, fit_seed, inner_predictions, work_groups
from headstart.study.execution.workers import Workers, WorkItem
from headstart.study.fold_result import FoldResult
from headstart.study.folds import final_fold, outer_folds
from headstart.study.inner_selection import inner_items
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.search import inner_predictions as stored
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.choose import make_choice
from headstart.study.search.halving.plan import HalvingPlan, Request, shortened
from headstart.study.search.inner_predictions import InnerTask, PredictionStore
from headstart.study.time_estimate import MachineSpeed, measured_speed, study_seconds

SOURCES = (FeatureSourceSpec("vgg19"), FeatureSourceSpec("densenet121"))
DENSE = tuple(
    HeadSpec("dense", {"units": 8, "epochs": epochs, "learning_rate": rate, "batch_size": size})
    for rate in (1e-4, 1e-3, 1e-2)
    for size in (8, 16)
    for epochs in (2, 4)
)
HEADS = (*DENSE, HeadSpec("logistic", {"C": 0.01}), HeadSpec("logistic", {"C": 1.0}), HeadSpec("knn", {"k": 5}))
DIVERGING = HeadSpec("dense", {"units": 8, "epochs": 4, "learning_rate": 1e30, "optimizer": "sgd", "batch_size": 8})


def make_plan(heads: tuple[HeadSpec, ...] = HEADS, **changes: Any) -> StudyPlan:
    candidates = tuple(Candidate(source, head) for source in SOURCES for head in heads)
    return replace(StudyPlan(candidates, SOURCES, seed=5), **changes)


def make_data(n_images: int = 72, *, shifts: tuple[float, float] = (0.6, 0.9), seed: int = 0) -> StudyData:
    """Two sources of 6 and 10 features; the second tells the classes apart better."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n_images) % 2)
    features = [
        (generator.normal(size=(n_images, width)) + shift * labels[:, None]).astype(np.float32)
        for width, shift in zip((6, 10), shifts, strict=True)
    ]
    return StudyData(tuple(features), labels, 2)


def make_folds(data: StudyData, scheme: str = "nested:2x2") -> list[Any]:
    return outer_folds(make_split(data.labels, groups=data.groups, scheme=scheme, seed=1))


def fingerprint(result: FoldResult) -> tuple[Any, ...]:
    arrays = sorted((name, value.tobytes()) for name, value in result.head.to_tensors().items())
    judged = [(index, given.tobytes()) for index, given in result.candidate_probabilities.items()]
    return result.chosen, result.inner_scores.tobytes(), result.choice.tied.tobytes(), arrays, judged


def by_hand(data: StudyData, fold: Any, plan: StudyPlan) -> np.ndarray:
    """Inner out-of-fold probabilities of every candidate, each fitted alone, (candidates, n_train, classes)."""
    found = np.full((len(plan.candidates), len(fold.train), data.n_classes), np.nan)
    places = {row: place for place, row in enumerate(fold.train.tolist())}
    for index, candidate in enumerate(plan.candidates):
        features = data.features[plan.source_of(index)]
        for number, (train, validation) in enumerate(fold.inner):
            seed = fit_seed(plan.seed, fold, number, candidate.head.kind)
            head = fit_heads([candidate.head], features[train], data.labels[train], n_classes=2, seed=seed)[0]
            found[index, [places[row] for row in validation.tolist()]] = head.predict_proba(features[validation])
    return found


def task_of(data: StudyData, fold: Any, metric: str) -> InnerTask:
    return InnerTask.of(data.labels, fold.train, fold.inner, n_classes=2, metric=metric)


# Against brute force --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc"])
def test_choices_are_those_of_every_candidate_fitted_alone(metric: str) -> None:
    data, plan = make_data(), make_plan(choose_by=metric)
    for fold in make_folds(data):
        (found,) = run_folds(data, [fold], plan)
        expected = make_choice(
            by_hand(data, fold, plan), task_of(data, fold, metric), plan.costs(data, len(fold.train)), seed=plan.seed
        )
        np.testing.assert_allclose(found.inner_scores, expected.scores, atol=1e-4)
        np.testing.assert_allclose(found.choice.fold_scores, expected.fold_scores, atol=1e-4)
        assert found.chosen == expected.winner == found.choice.winner
        assert found.choice.tied.tolist() == expected.tied.tolist()
        assert found.choice.cheapest == expected.cheapest


def test_the_chosen_and_the_best_of_each_source_are_judged_by_heads_fitted_alone() -> None:
    data, plan = make_data(), make_plan()
    for result in run_folds(data, make_folds(data), plan):
        fold, half = result.outer, len(HEADS)
        best = {int(np.argmin(result.inner_scores[:half])), half + int(np.argmin(result.inner_scores[half:]))}
        assert set(result.candidate_probabilities) == set(result.record.outer_scores) == best
        assert result.chosen == int(np.argmin(result.inner_scores)) and result.chosen in best
        for index in best:
            candidate = plan.candidates[index]
            features, seed = (
                data.features[plan.source_of(index)],
                fit_seed(5, fold, len(fold.inner), candidate.head.kind),
            )
            head = fit_heads([candidate.head], features[fold.train], data.labels[fold.train], n_classes=2, seed=seed)[0]
            expected = head.predict_proba(features[fold.test])
            np.testing.assert_allclose(result.candidate_probabilities[index], expected, atol=1e-6)
            score = find_metric("log_loss")(data.labels[fold.test], result.candidate_probabilities[index])
            assert result.record.outer_scores[index] == pytest.approx(score)
        assert result.probabilities is result.candidate_probabilities[result.chosen]


def brute_halving(data: StudyData, fold: Any, plan: StudyPlan) -> list[int]:
    """Candidates left by the plain rules, from heads fitted alone: a third, then a third of those, of the dense heads.

    Trajectories pass first by their shortest candidate on the first inner fold, then by their best one there. Of the
    other kinds there are no more than always pass.
    """
    probabilities, rows = by_hand(data, fold, plan), fold.inner[0][1]
    places = [fold.train.tolist().index(row) for row in rows.tolist()]
    scores = [find_metric("log_loss")(data.labels[rows], given[places]) for given in probabilities]
    alive: dict[str, list[int]] = {}
    for index, (source, head) in enumerate((one.source, one.head) for one in plan.candidates):
        if head.kind == "dense":
            rest = {name: value for name, value in head.settings.items() if name != "epochs"}
            alive.setdefault(f"{source} {rest}", []).append(index)
    for judged in (1, 2):  # the shortest candidate, then both
        best = sorted(alive, key=lambda key: min(scores[index] for index in alive[key][:judged]))
        alive = {key: alive[key] for key in best[: max(plan.halving.least, -(-len(alive) // 3))]}
    others = [index for index, head in enumerate(plan.heads) if head.kind != "dense"]
    return sorted([*others, *(index for members in alive.values() for index in members)])


def test_halving_keeps_and_chooses_what_brute_force_does() -> None:
    """Of 12 trajectories of dense heads 4 and then 2 are left; heads without epochs are few enough to pass."""
    data, plan = make_data(), make_plan((*DENSE, HEADS[-1]), halving=HalvingPlan(least=2))
    for fold in make_folds(data):
        (found,) = run_folds(data, [fold], plan)
        expected = brute_halving(data, fold, plan)
        assert len(expected) == 2 * 2 + 2
        assert list(found.record.compared) == expected
        assert found.record.halved is not None and found.record.halved.kept == found.record.compared
        costs = plan.costs(data, len(fold.train))[expected]
        choice = make_choice(by_hand(data, fold, plan)[expected], task_of(data, fold, "log_loss"), costs, seed=5)
        assert found.chosen == expected[choice.winner]
        np.testing.assert_allclose(found.inner_scores[expected], choice.scores, atol=1e-4)
        dropped = np.setdiff1d(np.arange(len(plan.candidates)), expected)
        assert np.isnan(found.inner_scores[dropped]).all()


def test_halving_fits_less_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data, fitted = make_data(), []
    plain = inner_selection.inner_predictions

    def count(study: StudyData, rows: Any, heads: Any, *rest: Any) -> Any:
        fitted.append(sum(head.whole("epochs") for head in heads))
        return plain(study, rows, heads, *rest)

    monkeypatch.setattr(inner_selection, "inner_predictions", count)
    plan, folds = make_plan(DENSE), make_folds(data)[:1]
    run_folds(data, folds, plan)
    every = sum(fitted)
    fitted.clear()
    (found,) = run_folds(data, folds, replace(plan, halving=HalvingPlan(least=1)))
    assert sum(fitted) < every / 2
    words = halving_words([found])
    assert words == (
        "Successive halving: 18 of 24 fits, 48 of 96 epochs; 4 of 24 candidates came to the end of each choice."
    )
    assert halving_words(run_folds(data, folds, plan)) is None


# Truth ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["nested:2x2", "nested:3x1", "nested:2of3x2", "holdout:60/20/20"])
@pytest.mark.parametrize("halving", [None, HalvingPlan(least=2)])
def test_test_rows_change_no_choice_and_no_head(halving: HalvingPlan | None, scheme: str) -> None:
    """Poison: features of both sources and labels of the test rows replaced."""
    data, plan = make_data(), make_plan(halving=halving)
    for fold in make_folds(data, scheme):
        poisoned = replace(data, features=tuple(map(np.copy, data.features)), labels=data.labels.copy())
        for features in poisoned.features:
            features[fold.test] = 50 * np.random.default_rng(9).normal(size=(len(fold.test), features.shape[1]))
        poisoned.labels[fold.test] = 1 - poisoned.labels[fold.test]
        (clean,), (other,) = run_folds(data, [fold], plan), run_folds(poisoned, [fold], plan)
        assert fingerprint(clean)[:4] == fingerprint(other)[:4]
        assert clean.record.outer_scores != other.record.outer_scores
        assert list(clean.candidate_probabilities) == list(other.candidate_probabilities)  # nor which are judged


def test_noise_scores_at_chance_though_the_best_of_many_looks_better() -> None:
    """Poison: labels of pure noise, two sources, halving."""
    plan = make_plan(HEADS, choose_by="accuracy", halving=HalvingPlan(least=2))
    judged, gaps = [], []
    for seed in range(10):
        data = make_data(60, shifts=(0.0, 0.0), seed=seed)
        folds = run_folds(data, make_folds(data), plan)
        found = evaluate(gather(data, folds, ("a", "b"), 1, 1), per_class=False, seed=0)
        judged.append(found.metrics["accuracy"].to_json()["value"])
        gaps.append(optimism(folds, found, plan).difference or 0.0)
    error = np.std(judged, ddof=1) / np.sqrt(len(judged))
    assert abs(np.mean(judged) - 0.5) < 3 * error < 0.15
    assert np.mean(gaps) > 0.03  # choosing flatters: the guard has something to guard against


# Failures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("halving", [None, HalvingPlan(least=2)])
def test_a_head_that_diverges_is_recorded_never_chosen_and_spoils_nothing(halving: HalvingPlan | None) -> None:
    data = make_data()
    clean = make_plan(DENSE, halving=halving)
    plan = replace(clean, candidates=(*clean.candidates, Candidate(SOURCES[1], DIVERGING)))
    fold = make_folds(data)[0]
    (without,), (found,) = run_folds(data, [fold], clean), run_folds(data, [fold], plan)
    number, record = len(clean.candidates), found.record
    assert found.chosen == without.chosen and np.isnan(found.inner_scores[number])
    np.testing.assert_allclose(found.inner_scores[:number], without.inner_scores, atol=1e-5)
    if record.halved is None:
        assert record.choice.failed[number] and not record.choice.tied[number]
        assert fold_rows(data, [found], plan)[0].n_failed == 1
    else:
        assert record.halved.failed[number] and number not in record.compared


def test_where_all_diverge_the_study_says_so() -> None:
    data = make_data()
    for halving in (None, HalvingPlan()):
        plan = make_plan((DIVERGING,), halving=halving)
        with pytest.raises(RunError, match=r"None of 2 candidates has a Log loss on the inner folds \(2 failed\)"):
            run_folds(data, make_folds(data)[:1], plan)


def test_a_winner_that_diverges_on_all_training_rows_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    data, plan, fold = make_data(), make_plan(DENSE), make_folds(make_data())[0]
    (expected,) = run_folds(data, [fold], plan)
    order = np.argsort(expected.inner_scores, kind="stable")
    plain = nested.fit_and_predict

    def failing(data: StudyData, fold: Any, head: HeadSpec, *rest: Any) -> dict[str, Any]:
        bad = {plan.candidates[index].head for index in order[:2]}
        return {"failed": np.array([True])} if head in bad else plain(data, fold, head, *rest)

    monkeypatch.setattr(nested, "fit_and_predict", failing)
    (found,) = run_folds(data, [fold], plan)
    fine = [index for index in order if plan.candidates[index].head not in {plan.candidates[i].head for i in order[:2]}]
    assert found.choice.winner == order[0] and found.chosen == fine[0] == found.record.chosen
    assert order[0] not in found.candidate_probabilities
    monkeypatch.setattr(nested, "fit_and_predict", lambda *a: {"failed": np.array([True])})
    with pytest.raises(RunError, match=r"Each of 24 candidates diverges .* Try lower learning rates"):
        run_folds(data, [fold], plan)


# Pieces ---------------------------------------------------------------------------------------------------------------


def test_pieces_cover_every_candidate_and_inner_fold_once() -> None:
    data, plan, fold = make_data(), make_plan(), make_folds(make_data())[0]
    with Workers(1) as workers:
        study = inner_selection.StudyContext(data, plan, Journal(None), workers)
        items = inner_items(study, fold, inner_selection.everything(study, fold))
        brief = inner_items(study, fold, Request(tuple(range(4)), (1,), 2))
    covered = [(index, one.number) for one in items for index in one.candidates]
    assert sorted(covered) == [(index, number) for index in range(len(plan.candidates)) for number in range(2)]
    assert len({one.work.key for one in items}) == len(items)
    groups = work_groups(HEADS, 6, 2, 40)
    chunks = plan_chunks(DENSE, n_features=6, n_classes=2, n_rows=40)
    assert groups[:2] == [list(chunk.indices) for chunk in chunks] and groups[2:] == [[12, 13], [14]]
    assert not {one.work.key for one in brief} & {one.work.key for one in items}
    assert {head.whole("epochs") for one in brief for head in one.work.arguments[2]} == {2}
    assert shortened(HEADS[-1], 2) is HEADS[-1] and shortened(DENSE[0], 9) is DENSE[0]


def test_many_heads_of_another_kind_are_several_work_items() -> None:
    """Each SVM holds training rows of its own: hundreds in one work item would fill the memory."""
    machines = [HeadSpec("svm", {"C": 1.0 + number}) for number in range(30)]
    heads = [*machines, HeadSpec("lda"), *DENSE[:1]]
    groups = work_groups(heads, 6, 2, 40)
    assert [len(group) for group in groups] == [1, 12, 12, 6, 1]
    assert sorted(place for group in groups for place in group) == list(range(32))
    data, fold = make_data(), make_folds(make_data())[0]
    whole = inner_predictions(data, fold.inner[0], machines[:14], FitSettings(0))["probabilities"]
    parts = [inner_predictions(data, fold.inner[0], part, FitSettings(0)) for part in (machines[:12], machines[12:14])]
    assert np.array_equal(whole, np.concatenate([part["probabilities"] for part in parts]))


@pytest.mark.parametrize("limit", [0, 2**20])
def test_predictions_come_back_as_they_were_from_memory_and_from_a_file(limit: int, monkeypatch) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY_BYTES", limit)
    data, plan, fold = make_data(), make_plan(HEADS[-2:]), make_folds(make_data())[0]
    (found,) = run_folds(data, [fold], plan)
    np.testing.assert_allclose(
        found.inner_scores,
        make_choice(by_hand(data, fold, plan), task_of(data, fold, "log_loss"), np.ones(4)).scores,
        rtol=1e-6,
    )
    predictions = PredictionStore(4, fold, 2)
    assert isinstance(predictions._table, np.memmap) == (limit == 0)
    assert [len(part) for part in (predictions, predictions[1:3], predictions.of((3,)))] == [4, 2, 1]


def is_map(data: StudyData, *_: Any) -> dict[str, Any]:
    return {
        "maps": np.array(
            [isinstance(features.base, np.memmap) or isinstance(features, np.memmap) for features in data.features]
        )
    }


def test_workers_get_large_features_as_memory_maps(tmp_path: Path) -> None:
    stored = np.lib.format.open_memmap(tmp_path / "features.npy", mode="w+", dtype=np.float32, shape=(2000, 200))
    data = StudyData((np.zeros((2000, 200), dtype=np.float32), stored), np.zeros(2000, dtype=np.int64), 2)
    with Workers(2) as workers:
        found = dict(workers.finished([WorkItem(name, is_map, (data.of_source(int(name)),)) for name in "01"]))
    assert all(given["maps"].all() for given in found.values())


def test_two_processes_give_the_bytes_of_one() -> None:
    data, folds = make_data(), make_folds(make_data())
    for halving in (None, HalvingPlan(least=2)):
        plan = make_plan(halving=halving)
        alone, together = run_folds(data, folds, plan), run_folds(data, folds, replace(plan, n_jobs=2))
        assert [fingerprint(one) for one in alone] == [fingerprint(one) for one in together]


KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = [str(Path(sys.argv[1]).parent), str(Path(sys.argv[1]).parents[1])]
import test_study_search as here
from headstart.study import inner_selection
plain = inner_selection.inner_predictions
def slow(*arguments):
    time.sleep(0.15)
    return plain(*arguments)
inner_selection.inner_predictions = slow
data = here.make_data()
halving = here.HalvingPlan(least=2) if sys.argv[3] == "halving" else None
here.run_folds(data, here.make_folds(data), here.make_plan(halving=halving), journal=here.Journal(Path(sys.argv[2])))
"""


@pytest.mark.parametrize("way", ["all", "halving"])
def test_a_killed_study_goes_on_with_all_finished_chunks_and_ends_the_same(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "work"
    killed = warm.Child(KILLED, __file__, journal, way)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(journal.glob("*.safetensors"))) < 5:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    finished = {path.stem for path in journal.glob("*.safetensors")}
    assert len(finished) >= 5
    data, ran = make_data(), []
    plain = inner_selection.inner_predictions
    plan = make_plan(halving=HalvingPlan(least=2) if way == "halving" else None)
    expected = run_folds(data, make_folds(data), plan, journal=Journal(tmp_path / "whole"))
    monkeypatch.setattr(inner_selection, "inner_predictions", lambda *a: ran.append(1) or plain(*a))
    resumed = run_folds(data, make_folds(data), plan, journal=Journal(journal))
    assert [fingerprint(one) for one in resumed] == [fingerprint(one) for one in expected]
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert whole == {path.name: path.read_bytes() for path in journal.glob("*.safetensors")}
    assert len(ran) == sum("-inner" in name for name in whole) - sum("-inner" in name for name in finished)


# What is written down -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("halving", [None, HalvingPlan(least=2)])
def test_the_table_of_candidates_holds_every_fold(halving: HalvingPlan | None, tmp_path: Path) -> None:
    data, plan = make_data(), make_plan(halving=halving)
    split = make_split(data.labels, scheme="nested:2x2", seed=1)
    found = run_folds(data, [*outer_folds(split), final_fold(split)], plan)
    path = tmp_path / "candidates.parquet"
    records = [result.record for result in found]
    write_candidates(path, plan.candidates, records, metric=plan.choose_by, halving=halving_words(found))
    columns = read_candidates(path).columns
    assert columns["fold"].tolist() == [fold for fold in (0, 1, -1) for _ in plan.candidates]
    assert columns["backbone"].tolist() == [one.source.backbone for one in plan.candidates] * 3
    assert columns["inner_score"].tolist() == pytest.approx(
        np.concatenate([result.inner_scores for result in found]).tolist(), nan_ok=True
    )
    for place, result in enumerate(found):
        rows = slice(place * len(plan.candidates), (place + 1) * len(plan.candidates))
        assert np.flatnonzero(columns["chosen"][rows]).tolist() == [result.chosen]
        judged = np.flatnonzero(~np.isnan(columns["outer_score"][rows])).tolist()
        assert judged == ([] if place == 2 else sorted(result.candidate_probabilities))


def test_results_list_fifty_candidates_the_chosen_and_the_tied_first() -> None:
    heads = tuple(HeadSpec("logistic", {"C": float(C)}) for C in np.geomspace(1e-4, 10, 40))
    data, plan = make_data(), make_plan(heads)
    folds = run_folds(data, make_folds(data), plan)
    rows = candidate_rows(folds, plan)
    numbers = [row.number for row in rows]
    assert len(rows) == 50 and numbers == sorted(numbers) and len(plan.candidates) == 80
    assert {result.chosen for result in folds} <= set(numbers)
    assert sum(row.times_chosen for row in rows) == len(folds)
    ties = np.sum([result.choice.tied for result in folds], axis=0)
    least = min(row.times_tied for row in rows if not row.times_chosen)
    assert ties[np.setdiff1d(np.arange(80), numbers)].max() <= least
    place = numbers.index(folds[0].chosen)
    assert rows[place].label.startswith(("vgg19: ", "densenet121: "))
    first = fold_rows(data, folds, plan)[0]
    assert [one.source for one in first.best_of_sources] == [0, 1]
    assert first.n_tied == int(folds[0].choice.tied.sum()) and first.n_compared == 80
    assert first.cheapest_tied.number == folds[0].choice.cheapest


# Plan and duration ----------------------------------------------------------------------------------------------------


def test_a_plan_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="There is no candidate to try"):
        StudyPlan(())
    with pytest.raises(InputError, match="features of 'vgg11', which is no source of the plan"):
        StudyPlan((Candidate(FeatureSourceSpec("vgg11"), HEADS[0]),), SOURCES)
    with pytest.raises(InputError, match="names the source 'vgg19' twice"):
        StudyPlan((Candidate(SOURCES[0], HEADS[0]),), (SOURCES[0], SOURCES[0]))
    with pytest.raises(InputError, match="2 sources need as many seconds per image, not 1"):
        make_plan(seconds_per_image=(0.1,))


def test_features_that_cost_more_make_a_candidate_dearer() -> None:
    data, plan = make_data(), make_plan(HEADS[:1])
    plain, dear = plan.costs(data, 50), replace(plan, seconds_per_image=(0.5, 0.0)).costs(data, 50)
    assert dear - plain == pytest.approx([1050 * 0.5, 0.0])


def test_seconds_grow_with_the_work_and_shrink_with_workers_and_halving() -> None:
    data, speed = make_data(600), MachineSpeed({8: 1.0, 16: 1.0}, 1.0)
    folds = make_folds(data, "nested:3x4")
    plan = make_plan(DENSE)

    def seconds(plan: StudyPlan, folds: Any = folds) -> float:
        return study_seconds(folds, plan, (6, 10), 2, speed=speed)

    assert seconds(plan) == pytest.approx(3 * seconds(plan, folds[:1]), rel=0.05)
    assert seconds(replace(plan, candidates=plan.candidates[:12])) < seconds(plan) < seconds(make_plan(HEADS))
    assert seconds(replace(plan, halving=HalvingPlan(least=1))) < 0.6 * seconds(plan)
    slower = study_seconds(folds, plan, (6, 10), 2, speed=MachineSpeed({8: 3.0, 16: 3.0}, 1.0))
    assert 2.5 * seconds(plan) < slower < 3 * seconds(plan)  # comparing candidates is not slower
    two = seconds(replace(plan, n_jobs=2)) - duration.START_WORKERS_S
    assert seconds(plan) / 2 < two < 0.6 * seconds(plan)


def test_seconds_count_the_predictions_of_neighbours_once_for_all_their_heads() -> None:
    data, speed, n_sources = make_data(600), MachineSpeed({}, 1.0, compared_s=0.0), 2
    folds = make_folds(data, "nested:3x2")
    one, three = (
        study_seconds(folds, make_plan(tuple(HeadSpec("knn", {"k": k}) for k in ks)), (60, 60), 2, speed=speed)
        for ks in ((5,), (5, 7, 9))
    )
    fitted = [(len(train), len(test)) for fold in folds for train, test in (*fold.inner, (fold.train, fold.test))]
    heads = [HeadSpec("knn")]
    fit_s = sum(total_cost(heads, n_rows, 60, 2) for n_rows, _ in fitted)
    predict_s = sum(n_predicted * prediction_cost(heads, n_rows, 60, 2) for n_rows, n_predicted in fitted)
    assert one == three == pytest.approx(n_sources * (fit_s + predict_s))
    assert predict_s > fit_s


def test_the_expected_epochs_of_a_race_are_those_it_runs() -> None:
    """With equal seconds for every epoch, the estimate of a race is the number of epochs halving counts."""
    data = make_data()
    plan = make_plan(DENSE, halving=HalvingPlan(least=1))
    folds = make_folds(data)[:1]
    (found,) = run_folds(data, folds, plan)
    assert found.record.halved is not None
    rows = duration._Rows(18, 9, plan, (6, 6), 2, MachineSpeed({8: 1.0, 16: 1.0}, 1.0))
    whole = rows.seconds(plan.candidates) * 2  # 12 trajectories of 4 epochs on 2 inner folds: 96 epochs
    race = duration._halved_seconds("dense", rows, plan.halving, 2)
    assert race / whole == pytest.approx(found.record.halved.epochs[0] / found.record.halved.epochs[1], rel=0.02)


@pytest.mark.parametrize("heads", [HEADS, HEADS[-2:]])
def test_the_pace_of_this_machine_is_measured_for_every_batch_size(heads: tuple[HeadSpec, ...]) -> None:
    speed = measured_speed(make_plan(heads, n_jobs=2), (6, 10), 2, 40)
    assert sorted(speed.dense) == sorted({head.whole("batch_size") for head in heads if head.kind == "dense"})
    assert all(0 < factor < 1e4 for factor in (*speed.dense.values(), speed.other))
    assert 0 < speed.compared_s < 1e-3
    assert speed.of(HEADS[-1]) == speed.other
    assert study_seconds(make_folds(make_data()), make_plan(heads), (6, 10), 2) > 0


def test_the_trial_makes_up_no_more_rows_than_an_epoch_of_the_folds_has(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    rows = duration._made_up_rows
    monkeypatch.setattr(duration, "_made_up_rows", lambda size, *rest: made.append(size) or rows(size, *rest))
    plan = make_plan((HeadSpec("dense", {"units": 8, "batch_size": 10**6, "epochs": 1}),))
    assert study_seconds(make_folds(make_data()), plan, (6, 10), 2) < 100
    assert made == [8]


def test_dense_pieces_in_bf16_are_close_and_not_the_same() -> None:
    data, fold = make_data(), make_folds(make_data())[0]
    fp32, bf16 = (
        inner_predictions(data, fold.inner[0], DENSE[:2], FitSettings(0, name))["probabilities"]
        for name in ("fp32", "bf16")
    )
    assert 0 < np.abs(fp32 - bf16).max() < 0.02
