"""Labels: how many flipped ones are found, and how often the intervals of Krippendorff's alpha cover.

Labels of the certain solar cells (protocol C of `headstart.samples.solar_cells`) are flipped at random, features come
from the frozen EfficientNet-Lite0 at 300 px, and the list that a run would leave is made from 5 x 4 nested folds, near-
duplicates on one side. Precision is the share of listed labels that were flipped (a cell that was wrong before counts
as a false alarm), recall the share of flipped ones that are listed; by chance precision is the flip rate.

The intervals: three raters with gaps label images of three classes; alpha of 200,000 such images is the truth.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
from common import table, write_results

from headstart.data.audit.audit import audit_dataset
from headstart.data.labels.raters import Ratings
from headstart.data.split.make import split_dataset
from headstart.features.extract import extract_features
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.heads import HeadSpec
from headstart.metrics.label_issues import find_label_issues
from headstart.metrics.rater_agreement import krippendorff_alpha, rater_agreement
from headstart.samples.solar_cells import INPUT_SIZE, Protocol, protocol, solar_cells
from headstart.study.data import StudyData
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.workflow.job.near_duplicates import find_near_duplicates
from headstart.workflow.job.sources import open_cache

RATES = (0.02, 0.05, 0.1, 0.2)
HEADS = (*(HeadSpec("logistic", {"C": C}) for C in (1e-3, 1e-2)), HeadSpec("svm", {"C": 3.0, "gamma": 0.25}))
REGIMES = [(n_images, error) for n_images in (30, 100, 300) for error in (0.05, 0.2)]
N_CLASSES, N_RATERS, GAPS = 3, 3, 0.2
MIN_COVERAGE = 0.92
"""Of intervals meant to cover 95 %: what every regime must reach for the benchmark to pass."""


def flipped_labels(one: Protocol, features: np.ndarray, groups: np.ndarray, rate: float, seed: int) -> dict[str, Any]:
    """How much of what was flipped the list finds."""
    generator = np.random.default_rng([seed, round(rate * 1000)])
    flipped = generator.random(len(one.rows)) < rate
    labels = np.where(flipped, 1 - one.dataset.labels, one.dataset.labels)
    dataset = replace(one.dataset, labels=labels)
    split = split_dataset(dataset, groups=groups[one.rows], strata=one.strata, seed=seed)
    data = StudyData((features[one.rows],), labels, 2, None, groups[one.rows])
    plan = replace(StudyPlan.of_heads(HEADS, seed=seed), positive=1, n_jobs=2)
    oof = gather(data, run_folds(data, outer_folds(split), plan), dataset.classes, 1, 1)
    found = find_label_issues(oof)
    hits = flipped[found.rows]
    first = hits[: flipped.sum()]
    return {
        "rate": rate,
        "seed": seed,
        "n_flipped": int(flipped.sum()),
        "n_listed": len(found.rows),
        "n_wrong_estimated": found.n_wrong,
        "precision": float(hits.mean()),
        "recall": float(hits.sum() / flipped.sum()),
        "precision_of_first_as_many": float(first.mean()),
    }


def rated(generator: np.random.Generator, n_images: int, error: float) -> np.ndarray:
    """Votes on images of three classes by raters who each err on some and miss some."""
    truth = generator.integers(0, N_CLASSES, n_images)[:, None]
    wrong = generator.random((n_images, N_RATERS)) < error
    said = np.where(wrong, (truth + generator.integers(1, N_CLASSES, wrong.shape)) % N_CLASSES, truth)
    codes = np.where(generator.random(wrong.shape) < GAPS, -1, said)
    return Ratings(codes, tuple(f"rater {number}" for number in range(N_RATERS))).votes(N_CLASSES)


def coverage(n_images: int, error: float, n_simulations: int) -> dict[str, Any]:
    """Share of simulated data sets whose interval holds the true alpha."""
    entry: dict[str, Any] = {"n_images": n_images, "error": error, "n_simulations": n_simulations}
    for level in ("nominal", "ordinal"):
        truth = krippendorff_alpha(rated(np.random.default_rng(0), 200_000, error), level=level)
        generator = np.random.default_rng([n_images, round(error * 100)])
        intervals = [
            rater_agreement(rated(generator, n_images, error), level=level, seed=seed).interval
            for seed in range(n_simulations)
        ]
        held = [bounds is not None and bounds[0] <= truth <= bounds[1] for bounds in intervals]
        entry[level] = {"alpha": truth, "coverage": float(np.mean(held))}
    return entry


def main() -> int:
    """Measure both; 1 when intervals cover too little or the list is no better than twice chance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, 50 simulations; writes no figures")
    quick = parser.parse_args().quick
    covered = [coverage(*regime, n_simulations=50 if quick else 1000) for regime in REGIMES]
    cells = solar_cells()
    everything = protocol(cells, "A").dataset
    audit = audit_dataset(everything)
    extractor = open_extractor(ExtractionSettings(input_size=(INPUT_SIZE, INPUT_SIZE), offline=True))
    features = extract_features(everything.with_hashes(audit.hashes), extractor, cache=open_cache("default"))
    groups = find_near_duplicates(everything, audit, features).groups
    one = protocol(cells, "C")
    seeds = (0,) if quick else (0, 1, 2)
    flips = [flipped_labels(one, features, groups, rate, seed) for rate in RATES for seed in seeds]
    results = {"alpha_coverage": covered, "flips": flips, "by_rate": [_mean(flips, rate) for rate in RATES]}
    if not quick:
        write_results("labels", results)
    print(table(list(results["by_rate"][0]), [[_short(v) for v in row.values()] for row in results["by_rate"]]))
    rows = [
        [c["n_images"], c["error"], *(_short(c[level]["coverage"]) for level in ("nominal", "ordinal"))]
        for c in covered
    ]
    print(table(["images", "error of raters", "coverage, nominal", "coverage, ordinal"], rows))
    least = min(entry[level]["coverage"] for entry in covered for level in ("nominal", "ordinal"))
    found = all(row["precision"] > 2 * row["rate"] for row in results["by_rate"])
    return 0 if found and least >= MIN_COVERAGE else 1


def _mean(flips: list[dict[str, Any]], rate: float) -> dict[str, float]:
    """Mean over the seeds."""
    chosen = [entry for entry in flips if entry["rate"] == rate]
    return {key: float(np.mean([entry[key] for entry in chosen])) for key in chosen[0] if key != "seed"}


def _short(value: float) -> str:
    return f"{value:.0f}" if value > 1 else f"{value:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
