"""The paper's grid on four sources of features: one 60/20/20 split, and nested 5 x 4 folds with successive halving.

Four made-up sources of 6,112 x 1,024 features in 2 classes, as of four networks that see the same images, each with
324 dense heads: 1,296 candidates. The estimate is made first, then the study is run for real and both are compared;
memory is that of this process and all its workers together, shared pages counted once. The full run takes an hour and
a half on 2 free cores; ``--quick`` runs a small form of both in a minute or two. On a busy machine the figures mean
little.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, read, table, write_results

from headstart.data.split.make import make_split
from headstart.data.split.split import Split
from headstart.heads import faster_precision, grid
from headstart.metrics import evaluate
from headstart.results.writers.candidates import halving_words, optimism
from headstart.study.data import StudyData
from headstart.study.execution.journal import Journal
from headstart.study.fold_result import FoldResult
from headstart.study.folds import OuterFold, outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.search.builtin import PAPER_BACKBONES
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.halving.plan import HalvingPlan
from headstart.study.time_estimate import study_seconds

N_LATENT = 40
ALLOWED_MINUTES = {"one split": 25.0, "nested, halved": 90.0}
ALLOWED_FACTOR = 1.5
ALLOWED_GB = 3.0
NOISE = (0.5, 0.6, 0.8, 1.1)
"""Of the sources; the first sees best."""


@dataclass(frozen=True)
class Size:
    """How much is done."""

    n_images: int
    n_features: int
    n_heads: int
    n_outer: int
    n_inner: int


FULL = Size(6112, 1024, 324, 5, 4)
QUICK = Size(3056, 512, 81, 2, 2)


class PeakMemory:
    """Most memory that this process and its descendants held at one time, while a block lasts."""

    def __init__(self) -> None:
        self.gb = 0.0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            self.gb = max(self.gb, sum(proportional_kb(number) for number in family(os.getpid())) / 2**20)


def family(root: int) -> list[int]:
    """Numbers of a process and of all that descend from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended meanwhile
                continue
    found = [root]
    for number in found:
        found += [child for child, parent in parents.items() if parent == number]
    return found


def proportional_kb(number: int) -> int:
    """Memory of a process in KiB, pages it shares counted in part."""
    try:
        text = Path(f"/proc/{number}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def made_up(size: Size, seed: int = 0) -> StudyData:
    """Features as of networks: many, skewed, of few causes; about 0.93 of the labels can be told from the best."""
    generator = np.random.default_rng(seed)
    causes = generator.standard_normal((size.n_images, N_LATENT))
    score = causes[:, :6].sum(axis=1) + 0.25 * causes[:, 6] * causes[:, 7] + 0.25 * np.abs(causes[:, 8])
    labels = (generator.logistic(size=size.n_images) * 0.15 + score > np.median(score)).astype(np.int64)
    features = []
    for noise in NOISE:
        mixed = causes @ generator.standard_normal((N_LATENT, size.n_features)) / N_LATENT**0.5
        mixed += noise * generator.standard_normal(mixed.shape) - 0.3
        features.append(np.maximum(mixed, 0).astype(np.float32))
    return StudyData(tuple(features), labels, 2)


def paper_plan(size: Size, *, precision: str, n_jobs: int, halving: HalvingPlan | None) -> StudyPlan:
    """The paper's heads, or an even part of them in whole trajectories, on every source."""
    heads = grid("paper")
    step = len(heads) // size.n_heads
    heads = [head for index, head in enumerate(heads) if index // 3 % step == 0]  # epochs change fastest
    sources = tuple(FeatureSourceSpec(name) for name in PAPER_BACKBONES)
    candidates = tuple(Candidate(source, head) for source in sources[: len(NOISE)] for head in heads)
    return StudyPlan(candidates, sources, n_jobs=n_jobs, halving=halving, train_precision=precision)


def measured(name: str, data: StudyData, split: Split, plan: StudyPlan) -> dict[str, Any]:
    """Estimate, then run: figures of both."""
    folds, widths = outer_folds(split), [features.shape[1] for features in data.features]
    start = time.perf_counter()
    estimate = study_seconds(folds, plan, widths, data.n_classes)
    estimated_in = time.perf_counter() - start
    print(f"{name}: {len(plan.candidates):,} candidates, about {estimate / 60:.1f} minutes", flush=True)
    start = time.perf_counter()
    with PeakMemory() as memory, tempfile.TemporaryDirectory() as folder:
        found = run_folds(data, folds, plan, journal=Journal(Path(folder)))
        journal_mb = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
    seconds = time.perf_counter() - start
    print(f"{name}: {seconds / 60:.1f} minutes", flush=True)
    return {
        "estimate_minutes": round(estimate / 60, 2),
        "estimate_took_seconds": round(estimated_in, 2),
        "minutes": round(seconds / 60, 2),
        "factor": round(max(estimate / seconds, seconds / estimate), 2),
        "peak_memory_gb": round(memory.gb, 2),
        "journal_mb": round(journal_mb, 1),
        "halving": halving_words(found),
        **outcome(data, found, folds, plan),
    }


def outcome(data: StudyData, found: list[FoldResult], folds: Sequence[OuterFold], plan: StudyPlan) -> dict[str, Any]:
    """What was chosen and how it was judged."""
    judged = evaluate(gather(data, found, ("a", "b"), 1, 1), per_class=False, seed=0)
    gap = optimism(found, judged, plan).difference
    return {
        "n_candidates": len(plan.candidates),
        "n_outer_folds": len(folds),
        "chosen": [plan.label(result.chosen) for result in found],
        "n_tied": [int(result.choice.tied.sum()) for result in found],
        "cheapest_tied": [plan.label(result.record.compared[result.choice.cheapest]) for result in found],
        "optimism_log_loss": None if gap is None else round(gap, 4),
        "accuracy": round(judged.metrics["accuracy"].to_json()["value"], 4),
    }


def main() -> int:
    """Both searches; 1 when one misses what it must reach (the full run alone)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small form that takes a minute or two")
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="[default: the faster here]")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [default: 2]")
    parser.add_argument("--only", choices=list(ALLOWED_MINUTES), help="one of the two [default: both]")
    options = parser.parse_args()
    size, precision = QUICK if options.quick else FULL, options.precision or faster_precision()
    data = made_up(size)
    searches = {
        "one split": ("holdout:60/20/20", None),
        "nested, halved": (f"nested:{size.n_outer}x{size.n_inner}", HalvingPlan()),
    }
    found = {}
    for name, (scheme, halving) in searches.items():
        if options.only in (None, name):
            plan = paper_plan(size, precision=precision, n_jobs=options.jobs, halving=halving)
            found[name] = measured(name, data, make_split(data.labels, scheme=scheme, seed=0), plan)
    if not options.quick:
        kept = read("search")["searches"] if options.only and (RESULTS / "search.json").is_file() else {}
        write_results("search", {"precision": precision, "n_jobs": options.jobs, "searches": kept | found})
    return report(found, precision, quick=options.quick)


def report(found: dict[str, dict[str, Any]], precision: str, *, quick: bool) -> int:
    """Print the figures; 1 when one misses what it must reach."""
    print(f"\nproducts in {precision}\n")
    columns = ["minutes", "estimate_minutes", "factor", "peak_memory_gb", "journal_mb", "accuracy", "optimism_log_loss"]
    rows = [[name, *(figures[column] for column in columns)] for name, figures in found.items()]
    print(table(["search", *(column.replace("_", " ") for column in columns)], rows))
    for name, figures in found.items():
        chosen = [f"{label} ({n} tied)" for label, n in zip(figures["chosen"], figures["n_tied"], strict=True)]
        print(f"\n{name}: chosen: {'; '.join(chosen)}", figures["halving"] or "", sep="\n")
    met = all(
        figures["minutes"] <= ALLOWED_MINUTES[name]
        and figures["factor"] <= ALLOWED_FACTOR
        and figures["peak_memory_gb"] <= ALLOWED_GB
        for name, figures in found.items()
    )
    return 0 if met or quick else 1


if __name__ == "__main__":
    raise SystemExit(main())
