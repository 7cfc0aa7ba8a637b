"""Views of solar cells: heads trained on the eight symmetries, and predictions averaged over them, against neither.

Protocol A, nested 5 x 4 folds, near-duplicates on one side, frozen EfficientNet-Lite0 at 300 px; logistic heads of
three strengths, chosen on the inner folds for every way by itself. Differences are in pairs over the same images.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from cells import Cells
from common import table, write_results

from headstart.heads import HeadSpec
from headstart.metrics import OutOfFold, compare_paired, evaluate
from headstart.study.data import StudyData
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec

SHOWN = ("balanced_accuracy", "accuracy", "roc_auc", "log_loss")
HEADS = tuple(HeadSpec("logistic", {"C": C}) for C in (0.001, 0.01, 0.1))
WAYS = {
    "none": PLAIN,
    "trained on views": TrainingSetSpec(augment="dihedral"),
    "trained on views, mean over views": TrainingSetSpec(augment="dihedral", tta=True),
}


def main() -> int:
    """Every way and its difference from none; always 0, since what comes is what is reported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one outer fold, to see that it runs")
    quick = parser.parse_args().quick
    cells = Cells.read()
    views = cells.views(("dihedral",))
    labels = np.asarray(cells.dataset.labels)
    data = StudyData((cells.features,), labels, 2, groups=cells.groups, views=(views,))
    folds = outer_folds(cells.split(0))[: 1 if quick else None]
    found: dict[str, OutOfFold] = {}
    seconds: dict[str, float] = {}
    for name, way in WAYS.items():
        start = time.perf_counter()
        plan = StudyPlan(tuple(Candidate(FeatureSourceSpec(), head, way) for head in HEADS), positive=1, n_jobs=2)
        found[name] = gather(data, run_folds(data, folds, plan), ("functional", "defective"), 1, 1)
        seconds[name] = round(time.perf_counter() - start, 1)
    rows: dict[str, Any] = {}
    for name, oof in found.items():
        scores = {key: one.to_json() for key, one in evaluate(oof, per_class=False).metrics.items() if key in SHOWN}
        paired = compare_paired(oof, found["none"], metrics=list(SHOWN)).to_json()["metrics"] if name != "none" else {}
        rows[name] = {"scores": scores, "differences": {key: paired[key] for key in paired}, "seconds": seconds[name]}
    if not quick:
        write_results("augmentation", {"policy": "dihedral", "n_views": int(views["dihedral"].shape[1]), "ways": rows})
    print(table(["way", *SHOWN], [[name, *(_cell(row, key) for key in SHOWN)] for name, row in rows.items()]))
    return 0


def _cell(row: dict[str, Any], key: str) -> str:
    value = f"{row['scores'][key]['value']:.3f}"
    if not row["differences"]:
        return value
    one = row["differences"][key]
    return f"{value}, {one['difference']:+.3f} ({one['ci95'][0]:+.3f} to {one['ci95'][1]:+.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
