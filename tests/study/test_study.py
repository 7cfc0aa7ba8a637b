"""The experiment: nothing of a test fold reaches a fit, choices are honest, work items resume, runs stay whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import warm
from threadpoolctl import threadpool_info, threadpool_limits

from headstart.data.split.make import make_split
from headstart.data.split.split import Split
from headstart.engines.engine import Engine
from headstart.errors import RunError, StorageError
from headstart.heads import HeadSpec, fit_heads, training_rows
from headstart.metrics import evaluate, find_metric
from headstart.results.writers.candidates import candidate_rows, fold_rows, ignored_groups, optimism
from headstart.runtime.threads import torch_threads
from headstart.study import inner_selection
from headstart.study.data import StudyData
from headstart.study.execution import tasks
from headstart.study.execution.journal import Journal
from headstart.study.execution.run_folder import check_output_folder, claimed, differences, read_run, stored_engine
from headstart.study.execution.tasks import FitSettings, fit_and_predict, fit_seed, inner_predictions
from headstart.study.execution.workers import Workers, WorkItem, run_item, run_items
from headstart.study.fold_result import FoldResult
from headstart.study.folds import final_fold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.search.choose import pooled_scores, ranked
from headstart.study.search.inner_predictions import InnerTask

SPECS = (
    HeadSpec("logistic", {"C": 0.01}),
    HeadSpec("logistic", {"C": 1.0}),
    HeadSpec("knn", {"k": 5}),
    HeadSpec("dense", {"epochs": 2, "units": 8}),
    HeadSpec("svm", {"C": 1.0}),
)
PLAN = StudyPlan.of_heads(SPECS, seed=3)
CHEAP = StudyPlan.of_heads(SPECS[:3], seed=3)


def make_data(n_images: int = 60, *, shift: float = 1.0, seed: int = 0, groups: bool = False) -> StudyData:
    """Two classes, `shift` standard deviations apart in every second of eight features."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_images) % 2)
    features = rng.normal(size=(n_images, 8))
    features[:, ::2] += shift * labels[:, None]
    numbers = rng.integers(0, n_images // 4, n_images) if groups else None
    return StudyData((features.astype(np.float32),), labels, 2, groups=numbers)


def make_folds(data: StudyData, scheme: str = "nested:3x2", **options: Any) -> Split:
    return make_split(data.labels, groups=data.groups, scheme=scheme, seed=1, **options)


def same(first: list[FoldResult], second: list[FoldResult]) -> bool:
    """To the last bit: choices, scores, heads and probabilities."""
    return [fingerprint(result) for result in first] == [fingerprint(result) for result in second]


def fingerprint(result: FoldResult) -> tuple[Any, ...]:
    arrays = {name: value.tobytes() for name, value in result.head.to_tensors().items()}
    return result.chosen, result.inner_scores.tobytes(), result.probabilities.tobytes(), sorted(arrays.items())


# Truth ----------------------------------------------------------------------------------------------------------------


def test_noise_scores_at_chance_however_much_is_tried() -> None:
    """Poison: labels of pure noise; the best inner score looks better than chance, the outer judgement does not."""
    specs = tuple(HeadSpec("logistic", {"C": C}) for C in (1e-3, 1e-2, 0.1, 1.0, 10.0)) + tuple(
        HeadSpec("knn", {"k": k}) for k in (1, 3, 5, 9, 15)
    )
    plan = replace(StudyPlan.of_heads(specs), choose_by="accuracy")
    judged, looked = [], []
    for seed in range(12):
        data = make_data(60, shift=0.0, seed=seed)
        results = run_folds(data, outer_folds(make_folds(data)), plan)
        oof = gather(data, results, ("a", "b"), None, 1)
        judged.append(float(find_metric("accuracy")(oof.labels, oof.probabilities[0], None, positive=None)))
        looked.append(np.mean([result.inner_scores[result.chosen] for result in results]))
    error = np.std(judged, ddof=1) / np.sqrt(len(judged))
    assert abs(np.mean(judged) - 0.5) < 3 * error
    assert error < 0.04
    assert np.mean(looked) > 0.5 + 3 * error  # choosing does flatter: the guard has something to guard against


@pytest.mark.parametrize("scheme", ["nested:3x2", "nested:3x1", "holdout:60/20/20"])
def test_test_rows_leave_the_fitted_head_as_it_was(scheme: str) -> None:
    """Poison: features and labels of the test rows replaced; the choice and the head stay the same to the last bit."""
    data = make_data()
    for fold in outer_folds(make_folds(data, scheme)):
        poisoned = replace(data, features=(data.features[0].copy(),), labels=data.labels.copy())
        poisoned.features[0][fold.test] = 1e3 * np.random.default_rng(9).normal(size=(len(fold.test), 8))
        poisoned.labels[fold.test] = 1 - poisoned.labels[fold.test]
        (clean,), (other,) = run_folds(data, [fold], PLAN), run_folds(poisoned, [fold], PLAN)
        assert fingerprint(clean)[:2] == fingerprint(other)[:2]
        assert fingerprint(clean)[3] == fingerprint(other)[3]
        assert clean.probabilities.tobytes() != other.probabilities.tobytes()


def test_a_training_row_does_change_the_head() -> None:
    """The poison test above can fail."""
    data = make_data()
    fold = outer_folds(make_folds(data))[0]
    changed = replace(data, features=(data.features[0].copy(),))
    changed.features[0][fold.train[0]] += 3
    (clean,), (other,) = run_folds(data, [fold], CHEAP), run_folds(changed, [fold], CHEAP)
    assert fingerprint(clean)[3] != fingerprint(other)[3]


@pytest.mark.parametrize("grouped", [False, True])
def test_no_fit_ever_sees_a_test_row_or_its_group(grouped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spy on every fit: rows are recognised by a feature that numbers them."""
    data = make_data(groups=grouped)
    data.features[0][:, 7] = np.arange(len(data.labels))
    fitted: list[set[int]] = []

    def note(features: np.ndarray) -> None:
        fitted.append(set(features[:, 7].astype(int).tolist()))

    fit, stack = fit_heads, training_rows
    monkeypatch.setattr(
        tasks, "fit_heads", lambda specs, features, *a, **o: note(features) or fit(specs, features, *a, **o)
    )
    monkeypatch.setattr(tasks, "training_rows", lambda features, *a, **o: note(features) or stack(features, *a, **o))
    for fold in outer_folds(make_folds(data)):
        fitted.clear()
        run_folds(data, [fold], PLAN)
        assert len(fitted) >= 4 * 2 + 1  # four kinds on two inner folds, and the last fit
        allowed = [set(train.tolist()) for train, _ in fold.inner] + [set(fold.train.tolist())]
        assert {frozenset(rows) for rows in fitted} == {frozenset(rows) for rows in allowed}
        assert all(not rows & set(fold.test.tolist()) for rows in fitted)
        if data.groups is not None:
            held = set(data.groups[fold.test].tolist())
            assert all(not held & set(data.groups[sorted(rows)].tolist()) for rows in fitted)


@pytest.mark.parametrize("specs", [SPECS[:2], SPECS[3:4], SPECS[4:]])
def test_inner_probabilities_are_those_of_a_plain_loop(specs: tuple[HeadSpec, ...]) -> None:
    data = make_data()
    fold = outer_folds(make_folds(data))[1]
    for number, (train, validation) in enumerate(fold.inner):
        seed = fit_seed(3, fold, number, specs[0].kind)
        found = inner_predictions(data, (train, validation), specs, FitSettings(seed))["probabilities"]
        for index, spec in enumerate(specs):
            head = fit_heads([spec], data.features[0][train], data.labels[train], n_classes=2, seed=seed)[0]
            expected = head.predict_proba(data.features[0][validation])
            np.testing.assert_allclose(found[index], expected, atol=1e-5 if spec.kind == "dense" else 1e-7)


def test_outer_probabilities_are_those_of_the_head_kept() -> None:
    data = make_data()
    for result in run_folds(data, outer_folds(make_folds(data)), PLAN):
        again = result.head.predict_proba(data.features[0][result.outer.test])
        assert again.tobytes() == result.probabilities.tobytes()


def test_weights_count_as_copies_in_fits_and_in_choices() -> None:
    """A row of weight 0 is as good as absent; chosen scores are weighted."""
    data = make_data()
    weights = np.ones(len(data.labels))
    off = np.random.default_rng(4).choice(len(weights), 15, replace=False)
    weights[off] = 0.0
    weighted = replace(data, weights=weights)
    fold = outer_folds(make_folds(weighted))[0]
    (found,) = run_folds(weighted, [fold], CHEAP)
    kept = np.setdiff1d(fold.train, off)
    spec = CHEAP.heads[found.chosen]
    seed = fit_seed(3, fold, len(fold.inner), spec.kind)
    alone = fit_heads([spec], data.features[0][kept], data.labels[kept], n_classes=2, seed=seed)[0]
    np.testing.assert_allclose(alone.predict_proba(data.features[0][fold.test]), found.probabilities, atol=1e-6)
    losses = []
    for number, (train, validation) in enumerate(fold.inner):
        seed = fit_seed(3, fold, number, spec.kind)
        predicted = inner_predictions(weighted, (train, validation), [spec], FitSettings(seed))["probabilities"][0]
        losses += [-np.log(row[data.labels[i]]) for i, row in zip(validation, predicted, strict=True) if i not in off]
    assert found.inner_scores[found.chosen] == pytest.approx(np.mean(losses), rel=1e-6)


def test_groups_stay_whole_in_the_calibration_of_the_svm(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(groups=True)
    seen = []
    monkeypatch.setattr(
        tasks, "fit_heads", lambda *a, groups, **o: seen.append(groups.copy()) or fit_heads(*a, groups=groups, **o)
    )
    fold = outer_folds(make_folds(data))[0]
    fit_and_predict(data, fold, SPECS[4], FitSettings(0))
    assert np.array_equal(seen[0], data.groups[fold.train])


# Choosing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "metric", "best"),
    [
        ([0.7, 0.2, 0.5], "log_loss", 1),
        ([0.7, 0.9, 0.5], "accuracy", 1),
        ([0.5, 0.5, 0.6], "log_loss", 0),
        ([0.6, 0.5, 0.5], "log_loss", 1),
        ([np.nan, 0.9, 0.5], "log_loss", 2),
        ([np.nan, -0.9, np.nan], "mcc", 1),
        ([np.inf, 0.4], "log_loss", 1),
    ],
)
def test_the_best_is_chosen_the_first_of_equals_and_never_nan(scores: list[float], metric: str, best: int) -> None:
    assert ranked(np.array(scores), metric)[0] == best


def test_the_chosen_candidate_has_the_best_inner_score() -> None:
    data = make_data()
    for result in run_folds(data, outer_folds(make_folds(data)), PLAN):
        assert result.inner_scores[result.chosen] == result.inner_scores.min()
        assert result.inner_scores.tobytes() == result.inner_log_loss.tobytes()
    for result in run_folds(data, outer_folds(make_folds(data)), replace(PLAN, choose_by="roc_auc")):
        assert result.inner_scores[result.chosen] == result.inner_scores.max()


def test_a_candidate_without_finite_probabilities_is_not_scored() -> None:
    data = make_data()
    fold = outer_folds(make_folds(data))[0]
    predicted = np.full((2, len(fold.train), 2), 0.5)
    predicted[1, 3] = np.nan
    task = InnerTask.of(data.labels, fold.train, fold.inner, n_classes=2, metric="log_loss")
    np.testing.assert_allclose(pooled_scores(predicted, task), [np.log(2), np.nan])


def test_holdout_chooses_on_validation_rows_alone_and_judges_test_rows_alone() -> None:
    data = make_data(100)
    (fold,) = outer_folds(make_folds(data, "holdout:60/20/20"))
    ((train, validation),) = fold.inner
    assert (len(train), len(validation), len(fold.test)) == (60, 20, 20)
    (result,) = run_folds(data, [fold], CHEAP)
    spec = CHEAP.heads[result.chosen]
    seed = fit_seed(3, fold, 0, spec.kind)
    head = fit_heads([spec], data.features[0][train], data.labels[train], n_classes=2, seed=seed)[0]
    expected = -np.log(head.predict_proba(data.features[0][validation])[np.arange(20), data.labels[validation]]).mean()
    assert result.inner_scores[result.chosen] == pytest.approx(expected)
    oof = gather(data, [result], ("a", "b"), None, 1)
    assert oof.rows_of(0).tolist() == fold.test.tolist()


def test_the_final_head_is_chosen_over_all_rows_and_fitted_on_all() -> None:
    data = make_data()
    fold = final_fold(make_folds(data))
    assert fold.key == "final"
    assert len(fold.train) == len(data.labels)
    assert sorted(np.concatenate([validation for _, validation in fold.inner]).tolist()) == fold.train.tolist()
    (result,) = run_folds(data, [fold], CHEAP)
    assert result.probabilities.shape == (0, 2)


# Where the work runs --------------------------------------------------------------------------------------------------


def test_worker_processes_and_company_never_change_the_results(tmp_path: Path) -> None:
    """One process or two, in memory or through files, all folds at once or one after the other: the same bits."""
    data = make_data(groups=True)
    folds = outer_folds(make_folds(data, repeats=2))
    with threadpool_limits(2):
        alone = run_folds(data, folds, PLAN)
        assert same(alone, run_folds(data, folds, replace(PLAN, n_jobs=2), journal=Journal(tmp_path)))
    assert same(alone[::-1], [run_folds(data, [fold], PLAN)[0] for fold in reversed(folds)])


def test_the_seed_reaches_the_heads() -> None:
    data = make_data()
    folds = outer_folds(make_folds(data))[:1]
    plan = StudyPlan.of_heads(SPECS[3:4], seed=3)
    assert not same(run_folds(data, folds, plan), run_folds(data, folds, replace(plan, seed=4)))


# Resuming -------------------------------------------------------------------------------------------------------------


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("n_finished", [0, 1, 7, 14])
def test_pieces_from_disk_give_the_same_results(
    n_finished: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data()
    folds = outer_folds(make_folds(data))
    put = Journal.put
    left = [n_finished]

    def stopping(self: Journal, key: str, tensors: Any) -> None:
        if not left[0]:
            raise StoppedError
        left[0] -= 1
        put(self, key, tensors)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "put", stopping)
        with pytest.raises(StoppedError):
            run_folds(data, folds, CHEAP, journal=Journal(tmp_path))
    assert len(list(tmp_path.iterdir())) == n_finished
    ran = []
    plain = inner_selection.inner_predictions
    monkeypatch.setattr(inner_selection, "inner_predictions", lambda *a: ran.append(1) or plain(*a))
    resumed = run_folds(data, folds, CHEAP, journal=Journal(tmp_path))
    assert len(ran) == max(0, 12 - n_finished)  # two kinds of heads on two inner folds of three folds
    assert same(resumed, run_folds(data, folds, CHEAP))


@pytest.mark.parametrize(
    "damage", [lambda c: b"", lambda c: c[:-9], lambda c: c[:50] + b"X" + c[51:], lambda c: c[:20]]
)
def test_a_damaged_piece_is_computed_again(damage: Any, tmp_path: Path) -> None:
    data = make_data()
    folds = outer_folds(make_folds(data))
    expected = run_folds(data, folds, CHEAP, journal=Journal(tmp_path))
    files = sorted(tmp_path.iterdir())
    for file in files[::2]:
        file.write_bytes(damage(file.read_bytes()))
        assert Journal(tmp_path).get(file.stem) is None
    assert same(run_folds(data, folds, CHEAP, journal=Journal(tmp_path)), expected)
    assert all(Journal(tmp_path).get(file.stem) is not None for file in files)


def test_two_studies_of_one_run_are_kept_apart(tmp_path: Path) -> None:
    data = make_data(groups=True)
    loose = replace(data, groups=None)
    journal = Journal(tmp_path)
    kept = run_folds(data, outer_folds(make_folds(data)), CHEAP, journal=journal)
    ignored = run_folds(loose, outer_folds(make_folds(loose)), CHEAP, journal=journal, prefix="tax-")
    assert not same(kept, ignored)
    assert same(run_folds(data, outer_folds(make_folds(data)), CHEAP, journal=Journal(tmp_path)), kept)


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("headstart.storage.os.replace", full)
    with pytest.raises(StorageError, match="the disk is full; free some space"):
        Journal(tmp_path).put("a", {"x": np.zeros(3)})
    assert list(tmp_path.iterdir()) == []


def test_a_piece_that_fails_keeps_those_before_it(tmp_path: Path) -> None:
    def good() -> dict[str, Any]:
        return {"x": np.arange(3)}

    def bad() -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_items([WorkItem("a", good, ()), WorkItem("b", bad, ())], Journal(tmp_path), Workers(1))
    assert Journal(tmp_path).get("a")["x"].tolist() == [0, 1, 2]
    assert Journal(tmp_path).get("b") is None


def test_a_piece_runs_on_one_thread() -> None:
    import torch

    def n_threads() -> list[int]:
        return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]

    with torch_threads(2), threadpool_limits(2):
        before = n_threads()
        _, found = run_item(WorkItem("a", lambda: {"n": np.array(n_threads())}, ()))
        assert set(found["n"].tolist()) == {1}
        assert n_threads() == before and set(before) == {2}


# What a study found ---------------------------------------------------------------------------------------------------


def test_rows_of_the_results_are_those_of_the_folds() -> None:
    data = make_data(groups=True)
    folds = run_folds(data, outer_folds(make_folds(data)), PLAN)
    rows = fold_rows(data, folds, PLAN)
    for row, result in zip(rows, folds, strict=True):
        right = result.probabilities.argmax(axis=1) == data.labels[result.outer.test]
        assert row.metrics["accuracy"] == pytest.approx(right.mean())
        assert row.chosen.label == PLAN.heads[result.chosen].label
    tried = candidate_rows(folds, PLAN)
    assert sum(row.times_chosen for row in tried) == len(folds)
    assert tried[0].inner_score == pytest.approx(np.mean([result.inner_scores[0] for result in folds]))


def test_optimism_and_tax_have_their_signs_right() -> None:
    data = make_data(200)
    folds = run_folds(data, outer_folds(make_folds(data)), CHEAP)
    judged = evaluate(gather(data, folds, ("a", "b"), 1, 1), seed=0)
    found = optimism(folds, judged, CHEAP)
    assert found.difference == pytest.approx(found.outer - found.inner)  # of a loss: positive flatters
    poor = make_data(200, shift=0.1)
    weak = evaluate(gather(poor, run_folds(poor, outer_folds(make_folds(poor)), CHEAP), ("a", "b"), 1, 1), seed=0)
    tax = ignored_groups(weak, judged)
    assert tax["accuracy"].difference > 0
    assert tax["log_loss"].difference < 0


# Run folder -----------------------------------------------------------------------------------------------------------

ENGINE = Engine(n_threads=3)
SECOND = Engine(n_threads=2)
IDENTITY = {
    "seed": 0,
    "sources": {str(number): {"engine": engine.to_json()} for number, engine in enumerate((ENGINE, SECOND))},
    "options": {"grid": "quick"},
}


def test_a_new_folder_is_made_and_the_same_run_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    assert stored_engine(folder) is None
    with claimed(folder, IDENTITY, {"data": "x"}):
        assert read_run(folder)["source"] == {"data": "x"}
    with claimed(folder, IDENTITY, {"data": "moved"}):
        pass
    assert [stored_engine(folder, number) for number in range(3)] == [ENGINE, SECOND, None]


def test_another_run_is_refused_and_the_differences_named(tmp_path: Path) -> None:
    with claimed(tmp_path / "a", IDENTITY, {}):
        pass
    before = helpers.tree(tmp_path)
    other = {**IDENTITY, "seed": 1, "options": {"grid": "wide"}}
    message = r'never overwritten\. It differs in: options\.grid is "quick" there, "wide" here; seed is 0 there, 1 here'
    with pytest.raises(RunError, match=message), claimed(tmp_path / "a", other, {}):
        pytest.fail("entered")
    assert helpers.tree(tmp_path) == before


def test_foreign_folders_and_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(RunError, match=r"already holds files that are no headstart run \(thesis\.docx\)"):
        check_output_folder(tmp_path)
    with pytest.raises(RunError, match="is a file"):
        check_output_folder(tmp_path / "thesis.docx")
    with pytest.raises(StorageError, match="is a file, not a folder"), claimed(tmp_path / "thesis.docx" / "x", {}, {}):
        pytest.fail("entered")
    (tmp_path / "new").mkdir()
    check_output_folder(tmp_path / "new")


HOLD = """
import sys, time
from pathlib import Path
from headstart.study.execution.run_folder import claimed
with claimed(Path(sys.argv[1]), {"seed": 0}, {}):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_two_processes_never_work_in_one_folder(tmp_path: Path) -> None:
    holder = warm.Child(HOLD, tmp_path / "run")
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="Another process is working in"), claimed(tmp_path / "run", {"seed": 0}, {}):
            pytest.fail("entered")
    finally:
        holder.kill()
        holder.communicate()
    with claimed(tmp_path / "run", {"seed": 0}, {}):  # a process that was killed holds nothing
        pass


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it cannot be read as JSON"),
        ("{", "it cannot be read as JSON"),
        ("[" * 100_000, "it cannot be read as JSON"),
        ("[]", "it holds no JSON object"),
        ("null", "it holds no JSON object"),
        ("{}", "identity is missing"),
        ('{"identity": 3}', "identity should be an object"),
        ('{"identity": {}, "source": []}', "source should be an object"),
        ('{"identity": {}, "engines": "x"}', "engines should be an object"),
        ('{"identity": {}, "images": 1}', "images should be true or false"),
    ],
)
def test_damaged_run_file_is_refused_by_name_and_field(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=rf"run\.json is damaged: {words}.*headstart fit"):
        read_run(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no headstart run \(run\.json is missing\)"):
        read_run(tmp_path)


def test_differences_are_listed_by_their_path() -> None:
    stored = {"a": 1, "b": {"c": [1, 2], "d": "x"}}
    assert differences(stored, json.loads(json.dumps(stored))) == []
    assert differences(stored, {"a": 1, "b": {"c": [1], "d": "x"}, "e": None}) == ["b.c is [1, 2] there, [1] here"]
