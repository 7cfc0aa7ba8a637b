"""Solar cells: frozen EfficientNet-Lite0 at 300 px, nested 5 x 4 folds, the three protocols side by side.

Features are those of a run that asks for none.

A: defective where p > 1/2, every cell counts alike. B: defective where p > 0, cells weighted 1, 1/3, 2/3, 1 by their
certainty in training and in the score (the likeliest reading of the published 88.42 %). C: only p = 0 and p = 1. Each
is stratified by probability and type of cell; sister wafers (near-duplicates) are kept on one side.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np
from common import table, write_results

from headstart.backbones.feature_block import LAST, default_features
from headstart.backbones.registry import DEFAULT_BACKBONE
from headstart.data.audit.audit import audit_dataset
from headstart.data.split.make import split_dataset
from headstart.features.extract import extract_features
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.heads import grid
from headstart.metrics import OutOfFold, evaluate
from headstart.samples.solar_cells import INPUT_SIZE, Protocol, protocol, solar_cells
from headstart.study.data import StudyData
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.workflow.job.near_duplicates import find_near_duplicates
from headstart.workflow.job.sources import open_cache

TARGET_A = 0.84
SHOWN = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss")


def judge(
    protocol: Protocol, features: np.ndarray, widths: tuple[int, ...], groups: np.ndarray | None, seed: int
) -> OutOfFold:
    """Out-of-fold predictions of the nested study under one protocol."""
    rows, dataset = protocol.rows, protocol.dataset
    joined = None if groups is None else groups[rows]
    split = split_dataset(dataset, groups=joined, strata=protocol.strata, seed=seed)
    data = StudyData((features[rows],), dataset.labels, 2, dataset.weights, joined, blocks=(widths,))
    plan = replace(StudyPlan.of_heads(grid(), seed=seed), positive=1, n_jobs=2)
    folds = run_folds(data, outer_folds(split), plan)
    return gather(data, folds, dataset.classes, 1, split.repeats)


def measure(protocol: Protocol, oof: OutOfFold) -> dict[str, Any]:
    """Scores of one protocol; for A also with the cells weighted by certainty, from the same predictions."""
    found = {name: estimate.to_json() for name, estimate in evaluate(oof, per_class=False).metrics.items()}
    scores = {name: found[name] for name in SHOWN}
    if protocol.dataset.weights is None:
        weighted = replace(oof, weights=protocol.certainty)
        scores["weighted_accuracy"] = (
            evaluate(weighted, metrics=["accuracy"], per_class=False).metrics["accuracy"].to_json()
        )
    return scores


def main() -> int:
    """Run all protocols; 1 when protocol A misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    cells = solar_cells()
    dataset = cells.dataset(cells.probability > 0.5)
    audit = audit_dataset(dataset)
    settings = ExtractionSettings(
        input_size=(INPUT_SIZE, INPUT_SIZE), offline=True, features=default_features(DEFAULT_BACKBONE)
    )
    extractor = open_extractor(settings)
    last = extractor.with_blocks((LAST,), beside=extractor.computed)
    hashed, cache = dataset.with_hashes(audit.hashes), open_cache("default")
    near_duplicates = find_near_duplicates(dataset, audit, extract_features(hashed, last, cache=cache))
    features = extract_features(hashed, extractor, cache=cache)
    results: dict[str, Any] = {"seed": seed, "near_duplicates_joined": len(near_duplicates.near), "protocols": {}}
    for one in (protocol(cells, name) for name in ("A", "B", "C")):
        start = time.perf_counter()
        oof = judge(one, features, extractor.stage_widths, near_duplicates.groups, seed)
        scores = measure(one, oof)
        results["protocols"][one.name] = {
            "n_images": len(one.rows),
            "weighted": one.dataset.weights is not None,
            "seconds": round(time.perf_counter() - start, 1),
            "metrics": scores,
        }
    write_results("elpv", results)
    print(table(["protocol", "images", *SHOWN, "accuracy weighted by certainty"], _rows(results["protocols"])))
    reached = results["protocols"]["A"]["metrics"]["accuracy"]["value"]
    print(f"protocol A accuracy {reached:.4f}, asked for {TARGET_A}")
    return 0 if reached >= TARGET_A else 1


def _rows(found: dict[str, Any]) -> list[list[str]]:
    return [
        [name, f"{row['n_images']:,}", *(_cell(row["metrics"].get(key)) for key in (*SHOWN, "weighted_accuracy"))]
        for name, row in found.items()
    ]


def _cell(estimate: dict[str, Any] | None) -> str:
    if estimate is None:
        return "-"
    low, high = estimate["ci95"]
    return f"{estimate['value']:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
