"""Noise must stay noise: labels permuted at random, every way of balancing and augmenting, and SMOTE before the split.

400 solar cells drawn at random keep their features and views; their labels are permuted 200 times. Each time one
stratified 75/25 split is drawn, a logistic head is fitted on rows made of one part and judged on the other, by
the code that `fit` runs. The mean balanced accuracy of every way must lie within 3 standard errors (across
permutations) of chance. Then the mistake: SMOTE on all rows, split after. The guard refuses; switched off here alone,
it lets noise look like a finding, and the same test must fail. ``--write-docs`` puts the table into docs/leaks.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cells import Cells
from common import table, write_between, write_results
from joblib import Parallel, delayed

from headstart.balance import METHODS, balanced
from headstart.errors import LeakError
from headstart.heads import HeadSpec
from headstart.study.data import StudyData
from headstart.study.execution import tasks
from headstart.study.execution.tasks import FitSettings, fit_and_predict
from headstart.study.folds import OuterFold
from headstart.study.training_set.spec import TrainingSetSpec

N_IMAGES = 400
N_PERMUTATIONS = 200
BLOCK = 10
HEAD = HeadSpec("logistic", {"C": 0.01})
POLICIES = ("flips", "dihedral", "geometric", "photometric", "strong")
SAMPLERS = (
    "ADASYN",
    "SVMSMOTE",
    "AllKNN",
    "ClusterCentroids",
    "EditedNearestNeighbours",
    "NearMiss",
    "NeighbourhoodCleaningRule",
    "OneSidedSelection",
    "TomekLinks",
    "SMOTETomek",
)
LEAKY = "SMOTE before the split"
PAGE = Path(__file__).parents[1] / "docs" / "leaks.md"
START, END = "<!-- measured -->", "<!-- end -->"


def ways() -> dict[str, TrainingSetSpec]:
    """Every way by name; the policy of ``views`` is dihedral."""
    balancing = {name: TrainingSetSpec(name) for name in (*METHODS, *SAMPLERS) if name != "views"}
    augmenting = {name: TrainingSetSpec(augment=name) for name in POLICIES}
    both = {
        "views (dihedral)": TrainingSetSpec("views", "dihedral"),
        "dihedral, mean over views": TrainingSetSpec(augment="dihedral", tta=True),
        "smote, dihedral, mean over views": TrainingSetSpec("smote", "dihedral", tta=True),
    }
    return {**balancing, **augmenting, **both}


def one_split(labels: np.ndarray, generator: np.random.Generator) -> OuterFold:
    """A stratified 75/25 split without inner folds."""
    order = generator.permutation(len(labels))
    place = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = np.arange(len(members)) * 4 // len(members)
    return OuterFold(0, 0, np.flatnonzero(place < 3), np.flatnonzero(place == 3), ())


def balanced_accuracy(data: StudyData, fold: OuterFold, training_set: TrainingSetSpec, seed: int) -> float:
    """Of a logistic head on one split."""
    found = fit_and_predict(data, fold, HEAD, FitSettings(seed, training_set=training_set))["probabilities"].argmax(
        axis=1
    )
    truth = data.labels[fold.test]
    return float(np.mean([(found[truth == label] == label).mean() for label in np.unique(truth)]))


def kept_apart(data: StudyData, labels: np.ndarray, seeds: range, training_set: TrainingSetSpec) -> list[float]:
    """Balanced accuracies of some permutations, everything made up inside the training rows."""
    scores = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        noise = StudyData(data.features, generator.permutation(labels), 2, views=data.views)
        scores.append(balanced_accuracy(noise, one_split(noise.labels, generator), training_set, seed))
    return scores


def leaky(data: StudyData, labels: np.ndarray, seeds: range, _: TrainingSetSpec) -> list[float]:
    """The same with SMOTE on all rows before the split, the guard switched off in this process alone."""
    guard, scores = tasks.check_apart, []
    try:
        tasks.check_apart = lambda *_: None
        for seed in seeds:
            generator = np.random.default_rng(seed)
            noise = smote_first(data, generator.permutation(labels), seed)
            scores.append(balanced_accuracy(noise, one_split(noise.labels, generator), TrainingSetSpec(), seed))
    finally:
        tasks.check_apart = guard
    return scores


def smote_first(data: StudyData, labels: np.ndarray, seed: int) -> StudyData:
    """All rows and what SMOTE makes of them."""
    made = balanced(data.features[0], labels, n_classes=2, weights=None, method="smote", seed=seed)
    return StudyData((made.features,), made.labels, 2, parents=made.parents)


def guard_refuses(data: StudyData, labels: np.ndarray) -> bool:
    """Whether the guard stops a study of rows made before the split."""
    noise = smote_first(data, labels, 0)
    try:
        balanced_accuracy(noise, one_split(noise.labels, np.random.default_rng(0)), TrainingSetSpec(), 0)
    except LeakError:
        return True
    return False


def measure(
    run: Callable[..., list[float]], data: StudyData, labels: np.ndarray, training_set: TrainingSetSpec, n: int
) -> dict[str, Any]:
    """Mean over permutations, its standard error, and whether chance lies within three of them."""
    blocks = [range(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
    parts = Parallel(n_jobs=2)(delayed(run)(data, labels, block, training_set) for block in blocks)
    scores = np.concatenate(parts)
    mean, error = float(scores.mean()), float(scores.std(ddof=1) / np.sqrt(len(scores)))
    return {"mean": round(mean, 4), "standard_error": round(error, 5), "chance": bool(abs(mean - 0.5) <= 3 * error)}


def main() -> int:
    """All ways; 1 when one of them finds something in noise, or the mistake does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 permutations, to see that it runs")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/leaks.md")
    options = parser.parse_args()
    n = 20 if options.quick else N_PERMUTATIONS
    cells = Cells.read()
    rows = np.sort(np.random.default_rng(0).choice(len(cells.features), N_IMAGES, replace=False))
    labels = np.asarray(cells.dataset.labels)[rows]
    data = StudyData((cells.features[rows],), labels, 2, views=(cells.views(POLICIES, rows),))
    found = {}
    for name, training_set in ways().items():
        found[name] = measure(kept_apart, data, labels, training_set, n)
        print(name, found[name], flush=True)
    mistake = measure(leaky, data, labels, TrainingSetSpec(), n)
    refused = guard_refuses(data, labels)
    results = {
        "n_images": N_IMAGES,
        "n_positive": int(labels.sum()),
        "n_permutations": n,
        "ways": found,
        "leaky": mistake,
        "guard_refuses": refused,
    }
    text = as_table(results)
    print(text)
    if not options.quick:
        write_results("leaks", results)
    if options.write_docs:
        write_between(PAGE, START, END, text)
    good = all(row["chance"] for row in found.values()) and not mistake["chance"] and refused
    return 0 if good else 1


def as_table(results: Mapping[str, Any]) -> str:
    """The figures as a Markdown table."""
    named = {**results["ways"], LEAKY: results["leaky"]}
    rows = [
        [name, f"{row['mean']:.4f}", f"{row['standard_error']:.4f}", "yes" if row["chance"] else "**no**"]
        for name, row in named.items()
    ]
    return table(["way", "mean balanced accuracy", "standard error", "chance within 3 standard errors"], rows)


if __name__ == "__main__":
    raise SystemExit(main())
