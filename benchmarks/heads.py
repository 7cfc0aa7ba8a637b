"""Fitting heads on features against scikit-learn on the same rows, one thread, and how the seconds grow with the rows.

The logistic head is fitted on made-up features as of a network, 1,280 of them in few common causes, in three shapes: 2
classes (1,900 rows), 10 classes (12,800 rows), 300 classes (1,900 rows), for the three C of the quick grid. The other
side is scikit-learn's ``LogisticRegression`` (L-BFGS) on the same standardised float32 rows, to the same tolerance.
Both take turns. Seconds are of processor time. The losses are compared in float64: that of headstart may be higher by
a share of 1e-5 at most.

Then every kind of the quick grid is fitted, all settings of it, on 1,000, 4,000, 16,000 and 60,000 rows in 10 classes,
and a quarter as many rows are predicted: the slope is that of the seconds of all kinds together, from the fewest rows
to the most, on log axes. About twenty minutes on a free core.

``--quick`` has a tenth of the rows and judges nothing; ``--only`` measures one half and keeps the figures of the other.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import RESULTS, median, read, table, write_results

from headstart.heads import HeadSpec, TrainingRows, fit_heads, grid, training_rows
from headstart.heads.kinds.logistic import TOLERANCE, fit_logistic
from headstart.runtime.threads import single_thread

SEED = 7219
N_FEATURES = 1280
N_ROUNDS = 3
ALLOWED_LOSS = 1e-5
GROWTH_ROWS = (1_000, 4_000, 16_000, 60_000)
GROWTH_CLASSES = 10
ALLOWED_SLOPE = 1.15


@dataclass(frozen=True)
class Shape:
    """A logistic task, and how many times as fast as scikit-learn it must be fitted."""

    n_rows: int
    n_classes: int
    required: float


SHAPES = (Shape(1_900, 2, 3.0), Shape(12_800, 10, 1.5), Shape(1_900, 300, 1.0))


def made_up(n_rows: int, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features as of a network (skewed, of few common causes of falling strength) of classes that overlap."""
    generator = np.random.default_rng(seed)
    n_causes = max(60, n_classes // 2)
    strength = (1.0 + np.arange(n_causes)) ** -0.5
    labels = generator.permutation(np.arange(n_rows) % n_classes)
    centres = generator.standard_normal((n_classes, n_causes)) * (0.3 if n_classes <= 10 else 0.8)
    causes = (centres[labels] + generator.standard_normal((n_rows, n_causes))) * strength
    mixed = causes @ generator.standard_normal((n_causes, N_FEATURES)) / np.linalg.norm(strength)
    features = np.maximum(mixed + 0.6 * generator.standard_normal(mixed.shape) - 0.3, 0)
    return features.astype(np.float32), labels


def loss(coefficients: np.ndarray, intercepts: np.ndarray, rows: TrainingRows, C: float) -> float:
    """Penalised loss in float64; of two classes, coefficients of class 1 alone."""
    scores = rows.standardised @ coefficients.astype(np.float64).T + intercepts
    if len(coefficients) == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    highest = scores.max(axis=1)
    losses = (
        highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1)) - scores[np.arange(len(scores)), rows.labels]
    )
    return float(C * losses.sum() + np.sum(coefficients.astype(np.float64) ** 2) / 2)


def ours(rows: TrainingRows, Cs: list[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coefficients and intercepts of every C."""
    found = fit_logistic([HeadSpec("logistic", {"C": C}) for C in Cs], rows)
    if rows.n_present > 2:
        return [(one["coefficients"], one["intercepts"]) for one in found]
    return [(2 * one["coefficients"][1:], 2 * one["intercepts"][1:]) for one in found]


def theirs(rows: TrainingRows, Cs: list[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same by scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machines = [
            LogisticRegression(C=C, tol=TOLERANCE, max_iter=3000).fit(rows.standardised_single, rows.labels) for C in Cs
        ]
    return [(machine.coef_, machine.intercept_) for machine in machines]


def timed(fit: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Seconds of processor time, and what was found."""
    start = time.process_time()
    found = fit(*arguments)
    return time.process_time() - start, found


def compare(shape: Shape, *, quick: bool) -> dict[str, Any]:
    """Both sides on one shape: medians of the rounds, for each C alone and for all in one call."""
    n_rows = max(shape.n_rows // 10, 2 * shape.n_classes) if quick else shape.n_rows
    features, labels = made_up(n_rows, shape.n_classes, SEED)
    rows = training_rows(features, labels, n_classes=shape.n_classes, weights=None, groups=None, seed=0)
    assert rows.standardised.shape == rows.standardised_single.shape  # computed before the clock starts
    Cs = [spec.number("C") for spec in grid("quick") if spec.kind == "logistic"]
    our_seconds, their_seconds, alone = [], [], []
    for _ in range(N_ROUNDS):
        seconds, our = timed(ours, rows, Cs)
        our_seconds.append(seconds)
        alone.append(timed(ours, rows, [0.01])[0])
        seconds, their = timed(theirs, rows, Cs)
        their_seconds.append(seconds)
    excess = [loss(*mine, rows, C) / loss(*other, rows, C) - 1 for mine, other, C in zip(our, their, Cs, strict=True)]
    return {
        "n_rows": n_rows,
        "n_classes": shape.n_classes,
        "ours_s": median(our_seconds),
        "theirs_s": median(their_seconds),
        "ours_alone_s": median(alone),
        "ratio": round(float(np.median(np.array(their_seconds) / np.array(our_seconds))), 2),
        "required": shape.required,
        "loss_excess": float(f"{max(excess):.2e}"),
    }


def grow(n_rows: int) -> dict[str, float]:
    """Seconds of each kind of the quick grid, fitted on so many rows and asked for a quarter as many."""
    features, labels = made_up(n_rows + n_rows // 4, GROWTH_CLASSES, SEED + 1)
    seconds = {}
    for kind in sorted({spec.kind for spec in grid("quick")}):
        specs = [spec for spec in grid("quick") if spec.kind == kind]
        seconds[kind] = round(timed(_fit_and_predict, specs, features, labels, n_rows)[0], 2)
    return seconds


def _fit_and_predict(specs: list[HeadSpec], features: np.ndarray, labels: np.ndarray, n_rows: int) -> None:
    for head in fit_heads(specs, features[:n_rows], labels[:n_rows], n_classes=GROWTH_CLASSES, seed=0):
        head.predict_proba(features[n_rows:])


def slope(seconds: list[dict[str, float]], sizes: tuple[int, ...]) -> float:
    """Slope of the seconds of all kinds together on log axes, between the ends."""
    first, last = (sum(one.values()) for one in (seconds[0], seconds[-1]))
    return round(math.log(last / first) / math.log(sizes[-1] / sizes[0]), 2)


def main() -> int:
    """Measure and judge; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows; nothing is judged or kept")
    parser.add_argument("--only", choices=("logistic", "growth"), help="one half [default: both]")
    asked = parser.parse_args()
    kept = read("heads") if (RESULTS / "heads.json").is_file() and not asked.quick else {}
    found: dict[str, Any] = {"logistic": kept.get("logistic"), "growth": kept.get("growth")}
    with single_thread():
        if asked.only != "growth":
            found["logistic"] = [compare(shape, quick=asked.quick) for shape in SHAPES]
            _show_logistic(found["logistic"])
        if asked.only != "logistic":
            found["growth"] = growth(GROWTH_ROWS[:2] if asked.quick else GROWTH_ROWS)
            _show_growth(found["growth"])
    if asked.quick:
        return 0
    write_results("heads", {"seed": SEED, "tolerance": TOLERANCE, **found})
    met = all(one["ratio"] >= one["required"] and one["loss_excess"] <= ALLOWED_LOSS for one in found["logistic"] or ())
    return 0 if met and (found["growth"] or {"slope": 0})["slope"] <= ALLOWED_SLOPE else 1


def growth(sizes: tuple[int, ...]) -> dict[str, Any]:
    """Seconds of every kind for each number of rows, and their slope."""
    grown = [grow(n_rows) for n_rows in sizes]
    return {"n_rows": list(sizes), "seconds": grown, "slope": slope(grown, sizes), "allowed": ALLOWED_SLOPE}


def _show_logistic(found: list[dict[str, Any]]) -> None:
    columns = ["rows", "classes", "headstart, s", "scikit-learn, s", "times as fast", "asked", "loss higher by"]
    names = ("n_rows", "n_classes", "ours_s", "theirs_s", "ratio", "required", "loss_excess")
    print(table(columns, [[one[name] for name in names] for one in found]))


def _show_growth(found: dict[str, Any]) -> None:
    kinds = list(found["seconds"][0])
    shown = [
        [n_rows, *(one[kind] for kind in kinds)] for n_rows, one in zip(found["n_rows"], found["seconds"], strict=True)
    ]
    print("\n" + table(["rows", *(f"{kind}, s" for kind in kinds)], shown))
    print(f"\nslope of all together {found['slope']}; allowed {ALLOWED_SLOPE}")


if __name__ == "__main__":
    raise SystemExit(main())
