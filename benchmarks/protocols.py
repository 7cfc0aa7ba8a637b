"""Solar cells, three protocols, 75 % to train and 25 % to judge, 10 repetitions, beside the published figures.

The protocols are those of `headstart.samples.solar_cells`. Each repetition draws a split stratified by probability and
type of cell, sister wafers on one side; four inner folds of the 75 % choose, by log loss under the protocol's
weights, among the heads of the grid (two of them also on balanced rows with --balance) and what is done with doubtful
labels: ``hard`` (every cell counts alike as what it is called), ``weighted`` (by certainty: 1, 1/3, 2/3, 1) or ``soft``
(a cell of probability 1/3 counts one third as defective and two thirds as functional); and, beside these, logistic
heads trained on the eight symmetries of every cell that predict the mean over them (``views``; doubtful labels
weighted). What the choice comes to is judged on the 25 %.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cells import Cells
from common import table, write_results
from scipy.special import stdtrit

from headstart.data.split.make import split_dataset
from headstart.heads import HeadSpec, grid
from headstart.metrics import score
from headstart.samples.solar_cells import Protocol, protocol
from headstart.study.data import StudyData
from headstart.study.fold_result import FoldResult
from headstart.study.folds import OuterFold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.training_set.spec import TrainingSetSpec

PUBLISHED = {"SVM on hand-made features": 0.8244, "fine-tuned VGG-19": 0.8842}
"""Deitsch et al. 2019, arXiv 1807.02894, abstract; 1,968 training and 656 test cells."""

DIGITS = {"SVM on hand-made features": ("0.8243847875", 10), "fine-tuned VGG-19": ("0.884228187919", 12)}
"""The same in the digits of the paper's source (its HTML rendering shows them), and how many stand behind the point."""

BALANCED_HEADS = (HeadSpec("logistic", {"C": 1e-2}), HeadSpec("svm", {"C": 3.0, "gamma": 0.5}))
"""Heads that are tried with balanced rows too; both are among those chosen most without."""

SOURCE = FeatureSourceSpec()
ON_VIEWS = tuple(
    Candidate(SOURCE, HeadSpec("logistic", {"C": C}), TrainingSetSpec(augment="dihedral", tta=True))
    for C in (1e-3, 1e-2)
)
"""Logistic heads on views: dense ones would take an hour."""

N_TEST = 656
SHOWN = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss")


def ways(one: Protocol) -> dict[str, np.ndarray]:
    """What each cell counts for each class in training, shape (n_cells, 2), by the name of the way.

    Under protocol C every label is certain, so there is one way.
    """
    called = np.eye(2)[one.dataset.labels]
    if one.name == "C":
        return {"hard": called}
    return {"hard": called, "weighted": called * one.certainty[:, None], "soft": one.soft}


def candidates(balance: Sequence[str]) -> tuple[Candidate, ...]:
    """Every head of the grid as it is, and some heads with each way of balancing the training rows."""
    plain = [Candidate(SOURCE, head) for head in grid()]
    return (
        *plain,
        *(Candidate(SOURCE, head, TrainingSetSpec(method)) for method in balance for head in BALANCED_HEADS),
    )


def study_data(one: Protocol, given: Given, shares: np.ndarray) -> StudyData:
    """Data whose scores are weighted by the protocol and whose training rows count as `shares` says.

    The study multiplies the weight of an image with its share of each class, so the shares are divided by the weight.
    """
    weights = one.dataset.weights
    soft = shares if weights is None else shares / weights[:, None]
    views = {"dihedral": given.views[one.rows]}
    features, groups = given.features[one.rows], given.groups[one.rows]
    return StudyData((features,), one.dataset.labels, 2, weights, groups, soft=soft, views=(views,))


@dataclass(frozen=True, eq=False)
class Given:
    """Features of all cells (n, d), of their views (n, 8, d), and groups that joined near-duplicates (n,)."""

    features: np.ndarray
    views: np.ndarray
    groups: np.ndarray


def judge(one: Protocol, given: Given, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One entry per repetition: what each way came to, and the way that the inner folds chose."""
    seed, repeats = arguments.seed, 2 if arguments.quick else 10
    split = split_dataset(
        one.dataset, groups=given.groups[one.rows], strata=one.strata, scheme="nested:4x4", repeats=repeats, seed=seed
    )
    folds = [fold for fold in outer_folds(split) if fold.fold == 0]  # the first of four folds: 25 %
    tried = candidates(arguments.balance)
    plan = replace(StudyPlan.of_heads(grid(), seed=seed), candidates=tried, positive=1, n_jobs=2)
    found = {name: (plan, run_folds(study_data(one, given, shares), folds, plan)) for name, shares in ways(one).items()}
    on_views = replace(plan, candidates=ON_VIEWS, n_views={"dihedral": given.views.shape[1]})
    shares = ways(one).get("weighted", ways(one)["hard"])
    found["views"] = (on_views, run_folds(study_data(one, given, shares), folds, on_views))
    return [
        repetition(one, fold, {name: (plan, results[number]) for name, (plan, results) in found.items()})
        for number, fold in enumerate(folds)
    ]


def repetition(one: Protocol, fold: OuterFold, results: dict[str, tuple[StudyPlan, FoldResult]]) -> dict[str, Any]:
    """The scores of every way on the held-out cells, and which way has the best inner score."""
    rows = {
        name: {
            "inner_log_loss": float(result.inner_scores[result.chosen]),
            "chosen": plan.label(result.chosen),
            **scores(one, fold, result.probabilities),
        }
        for name, (plan, result) in results.items()
    }
    best = min(rows, key=lambda name: rows[name]["inner_log_loss"])
    return {"repeat": fold.repeat, "n_train": len(fold.train), "n_test": len(fold.test), "way": best, "ways": rows}


def scores(one: Protocol, fold: OuterFold, probabilities: np.ndarray) -> dict[str, float]:
    """Scores under the protocol's weights, and accuracy weighted by certainty."""
    labels, weights = one.dataset.labels[fold.test], one.dataset.weights
    found = score(labels, probabilities, None if weights is None else weights[fold.test], positive=1)
    certain = score(labels, probabilities, one.certainty[fold.test], positive=1)
    return {name: float(found[name]) for name in SHOWN} | {"accuracy_by_certainty": float(certain["accuracy"])}


def interval(values: list[float], share: float) -> dict[str, Any]:
    """Mean over the repetitions with a 95 % interval that counts the shared training rows.

    Nadeau & Bengio 2003, doi:10.1023/A:1024068626366: the variance of the mean of J repetitions is
    (1/J + n_test / n_train) times the variance between them.
    """
    n, mean = len(values), float(np.mean(values))
    deviation = float(np.std(values, ddof=1))
    reach = float(stdtrit(n - 1, 0.975)) * deviation * float(np.sqrt(1 / n + share))
    return {"value": mean, "ci95": [mean - reach, mean + reach], "sd": deviation}


def summary(repetitions: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of the chosen way and of every single one, and paired differences of the others from ``hard``."""
    share = repetitions[0]["n_test"] / repetitions[0]["n_train"]
    names = list(repetitions[0]["ways"])
    metrics = (*SHOWN, "accuracy_by_certainty")

    def values(metric: str, way: str | None) -> list[float]:
        return [one["ways"][way or one["way"]][metric] for one in repetitions]

    def paired(metric: str, way: str) -> list[float]:
        return [a - b for a, b in zip(values(metric, way), values(metric, "hard"), strict=True)]

    return {
        "chosen": {metric: interval(values(metric, None), share) for metric in metrics},
        "times_chosen": {name: sum(one["way"] == name for one in repetitions) for name in names},
        "ways": {name: {metric: interval(values(metric, name), share) for metric in metrics} for name in names},
        "minus_hard": {
            name: {metric: interval(paired(metric, name), share) for metric in metrics} for name in names[1:]
        },
        "repetitions": repetitions,
    }


def published_reading(weights: np.ndarray) -> dict[str, Any]:
    """What the digits of the published figures say about how cells were counted.

    An accuracy is a sum of weights over a total of weights. With weights 1, 1/3 and 2/3 both are whole numbers of
    thirds, with weight 1 whole numbers. Totals in thirds are listed under which both figures come to whole numbers.
    """
    figures = [(float(text), 0.5 * 10.0**-digits) for text, digits in DIGITS.values()]

    def fits(total: int) -> bool:
        return all(abs(value * total - round(value * total)) <= 1.2 * error * total for value, error in figures)

    return {
        "totals_in_thirds_that_fit": [total for total in range(N_TEST, 3 * N_TEST + 1) if fits(total)],
        "plain_count_of_656_cells_fits": fits(N_TEST),
        "expected_total_in_thirds": {
            "weights 1, 1/3, 2/3, 1": float(3 * weights.sum() / 4),
            "plain": float(3 * N_TEST),
        },
    }


def main() -> int:
    """Run the protocols; 1 when the digits of the published figures do not single out one total."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="two repetitions; writes no figures")
    parser.add_argument("--balance", nargs="*", default=[], help="ways of balancing that compete too: weights smote")
    arguments = parser.parse_args()
    read = Cells.read()
    cells, groups = read.cells, np.arange(len(read.features)) if read.groups is None else read.groups
    given = Given(read.features, read.views(("dihedral",))["dihedral"], groups)
    reading = published_reading(cells.certainty())
    results: dict[str, Any] = {"seed": arguments.seed, "balance": arguments.balance, "published": PUBLISHED}
    results |= {"published_reading": reading, "protocols": {}}
    for name in ("A", "B", "C"):
        start = time.perf_counter()
        found = summary(judge(protocol(cells, name), given, arguments))
        results["repetitions"] = len(found["repetitions"])
        results["protocols"][name] = {**found, "seconds": round(time.perf_counter() - start, 1)}
        print(f"{name}: {results['protocols'][name]['seconds']} s", flush=True)
    if not arguments.quick:
        write_results("protocols", results)
    print(table(["protocol", "doubtful labels", "times chosen", *SHOWN, "accuracy by certainty"], _rows(results)))
    print(f"published: {PUBLISHED}; totals, in thirds of a cell, that their digits allow: {reading}")
    return 0 if len(reading["totals_in_thirds_that_fit"]) == 1 else 1


def _rows(results: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, found in results["protocols"].items():
        for way in ("chosen", *found["ways"]):
            entry = found["chosen"] if way == "chosen" else found["ways"][way]
            times = "" if way == "chosen" else str(found["times_chosen"][way])
            rows.append([name, way, times, *(_cell(entry[metric]) for metric in (*SHOWN, "accuracy_by_certainty"))])
    return rows


def _cell(estimate: dict[str, Any]) -> str:
    low, high = estimate["ci95"]
    return f"{estimate['value']:.4f} ({low:.4f} to {high:.4f})"


if __name__ == "__main__":
    raise SystemExit(main())
