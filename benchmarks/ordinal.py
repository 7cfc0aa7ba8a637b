"""Heads of ordered classes against the unordered logistic head, on simulated graded data of several difficulties.

Four grades are drawn from features of 64 numbers in three kinds of worlds: one direction that all thresholds share
(easy to hard by the noise around it, and so noisy that nothing can be learned), a direction for every threshold, and
classes whose means know no order, where an ordinal head should lose. Each head has its C chosen by the log loss of
four inner folds, from the same values, on 150 training rows; it is judged on 2,000 others by kappa with quadratic
weights of the most probable class. The intervals are those of paired differences over independent draws.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from common import table, write_results
from joblib import Parallel, delayed
from scipy.stats import t as student

from headstart.heads import HeadSpec, fit_heads
from headstart.metrics import find_metric

N_TRAIN, N_TEST, N_FEATURES, N_CLASSES = 150, 2000, 64, 4
N_DRAWS, N_QUICK, FIRST_SEED = 30, 6, 70_000
N_FOLDS = 4
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
KINDS = ("logistic", "cumulative", "corn")
NOISE = {
    "one direction, easy": 0.3,
    "one direction, middle": 0.6,
    "one direction, hard": 1.0,
    "one direction, near chance": 2.0,
}
SEVERAL, NO_ORDER = "a direction for each threshold", "means without order"
WORLDS = (*NOISE, SEVERAL, NO_ORDER)
ASKED = tuple(NOISE)[:3]
"""Worlds in which the cumulative head is asked to be better than the logistic one, its interval above 0."""
SCORES = ("quadratic_kappa", "class_error", "log_loss", "accuracy")


def drawn(world: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and grades of one draw, training rows first."""
    rng = np.random.default_rng(seed)
    n = N_TRAIN + N_TEST
    features = rng.normal(size=(n, N_FEATURES))
    if world == NO_ORDER:
        labels = rng.integers(0, N_CLASSES, n)
        return (features + 0.3 * rng.normal(size=(N_CLASSES, N_FEATURES))[labels]).astype(np.float32), labels
    directions = rng.normal(size=(N_CLASSES - 1, N_FEATURES))
    if world in NOISE:
        directions[:] = directions[0]
    else:
        directions = directions[0] + 0.7 * directions
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scores = features @ directions.T + NOISE.get(world, 0.5) * rng.logistic(size=(n, 1))
    cuts = np.quantile(scores, [0.25, 0.5, 0.75], axis=0).diagonal()  # grades equally frequent
    return features.astype(np.float32), (scores > cuts).sum(axis=1)


def best_penalty(kind: str, features: np.ndarray, labels: np.ndarray) -> HeadSpec:
    """The head of the smallest log loss over the inner folds."""
    specs = [HeadSpec(kind, {"C": C}) for C in PENALTIES]
    fold = np.arange(len(labels)) % N_FOLDS
    losses = np.zeros(len(specs))
    for number in range(N_FOLDS):
        kept = fold != number
        heads = fit_heads(specs, features[kept], labels[kept], n_classes=N_CLASSES, seed=0)
        losses += [float(find_metric("log_loss")(labels[~kept], one.predict_proba(features[~kept]))) for one in heads]
    return specs[int(losses.argmin())]


def one_draw(world: str, seed: int) -> dict[str, dict[str, float]]:
    """Scores of every kind of head on the test rows of one draw."""
    features, labels = drawn(world, seed)
    found = {}
    for kind in KINDS:
        spec = best_penalty(kind, features[:N_TRAIN], labels[:N_TRAIN])
        (head,) = fit_heads([spec], features[:N_TRAIN], labels[:N_TRAIN], n_classes=N_CLASSES, seed=0)
        probabilities = head.predict_proba(features[N_TRAIN:])
        found[kind] = {name: float(find_metric(name)(labels[N_TRAIN:], probabilities)) for name in SCORES}
    return found


def paired(draws: list[dict[str, dict[str, float]]], kind: str, name: str) -> dict[str, Any]:
    """Mean score of a kind, and its gain over the logistic head with a 95 % interval over the draws."""
    own = np.array([draw[kind][name] for draw in draws])
    gain = own - np.array([draw["logistic"][name] for draw in draws])
    half = float(student.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain)))
    mean = float(gain.mean())
    return {
        "mean": round(float(own.mean()), 4),
        "gain": round(mean, 4),
        "ci95": [round(mean - half, 4), round(mean + half, 4)],
    }


def main() -> int:
    """Measure; 1 where the cumulative head is not better where it is asked to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{N_QUICK} draws of other seeds; nothing is kept")
    quick = parser.parse_args().quick
    n_draws, first = (N_QUICK, 0) if quick else (N_DRAWS, FIRST_SEED)
    start = time.perf_counter()
    found = {}
    for world in WORLDS:
        draws = Parallel(n_jobs=2)(delayed(one_draw)(world, seed) for seed in range(first, first + n_draws))
        found[world] = {kind: {name: paired(draws, kind, name) for name in SCORES} for kind in KINDS}
    seconds = round(time.perf_counter() - start, 1)
    if not quick:
        about = {"n_draws": n_draws, "n_train": N_TRAIN, "n_test": N_TEST, "n_features": N_FEATURES}
        write_results("ordinal", {**about, "n_classes": N_CLASSES, "worlds": found, "seconds": seconds})
    columns = ["grades from", "logistic", "cumulative", "gain (95 %)", "CORN", "gain (95 %)"]
    print(table(columns, [_row(world, found[world]) for world in WORLDS]))
    lowest = min(found[world]["cumulative"]["quadratic_kappa"]["ci95"][0] for world in ASKED)
    print(f"lowest end of the gains of the cumulative head with one direction: {lowest:+.4f}, asked for above 0")
    return 0 if lowest > 0 else 1


def _row(world: str, scores: dict[str, Any]) -> list[str]:
    cells = [f"{scores['logistic']['quadratic_kappa']['mean']:.3f}"]
    for kind in KINDS[1:]:
        one = scores[kind]["quadratic_kappa"]
        low, high = one["ci95"]
        cells += [f"{one['mean']:.3f}", f"{one['gain']:+.3f} ({low:+.3f} to {high:+.3f})"]
    return [world, *cells]


if __name__ == "__main__":
    raise SystemExit(main())
