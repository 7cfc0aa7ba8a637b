"""How often the 95 % intervals of `headstart.metrics.evaluate` hold the expected score, and how wide they are.

Simulates data sets in four regimes, judges ridge regression by 5-fold cross-validation on each, and counts how often
each interval holds the mean, over data sets, of the score on fresh data. The intervals come from the shipped functions;
only the nested cross-validation of Bates, Hastie and Tibshirani (arXiv:2104.00673), tried for comparison, is written
here. ``python benchmarks/coverage.py`` takes about 4 minutes on one core, ``--quick`` less than one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from headstart.metrics import METRICS, OutOfFold
from headstart.metrics.bootstrap import columns_for, resample
from headstart.metrics.evaluate import estimates_of
from headstart.metrics.intervals import variance_factor

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs" / "intervals.md"
MARKERS = ("<!-- coverage table: begin -->", "<!-- coverage table: end -->")
REQUIRED = 0.92
SCORES = ("accuracy", "roc_auc")
SHIPPED = "corrected (shipped)"
PLAIN = "plain bootstrap"
RESAMPLED_T = "corrected resampled t (factor 2.25)"
NESTED = "nested CV (needs 15 more fits a split)"
N_FOLDS = 5
N_FEATURES = 50
N_FRESH = 2000  # rows of the fresh test set of each data set
N_RESAMPLES = 300  # 4 % noise in a standard error, against 2 % for the default 1000: coverage moves by under 0.002
N_SPLITS_NESTED = 10
PENALTY = 20.0
BAYES_ACCURACY = 0.85
GROUP_SHARE = 0.7  # standard deviation of the group effect and of the row effect in each feature
LABEL_NOISE = 0.05


@dataclass(frozen=True)
class Regime:
    """A kind of data set: so many rows, alone or in so many groups."""

    name: str
    n_rows: int
    n_groups: int | None = None


@dataclass(frozen=True)
class DataSet:
    """Features with a last column of ones (n, 51), labels 0 or 1 (n,), group numbers (n,), each group's class."""

    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    group_classes: np.ndarray


REGIMES = (
    Regime("n=60", 60),
    Regime("n=244", 244),
    Regime("n=1000", 1000),
    Regime("n=244 in 60 groups", 244, 60),
)


def draw(regime: Regime, n_rows: int, rng: np.random.Generator) -> DataSet:
    """Two normal classes in 50 dimensions; in groups, rows share a class and most of their features."""
    n_groups = n_rows if regime.n_groups is None else round(regime.n_groups * n_rows / regime.n_rows)
    groups = np.arange(n_rows) if regime.n_groups is None else rng.integers(0, n_groups, n_rows)
    group_classes = rng.integers(0, 2, n_groups)
    centre = norm.ppf(BAYES_ACCURACY) / np.sqrt(N_FEATURES)
    features = (2 * group_classes[groups] - 1)[:, None] * centre
    if regime.n_groups is None:
        features = features + rng.standard_normal((n_rows, N_FEATURES))
        labels = group_classes[groups]
    else:
        features = features + GROUP_SHARE * rng.standard_normal((n_groups, N_FEATURES))[groups]
        features = features + GROUP_SHARE * rng.standard_normal((n_rows, N_FEATURES))
        labels = group_classes[groups] ^ (rng.random(n_rows) < LABEL_NOISE)
    return DataSet(np.column_stack([features, np.ones(n_rows)]), labels, groups, group_classes)


def deal(data: DataSet, rng: np.random.Generator) -> np.ndarray:
    """Fold of every row: groups as wholes, classes dealt evenly."""
    order = rng.permutation(len(data.group_classes))
    order = order[np.argsort(data.group_classes[order], kind="stable")]
    fold_of_group = np.empty(len(order), dtype=np.int64)
    fold_of_group[order] = np.arange(len(order)) % N_FOLDS
    return fold_of_group[data.groups]


def ridge(data: DataSet, fold: np.ndarray, left_out: list[tuple[int, ...]]) -> np.ndarray:
    """Ridge coefficients (n_models, 51), the intercept without penalty, each fitted without the folds it leaves out."""
    targets = 2.0 * data.labels - 1
    parts = [(data.features[fold == k], targets[fold == k]) for k in range(N_FOLDS)]
    grams = np.stack([rows.T @ rows for rows, _ in parts])
    moments = np.stack([rows.T @ goal for rows, goal in parts])
    kept = np.array([[k not in leave for k in range(N_FOLDS)] for leave in left_out], dtype=float)
    penalty = np.diag(np.append(np.full(N_FEATURES, PENALTY), 0.0))
    return np.linalg.solve(np.tensordot(kept, grams, 1) + penalty, (kept @ moments)[..., None])[..., 0]


def as_probabilities(scores: np.ndarray) -> np.ndarray:
    """Two probability columns that keep order and threshold of scores (n,)."""
    chance = expit(2 * scores)
    return np.stack([1 - chance, chance], axis=1)


def judge(regime: Regime, seed: np.random.SeedSequence, *, nested: bool) -> dict[str, np.ndarray]:
    """One data set: its true scores and the interval of every method, each an array over `SCORES`."""
    rng = np.random.default_rng(seed)
    data = draw(regime, regime.n_rows, rng)
    fold = deal(data, rng)
    models = ridge(data, fold, [(k,) for k in range(N_FOLDS)] + [()])
    scores = (data.features @ models.T)[np.arange(len(fold)), fold]
    found = intervals(data, fold, as_probabilities(scores), int(rng.integers(1 << 31)), grouped=bool(regime.n_groups))
    fresh = draw(regime, N_FRESH, rng)
    tables = [as_probabilities(column) for column in (fresh.features @ models.T).T]
    true = np.array([[METRICS[name](fresh.labels, table) for name in SCORES] for table in tables])
    if nested:
        found[NESTED] = nested_interval(data, rng)
    return found | {"true at n": true[-1], "true at 0.8 n": true[:-1].mean(axis=0)}


def intervals(
    data: DataSet, fold: np.ndarray, probabilities: np.ndarray, seed: int, *, grouped: bool
) -> dict[str, np.ndarray]:
    """Low, high and value of each score by the shipped code, for several variance factors, each of shape (3, 2)."""
    groups = data.groups if grouped else None
    oof = OutOfFold(data.labels, probabilities[None], fold[None], ("0", "1"), groups=groups)
    replicates = resample(oof, columns_for(2, SCORES, per_class=False), n_resamples=N_RESAMPLES, seed=seed)
    factors = {
        PLAIN: variance_factor(oof, "none"),
        RESAMPLED_T: 1 + N_FOLDS / (N_FOLDS - 1),
        SHIPPED: variance_factor(oof, "nadeau-bengio"),
    }
    estimates = {name: estimates_of(oof, replicates, factor) for name, factor in factors.items()}
    return {name: np.array([(e.low, e.high, e.value) for e in found]).T for name, found in estimates.items()}


def nested_interval(data: DataSet, rng: np.random.Generator) -> np.ndarray:
    """Interval of Bates, Hastie and Tibshirani, algorithm 1, for accuracy; nan for AUC, which is no mean of losses.

    Standard errors of test folds and of the whole count groups as wholes.
    """
    pairs = list(itertools.combinations(range(N_FOLDS), 2))
    left_out: list[tuple[int, ...]] = [(k,) for k in range(N_FOLDS)] + pairs
    gaps, inner, outer, plain = [], [], [], []
    for _ in range(N_SPLITS_NESTED):
        fold = deal(data, rng)
        right = ((data.features @ ridge(data, fold, left_out).T > 0) == data.labels[:, None]).astype(float)
        outer_hits = right[np.arange(len(fold)), fold]
        for k in range(N_FOLDS):
            model = {(set(pair) - {k}).pop(): N_FOLDS + i for i, pair in enumerate(pairs) if k in pair}
            rest, test = np.flatnonzero(fold != k), fold == k
            inner_hits = right[rest, [model[f] for f in fold[rest]]]
            gap = (inner_hits.mean() - outer_hits[test].mean()) ** 2
            gaps.append(gap - clustered_variance(outer_hits[test], data.groups[test]))
            inner.append(inner_hits.mean())
        outer.append(outer_hits.mean())
        plain.append(np.sqrt(clustered_variance(outer_hits, data.groups)))
    least = float(np.mean(plain))
    deviation = np.clip(np.sqrt((N_FOLDS - 1) / N_FOLDS * max(np.mean(gaps), 0)), least, np.sqrt(N_FOLDS) * least)
    bias = (1 + (N_FOLDS - 2) / N_FOLDS) * (np.mean(inner) - np.mean(outer))
    value = np.mean(inner) - bias
    reach = norm.ppf(0.975) * deviation
    return np.array([[value - reach, np.nan], [value + reach, np.nan], [value, np.nan]])


def clustered_variance(hits: np.ndarray, groups: np.ndarray) -> float:
    """Variance of the mean of hits (n,), groups being independent."""
    sums = np.bincount(groups, weights=hits - hits.mean())
    n_groups = len(np.unique(groups))
    return float((sums**2).sum() / len(hits) ** 2 * n_groups / (n_groups - 1))


def simulate(regime: Regime, n_sets: int, n_nested: int, seed: int) -> list[dict[str, object]]:
    """Rows of the table for one regime."""
    children = np.random.SeedSequence([seed, REGIMES.index(regime)]).spawn(n_sets)
    judged = [judge(regime, child, nested=number < n_nested) for number, child in enumerate(children)]
    true = {name: np.mean([one[name] for one in judged], axis=0) for name in ("true at n", "true at 0.8 n")}
    rows = []
    for name, method in itertools.product(SCORES, (PLAIN, SHIPPED, RESAMPLED_T, NESTED)):
        column = SCORES.index(name)
        ends = np.array([one[method][:, column] for one in judged if method in one])
        if not np.isnan(ends).any():
            truth = {key: float(values[column]) for key, values in true.items()}
            rows.append({"regime": regime.name, "metric": name, "method": method} | summary(ends, truth))
    return rows


def summary(ends: np.ndarray, truth: dict[str, float]) -> dict[str, object]:
    """Coverage of the truths with its standard error, width and centre of intervals of shape (n_sets, 3)."""
    low, high, value = ends.T
    held = {key: float(((low <= true) & (true <= high)).mean()) for key, true in truth.items()}
    share = held["true at n"]
    return {
        "n_data_sets": len(ends),
        "coverage": share,
        "coverage_se": float(np.sqrt(share * (1 - share) / len(ends))),
        "coverage_at_0.8n": held["true at 0.8 n"],
        "width": float((high - low).mean()),
        "mean_estimate": float(value.mean()),
        "true_at_n": truth["true at n"],
        "true_at_0.8n": truth["true at 0.8 n"],
    }


def table(rows: list[dict[str, object]]) -> str:
    """The rows as a Markdown table."""
    head = (
        "| regime | metric | method | data sets | coverage (standard error) | coverage of the score at 0.8 n "
        "| mean width | mean estimate | true at n | true at 0.8 n |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    )
    return "\n".join([*head, *map(line, rows)])


def line(row: dict[str, object]) -> str:
    """One row of the Markdown table."""
    numbers = [f"{row[key]:.3f}" for key in ("coverage_at_0.8n", "width", "mean_estimate", "true_at_n", "true_at_0.8n")]
    coverage = f"{row['coverage']:.3f} ({row['coverage_se']:.3f})"
    cells = [row["regime"], row["metric"], row["method"], row["n_data_sets"], coverage, *numbers]
    return "| " + " | ".join(map(str, cells)) + " |"


def publish(rows: list[dict[str, object]]) -> None:
    """Put the table between the markers of docs/intervals.md."""
    text = DOCS.read_text()
    before, rest = text.split(MARKERS[0])
    after = rest.split(MARKERS[1])[1]
    DOCS.write_text(f"{before}{MARKERS[0]}\n{table(rows)}\n{MARKERS[1]}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="150 data sets a regime; leaves the published table alone")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n_sets, n_nested = (150, 30) if options.quick else (2000, 500)
    rows = []
    for regime in REGIMES:
        began = time.perf_counter()
        rows += simulate(regime, n_sets, n_nested, options.seed)
        print(f"{regime.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(table(rows))
    target = HERE / "results" / ("coverage-quick.json" if options.quick else "coverage.json")
    target.parent.mkdir(exist_ok=True)
    settings = {"seed": options.seed, "n_resamples": N_RESAMPLES, "penalty": PENALTY, "n_features": N_FEATURES}
    target.write_text(json.dumps({"settings": settings, "rows": rows}, indent=1) + "\n")
    if options.quick:
        return 0
    publish(rows)
    short = [row for row in rows if row["method"] == SHIPPED and row["coverage"] < REQUIRED]
    for row in short:
        print(f"Coverage below {REQUIRED}: {row['regime']}, {row['metric']}: {row['coverage']:.3f}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
