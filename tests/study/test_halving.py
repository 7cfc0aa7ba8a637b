"""Successive halving: the same scores as the full search, failures, kinds apart, outer rows out of reach."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headstart.errors import InputError
from headstart.heads import HeadSpec, fit_heads
from headstart.metrics import METRICS
from headstart.study.search.halving.plan import HalvingPlan, Request
from headstart.study.search.halving.run import halve, trajectories

N_FOLDS = 4
RATES = [10.0**-power for power in np.linspace(1, 4, 18)]
HEADS = [HeadSpec("dense", {"learning_rate": rate, "epochs": epochs}) for rate in RATES for epochs in (10, 20, 30)]


class Recorder:
    """A runner over a table of scores at each candidate's own epochs; keeps what it was asked."""

    def __init__(self, scores: np.ndarray, brief: np.ndarray | None = None) -> None:
        self.scores, self.brief = scores, brief
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> np.ndarray:
        self.requests.append(request)
        table = self.scores if request.epochs is None or self.brief is None else self.brief
        return table[np.ix_(request.candidates, request.folds)]


def losses(seed: int = 0, noise: float = 0.01) -> np.ndarray:
    """Log losses with the best rate in the middle and a little gained by epochs."""
    generator = np.random.default_rng(seed)
    rate = np.array([abs(math.log10(head.number("learning_rate")) + 2.4) for head in HEADS])
    epochs = np.array([head.number("epochs") for head in HEADS])
    return (0.3 + 0.1 * rate - 0.001 * epochs)[:, None] + noise * generator.standard_normal((len(HEADS), N_FOLDS))


def run(scores: np.ndarray, plan: HalvingPlan | None = None, heads=HEADS, metric="log_loss", **options):
    runner = Recorder(scores)
    return halve(heads, runner, n_folds=N_FOLDS, metric=metric, plan=plan or HalvingPlan(), **options), runner


def test_the_known_best_is_found_and_its_scores_are_those_of_the_full_search():
    scores = losses()
    halved, _ = run(scores)
    full_best = int(scores.mean(axis=1).argmin())
    assert full_best in halved.kept
    assert np.array_equal(halved.scores[list(halved.kept)], scores[list(halved.kept)])
    assert int(np.nanargmin(np.where(halved.rung == 2, halved.scores.mean(axis=1), np.nan))) == full_best
    assert not halved.failed.any()


def test_what_is_asked_saved_and_dropped_by_hand():
    halved, runner = run(losses())
    first, second, third = runner.requests
    assert first == Request(tuple(range(0, 54, 3)), (0,))  # the shortest of each of 18 trajectories on one fold
    assert len(second.candidates) == 6 * 3 and second.folds == (0,)
    assert len(third.candidates) == 3 * 3 and third.folds == (1, 2, 3)  # a third of 6 is 2; never fewer than 3
    assert halved.fits == (18 + 6 + 3 * 3, 18 * 4)
    assert halved.epochs == (18 * 10 + 6 * 30 + 9 * 30, 18 * 4 * 30)
    assert [sum(len(drop.candidates) for drop in halved.dropped if drop.rung == rung) for rung in (0, 1)] == [36, 9]
    assert np.bincount(halved.rung).tolist() == [36, 9, 9]
    assert halved.summary == (
        "Successive halving: 33 of 72 fits, 630 of 2,160 epochs; of 54 candidates 36 ended at rung 1, 9 ended at "
        "rung 2, 9 ended at rung 3."
    )
    dropped = {index for drop in halved.dropped for index in drop.candidates}
    assert dropped | set(halved.kept) == set(range(54)) and not dropped & set(halved.kept)


def test_the_dropped_were_worse_on_what_was_seen():
    scores = losses(noise=0.05)
    halved, _ = run(scores)
    first = [drop for drop in halved.dropped if drop.rung == 0]
    passed = [index for index in range(0, 54, 3) if halved.rung[index] > 0]
    assert min(drop.score for drop in first) >= max(scores[index, 0] for index in passed)
    assert all(drop.score == scores[drop.candidates[0], 0] for drop in first)


def test_a_score_to_be_raised_is_raised():
    halved, _ = run(-losses(), metric="mcc")
    again, _ = run(losses())
    assert halved.kept == again.kept and [drop.candidates for drop in halved.dropped] == [
        drop.candidates for drop in again.dropped
    ]


def test_equal_scores_let_the_earlier_pass_and_nothing_is_left_to_chance():
    halved, _ = run(np.full((54, N_FOLDS), 0.5))
    assert halved.kept == tuple(range(9))
    assert run(losses())[0].kept == run(losses())[0].kept


def test_failures_never_pass_and_do_not_touch_the_others():
    scores = losses()
    clean, _ = run(scores)
    worst = np.flatnonzero(clean.rung == 0)
    poisoned = scores.copy()
    poisoned[worst[:6]] = np.nan
    halved, _ = run(poisoned)
    assert halved.kept == clean.kept and np.array_equal(halved.rung, clean.rung)
    assert set(np.flatnonzero(halved.failed)) == set(worst[:6])
    failed = [drop for drop in halved.dropped if np.isnan(drop.score)]
    assert {index for drop in failed for index in drop.candidates} == set(worst[:6].tolist())


def test_a_candidate_that_diverges_later_leaves_its_shorter_sibling_in():
    scores = losses()
    best = int(scores.mean(axis=1).argmin()) // 3 * 3
    scores[best + 2] = np.nan  # 30 epochs; 10 and 20 of the same trajectory are sound
    halved, _ = run(scores)
    assert {best, best + 1, best + 2} <= set(halved.kept)
    assert halved.failed[best + 2] and not halved.failed[[best, best + 1]].any()
    assert np.isnan(halved.scores[best + 2]).all() and np.isfinite(halved.scores[best]).all()


def test_all_failing_leaves_nothing():
    halved, runner = run(np.full((54, N_FOLDS), np.nan))
    assert halved.kept == () and halved.failed.all() and len(runner.requests) == 1


def test_kinds_compete_among_themselves():
    heads = [*HEADS, *(HeadSpec("logistic", {"C": C}) for C in (0.1, 1.0, 10.0, 100.0, 1000.0, 1e4))]
    scores = np.concatenate([losses(), np.full((6, N_FOLDS), 0.1) + np.arange(6)[:, None]])  # far better, or far worse
    halved, runner = run(scores, heads=heads)
    assert sum(heads[index].kind == "dense" for index in halved.kept) == 9
    assert [index for index in halved.kept if heads[index].kind == "logistic"] == [54, 55, 56]
    # Without epochs to go on with, the second rung has nothing to ask of them, and nothing to drop them by.
    assert not any(heads[index].kind == "logistic" for index in runner.requests[1].candidates)


def test_sources_are_kept_apart():
    keys = ["vgg19"] * 2 + ["resnet50"] * 2
    heads = [HeadSpec("dense", {"epochs": epochs}) for epochs in (20, 10)] * 2
    assert trajectories(keys, heads) == [(1, 0), (3, 2)]
    assert trajectories([""] * 4, [*heads[:2], HeadSpec("svm"), HeadSpec("svm", {"C": 1.0})]) == [(1, 0), (2,), (3,)]


def test_a_first_rung_of_few_epochs_ranks_by_them_and_keeps_no_score_of_them():
    scores = losses()
    runner = Recorder(scores, brief=1000 - scores)  # briefly, the worst look best
    halved = halve(HEADS, runner, n_folds=N_FOLDS, metric="log_loss", plan=HalvingPlan(epochs=3, folds=(1,)))
    assert runner.requests[0].epochs == 3
    assert halved.epochs[0] == 18 * 3 + 6 * 30 * 4
    seen = np.isfinite(halved.scores)
    assert np.array_equal(halved.scores[seen], scores[seen]) and seen.sum() == 18 * 4
    assert int(scores.mean(axis=1).argmax()) in halved.kept


def test_outer_rows_are_never_asked_for_and_change_nothing():
    """With real heads: features of outer rows are poison, which `fit_heads` and `predict_proba` refuse."""
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=200)
    features = (generator.standard_normal((200, 12)) + 0.7 * labels[:, None]).astype(np.float32)
    inner_rows, outer_rows = np.arange(160), np.arange(160, 200)
    fold = np.full(200, -1)
    fold[inner_rows] = inner_rows % N_FOLDS
    heads = [HeadSpec("logistic", {"C": C}) for C in np.geomspace(1e-5, 10, 12)]

    def runner_on(table):
        def score(head, number):
            train, held = (fold >= 0) & (fold != number), fold == number
            fitted = fit_heads([head], table[train], labels[train], n_classes=2, seed=0)[0]
            return METRICS["log_loss"](labels[held], fitted.predict_proba(table[held]))

        return lambda request: np.array(
            [[score(heads[index], number) for number in request.folds] for index in request.candidates]
        )

    poisoned = features.copy()
    poisoned[outer_rows] = np.nan
    plan = HalvingPlan(folds=(1, 2))
    clean = halve(heads, runner_on(features), n_folds=N_FOLDS, metric="log_loss", plan=plan)
    again = halve(heads, runner_on(poisoned), n_folds=N_FOLDS, metric="log_loss", plan=plan)
    assert again.kept == clean.kept and len(clean.kept) == 3 and not again.failed.any()
    assert np.array_equal(again.scores, clean.scores, equal_nan=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keep": 1.0}, "keep is 1; expected a share between 0 and 1"),
        ({"folds": ()}, r"folds are \[\]; expected inner folds"),
        ({"folds": (2, 1)}, r"folds are \[2, 1\]"),
        ({"epochs": 0}, "epochs is 0; expected a whole number > 0"),
        ({"least": 0}, "least is 0; expected a whole number > 0"),
    ],
)
def test_plans_that_make_no_sense_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        HalvingPlan(**options)


def test_more_folds_than_there_are_cannot_be_seen():
    with pytest.raises(InputError, match=r"sees folds \[1, 5\], but the split has 4 inner folds"):
        run(losses(), HalvingPlan(folds=(1, 5)))


def test_a_runner_that_answers_another_question_is_stopped():
    with pytest.raises(ValueError, match=r"scores of shape \(2, 2\) for 18 x 1"):
        halve(HEADS, lambda request: np.ones((2, 2)), n_folds=N_FOLDS, metric="log_loss", plan=HalvingPlan())
