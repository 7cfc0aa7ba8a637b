"""One in fifty: solar cells with most defective ones taken out of training, judged on all held-out cells.

Protocol A, nested 5 x 4 folds, near-duplicates on one side. In every training fold only one defective cell for every 50
functional ones is kept, drawn at random; test folds stay as they are. Two studies on the same folds: heads alone, and
heads with every way of balancing and augmenting as a setting of the candidates, both chosen on the inner folds by the
score that is judged, PR AUC (average precision), and both calibrated inside the folds as `fit` does, which brings the
folds' probabilities to one scale. Reported is the paired difference with its interval, as it comes.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from cells import Cells
from common import table, write_results

from headstart.decisions import DecisionRules
from headstart.heads import HeadSpec
from headstart.metrics import OutOfFold, compare_paired, evaluate, find_metric
from headstart.study.data import StudyData
from headstart.study.decisions import decide_folds
from headstart.study.fold_result import FoldResult
from headstart.study.folds import OuterFold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec

RATIO = 50
SHOWN = ("pr_auc", "roc_auc", "balanced_accuracy", "log_loss")
HEADS = (
    HeadSpec("dense", {"epochs": 20}),
    HeadSpec("logistic", {"C": 0.001}),
    HeadSpec("logistic", {"C": 0.01}),
    HeadSpec("logistic", {"C": 0.1}),
)
WAYS = (
    PLAIN,
    TrainingSetSpec("weights"),
    TrainingSetSpec("oversample"),
    TrainingSetSpec("undersample"),
    TrainingSetSpec("smote"),
    TrainingSetSpec("borderline-smote"),
    TrainingSetSpec("views", "dihedral"),
    TrainingSetSpec("views", "dihedral", tta=True),
)


def thinned(fold: OuterFold, labels: np.ndarray, generator: np.random.Generator) -> OuterFold:
    """The fold with one positive row for every 50 negative ones in its training rows."""
    positive, negative = (fold.train[labels[fold.train] == label] for label in (1, 0))
    kept = np.sort(np.concatenate([negative, generator.choice(positive, len(negative) // RATIO, replace=False)]))
    inner = tuple((np.intersect1d(train, kept), np.intersect1d(test, kept)) for train, test in fold.inner)
    return OuterFold(fold.repeat, fold.fold, kept, fold.test, inner)


def judged(
    data: StudyData, folds: list[OuterFold], ways: tuple[TrainingSetSpec, ...], n_views: int
) -> tuple[list[FoldResult], OutOfFold]:
    """One study and its predictions."""
    candidates = tuple(Candidate(FeatureSourceSpec(), head, way) for way in ways for head in HEADS)
    plan = StudyPlan(candidates, choose_by="pr_auc", positive=1, n_jobs=2, n_views={"dihedral": n_views})
    found = run_folds(data, folds, plan)
    calibrated = decide_folds(data, found, plan, DecisionRules())
    return found, gather(data, calibrated, ("functional", "defective"), 1, 1)


def of_folds(data: StudyData, folds: list[FoldResult]) -> list[float]:
    """PR AUC of every outer fold by itself, which no scale of probabilities can touch."""
    metric = find_metric("pr_auc")
    return [round(float(metric(data.labels[one.outer.test], one.probabilities, None, positive=1)), 4) for one in folds]


def main() -> int:
    """Both studies and their difference; always 0, since what comes is what is reported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two outer folds, to see that it runs")
    quick = parser.parse_args().quick
    cells = Cells.read()
    labels = np.asarray(cells.dataset.labels)
    views = cells.views(("dihedral",))
    data = StudyData((cells.features,), labels, 2, groups=cells.groups, views=(views,))
    generator = np.random.default_rng(0)
    folds = [thinned(fold, labels, generator) for fold in outer_folds(cells.split(0))[: 2 if quick else None]]
    start = time.perf_counter()
    alone, plain = judged(data, folds, (PLAIN,), views["dihedral"].shape[1])
    results, chosen = judged(data, folds, WAYS, views["dihedral"].shape[1])
    differences = compare_paired(chosen, plain, metrics=list(SHOWN)).to_json()["metrics"]
    scores = {name: evaluate(oof, per_class=False).metrics for name, oof in (("none", plain), ("chosen", chosen))}
    report: dict[str, Any] = {
        "ratio": RATIO,
        "n_positive_in_training": [int(labels[fold.train].sum()) for fold in folds],
        "n_train": [len(fold.train) for fold in folds],
        "chosen": [(HEADS * len(WAYS))[one.chosen].label + "; " + _way(one.chosen).label for one in results],
        "scores": {way: {name: found[name].to_json() for name in SHOWN} for way, found in scores.items()},
        "differences": {name: differences[name] for name in SHOWN},
        "pr_auc_of_folds": {"none": of_folds(data, alone), "chosen": of_folds(data, results)},
        "seconds": round(time.perf_counter() - start, 1),
    }
    if not quick:
        write_results("imbalance", report)
    print("\n".join(report["chosen"]))
    print(report["pr_auc_of_folds"])
    print(table(["score", "none", "chosen on inner folds", "difference"], [_row(name, report) for name in SHOWN]))
    return 0


def _way(number: int) -> TrainingSetSpec:
    return WAYS[number // len(HEADS)]


def _row(name: str, report: dict[str, Any]) -> list[str]:
    row = report["differences"][name]
    low, high = row["ci95"]
    return [name, f"{row['b']:.3f}", f"{row['a']:.3f}", f"{row['difference']:+.3f} ({low:+.3f} to {high:+.3f})"]


if __name__ == "__main__":
    raise SystemExit(main())
