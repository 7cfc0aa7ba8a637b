"""Did transfer help: how often the verdict is wrong, how often it finds a gain, and hostile weights end to end.

Simulations on the level of features, 300 images of two even classes each, nested 5 x 4 folds, by the functions that
`fit` uses: two baselines (majority class, logistic heads on features of their own) are chosen and judged fold by fold,
and the run's chosen head is compared with the best of them in pairs. Where the source knows no
more than the baselines, *helps* is false; it may be said in at most 5 %. Where transfer is worth 5 points of accuracy
it must be found in at least 90 %, asked of a baseline of 90 % whose evidence the source shares; how far the other cases
fall short is measured beside it.

Then 1,200 real solar cells, once with the true ImageNet weights of EfficientNet-Lite0 and once with hostile ones, the
same numbers permuted within every layer, and the 200 PH2 images where they are at hand.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import headstart, table, write_results
from joblib import Parallel, delayed
from safetensors.torch import save_file
from scipy import special

from headstart.backbones.build import build
from headstart.backbones.registry import DEFAULT_BACKBONE, find_entry
from headstart.backbones.weights import load_into
from headstart.data.split.make import make_split
from headstart.decisions import DecisionRules
from headstart.samples.solar_cells import CLASSES, solar_cells
from headstart.study.baselines import HEADS, MAJORITY, RANDOM_WEIGHTS, Baseline, best_baselines, pooled, run_baseline
from headstart.study.data import StudyData
from headstart.study.decisions import decide_folds
from headstart.study.execution import workers
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.transfer_verdict import DECIDED_BY, Gain, transfer_gains

N_IMAGES = 300
WIDTH = 20
"""Features of a source of evidence; one direction in them tells the classes apart."""
MAX_FALSE, MIN_FOUND = 0.05, 0.90
SCORES = ("balanced_accuracy", "brier", "log_loss")
RULES = DecisionRules("auto", None, None)
BLOCK = 20
N_CELLS = 1200


@dataclass(frozen=True)
class Case:
    """A made-up task: what the best head could reach on the baseline's and on the source's features.

    Attributes
    ----------
    name : str
    baseline, source : float
        Accuracies; 0.5 knows nothing.
    shared : bool
        The source holds the baseline's evidence and more; else evidence of its own.
    asked : str
        ``false`` where *helps* would be wrong, ``found`` where it must be found, empty where it is only measured.
    n : int
        Simulations.
    """

    name: str
    baseline: float
    source: float
    shared: bool
    asked: str
    n: int


CASES = (
    Case("source as good as the baseline, other evidence", 0.8, 0.8, False, "false", 1000),
    Case("source as good as the baseline, the same evidence", 0.8, 0.8, True, "false", 100),
    Case("source knows nothing, the baseline 80 %", 0.8, 0.5, False, "false", 100),
    Case("nobody knows anything (labels shuffled)", 0.5, 0.5, False, "false", 100),
    Case("5 points on 90 %, the same evidence and more", 0.9, 0.95, True, "found", 1000),
    Case("5 points on 85 %, the same evidence and more", 0.85, 0.9, True, "", 100),
    Case("5 points on 80 %, the same evidence and more", 0.8, 0.85, True, "", 100),
    Case("5 points on 90 %, other evidence", 0.9, 0.95, False, "", 100),
    Case("10 points on 80 %, the same evidence and more", 0.8, 0.9, True, "", 100),
)


def evidence(labels: np.ndarray, accuracy: float, generator: np.random.Generator) -> np.ndarray:
    """Normal features, one direction of which tells two classes apart with this accuracy at best."""
    direction = generator.normal(size=WIDTH)
    shift = special.ndtri(accuracy) * direction / np.linalg.norm(direction)
    return generator.normal(size=(len(labels), WIDTH)) + np.outer(2 * labels - 1, shift)


def features(case: Case, labels: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features of the baseline and of the source, float32."""
    baseline = evidence(labels, case.baseline, generator)
    if not case.shared:
        return baseline.astype(np.float32), evidence(labels, case.source, generator).astype(np.float32)
    more = np.sqrt(max(special.ndtri(case.source) ** 2 - special.ndtri(case.baseline) ** 2, 0.0))
    further = generator.normal(size=(len(labels), WIDTH))
    further[:, 0] += (2 * labels - 1) * more
    turn = np.linalg.qr(generator.normal(size=(2 * WIDTH, 2 * WIDTH)))[0]
    return baseline.astype(np.float32), (np.concatenate([baseline, further], axis=1) @ turn).astype(np.float32)


def one(case: Case, seed: int) -> dict[str, Gain]:
    """Gains of one made-up task, by every score."""
    generator = np.random.default_rng(seed)
    labels = np.arange(N_IMAGES) % 2
    known, source = features(case, labels, generator)
    folds = outer_folds(make_split(labels, names=[str(row) for row in range(N_IMAGES)], scheme="nested:5x4", seed=seed))
    data = StudyData((source,), labels, 2)
    plan = replace(StudyPlan.of_heads(HEADS[RANDOM_WEIGHTS], seed=seed), positive=1)
    found = run_folds(data, folds, plan)
    run = gather(data, decide_folds(data, found, plan, RULES), ("a", "b"), 1, 1)
    baselines = [
        Baseline(MAJORITY, "majority", np.zeros((N_IMAGES, 1), np.float32), HEADS[MAJORITY]),
        Baseline("knowing", "knowing", known, HEADS[RANDOM_WEIGHTS]),
    ]
    outcomes = [run_baseline(baseline, data, folds, plan, RULES) for baseline in baselines]
    best = best_baselines(outcomes, plan.choose_by)
    baseline = pooled([outcomes[place].folds[number] for number, place in enumerate(best)], run)
    return transfer_gains(run, baseline, metrics=SCORES, seed=seed)


def some(case: Case, seeds: range) -> list[dict[str, Gain]]:
    """A block of simulations in one process, held to one thread once and not anew for each of a hundred small fits."""
    usual = workers.single_thread
    with usual():
        try:
            workers.single_thread = nullcontext
            return [one(case, seed) for seed in seeds]
        finally:
            workers.single_thread = usual


def measure(case: Case, n: int) -> dict[str, Any]:
    """Shares of the verdicts over the simulations of a case by every score, the gain, and what its interval allows.

    ``deviation`` is that of the gain over the simulations, ``half_width`` half of the mean interval: 1.97 times the
    deviation would make the interval exact.
    """
    start = time.perf_counter()
    blocks = [range(first, min(first + BLOCK, n)) for first in range(0, n, BLOCK)]
    rows = [row for part in Parallel(n_jobs=2)(delayed(some)(case, block) for block in blocks) for row in part]
    scores = {
        name: {
            "helps": float(np.mean([row[name].verdict == "helps" for row in rows])),
            "hurts": float(np.mean([row[name].verdict == "hurts" for row in rows])),
            "mean_gain": float(np.mean([row[name].value for row in rows])),
            "deviation": float(np.std([row[name].value for row in rows], ddof=1)),
            "half_width": float(np.mean([(row[name].high - row[name].low) / 2 for row in rows])),
        }
        for name in SCORES
    }
    return {"asked": case.asked, "n": n, "scores": scores, "seconds": round(time.perf_counter() - start, 1)}


def reached(row: dict[str, Any]) -> bool:
    """Whether a case keeps what is asked of it, by the score that decides."""
    helps = row["scores"][DECIDED_BY]["helps"]
    return {"false": helps <= MAX_FALSE, "found": helps >= MIN_FOUND}.get(row["asked"], True)


def write_weights(folder: Path) -> dict[str, Path]:
    """Files of the true weights and of the same numbers permuted within every layer."""
    entry = find_entry(DEFAULT_BACKBONE)
    network = build(entry)
    load_into(network, entry, None, True)
    true = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    dice = torch.Generator().manual_seed(0)
    hostile = {
        name: tensor.flatten()[torch.randperm(tensor.numel(), generator=dice)].reshape(tensor.shape).contiguous()
        for name, tensor in true.items()
    }
    paths = {"true": folder / "true.safetensors", "hostile": folder / "hostile.safetensors"}
    for name, state in (("true", true), ("hostile", hostile)):
        save_file(state, paths[name])
    return paths


def cells_manifest(path: Path) -> Path:
    """Every second solar cell or so."""
    cells = solar_cells()
    rows = [f"{name},{CLASSES[int(p > 0.5)]}" for name, p in zip(cells.names, cells.probability, strict=True)]
    taken = np.linspace(0, len(rows) - 1, N_CELLS).round().astype(int)
    path.write_text("\n".join(["image,label", *(rows[row] for row in taken)]) + "\n", encoding="utf-8")
    return path


def real_cases(folder: Path) -> dict[str, Sequence[str]]:
    """Arguments of `headstart fit` that name the images, by data set."""
    found = {"solar cells": [str(cells_manifest(folder / "cells.csv")), "--root", str(solar_cells().folder)]}
    root = os.environ.get("HEADSTART_TEST_DATA")
    if root and (Path(root) / "ph2" / "labels.csv").is_file():
        found["PH2"] = [str(Path(root) / "ph2" / "labels.csv"), "--label-column", "diagnosis"]
    return found


def end_to_end() -> dict[str, Any]:
    """Verdicts of whole runs with true and with hostile weights."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_weights(folder)
        for data, arguments in real_cases(folder).items():
            for kind, path in paths.items():
                run = folder / f"{data} {kind}"
                network = ["--backbone", DEFAULT_BACKBONE, "--weights", str(path), "--offline"]
                seconds, _ = headstart("fit", *arguments, "-o", str(run), *network, "-q", cache=folder / "cache")
                found[f"{data}, {kind} weights"] = _summary(run, seconds)
                print(data, kind, found[f"{data}, {kind} weights"]["text"], flush=True)
    return found


def _summary(run: Path, seconds: float) -> dict[str, Any]:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    transfer = results["transfer"]
    baselines = {row["name"]: row["metrics"]["balanced_accuracy"]["value"] for row in transfer["baselines"]}
    kept = {name: transfer[name] for name in ("verdict", "text", "gains")}
    return {**kept, "balanced_accuracy_of_baselines": baselines, "seconds": round(seconds, 1)}


def main() -> int:
    """Simulate, then run; 1 when a verdict is wrong too often, a gain is missed too often or hostile weights help."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 simulations of each case, no whole runs, nothing kept")
    quick = parser.parse_args().quick
    simulated = {}
    for case in CASES:
        simulated[case.name] = measure(case, 40 if quick else case.n)
        print(case.name, simulated[case.name], flush=True)
    runs = {} if quick else end_to_end()
    columns = ["case", "simulations", "asked", *(f"helps / hurts by {name}" for name in SCORES), "points gained"]
    print(table(columns, [_row(name, row) for name, row in simulated.items()]))
    if not quick:
        about = {"n_images": N_IMAGES, "decided_by": DECIDED_BY}
        write_results("verdict", {**about, "simulations": simulated, "runs": runs})
        good = runs["solar cells, true weights"]["verdict"] == "helps"
        if not good or any(row["verdict"] == "helps" for name, row in runs.items() if "hostile" in name):
            return 1
    return 0 if all(map(reached, simulated.values())) else 1


def _row(name: str, row: dict[str, Any]) -> list[str]:
    asked = {"false": f"helps <= {MAX_FALSE:.0%}", "found": f"helps >= {MIN_FOUND:.0%}"}.get(row["asked"], "")
    shares = [f"{row['scores'][score]['helps']:.1%} / {row['scores'][score]['hurts']:.1%}" for score in SCORES]
    points = 100 * row["scores"]["balanced_accuracy"]["mean_gain"]
    return [name, str(row["n"]), asked, *shares, f"{points:+.1f}"]


if __name__ == "__main__":
    raise SystemExit(main())
