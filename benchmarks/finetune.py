"""Fine-tuning of EfficientNet-Lite0 on the solar cells, three protocols, 5 outer folds, one fixed candidate.

Nothing is chosen here: unlocked stages, rates and views were fixed beforehand, on a holdout inside the training images
of the first fold of another split. Those are test images of other folds, so the settings have seen some of them. The
last three stages (blocks 6 and 7, the last convolution) are trained at 300 px, the size of the pictures, from a frozen
head on; each epoch sees every cell in one of its eight flips and rotations, and predictions are the mean over all
eight. Doubtful cells are trained on as shares under protocol A (a probability of 1/3 is one third defective), by weight
under B, and not at all under C. Folds are stratified by probability and type of cell, sister wafers on one
side. Every fold is judged once, after its last epoch. Frozen features (a logistic head on the same images) stand
beside it, with the paired difference.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from common import RESULTS, table, write_results

from headstart.augment import views
from headstart.data import ImageDataset
from headstart.data.audit.audit import audit_dataset
from headstart.data.split.make import split_dataset
from headstart.engines.engine import Engine
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.features.stage_maps import StageMaps, extract_maps
from headstart.finetuning import FineTuneSpec, TrainingContext, TrainingTask, fine_tune, frozen_stage, predict_images
from headstart.heads import HeadSpec, fit_heads
from headstart.metrics import OutOfFold, compare_paired, evaluate
from headstart.samples.solar_cells import SolarCells, protocol, solar_cells
from headstart.workflow.job.near_duplicates import find_near_duplicates
from headstart.workflow.job.sources import open_cache

PIXELS = 300
SPEC = FineTuneSpec(unlock=3, epochs=12, batch_size=32, learning_rate=3e-4, precision="fp32")
START = HeadSpec("logistic", {"C": 0.003})
ASKED = {"A": {"accuracy": 0.897, "weighted": 0.912}, "B": {"weighted": 0.884}, "C": {"accuracy": 0.93}}
N_THREADS = 2
SEED = 0


class Part:
    """Maps of some images of a data set."""

    def __init__(self, maps: StageMaps, rows: np.ndarray) -> None:
        self.maps, self.rows, self.n_views = maps, rows, maps.n_views

    def take(self, rows: Any, views: Any) -> np.ndarray:
        """See `StageMaps.take`."""
        return self.maps.take(self.rows[np.asarray(rows)], views)


@dataclass(frozen=True, eq=False)
class Given:
    """Cells, features, maps, groups and the seconds that computing them took."""

    cells: SolarCells
    dataset: ImageDataset
    extractor: Extractor
    features: np.ndarray
    maps: StageMaps
    groups: np.ndarray | None
    seconds: float


def read() -> Given:
    """Everything that training reads."""
    start = time.perf_counter()
    cells = solar_cells()
    plain = cells.dataset(cells.probability > 0.5)
    audit = audit_dataset(plain)
    dataset = plain.with_hashes(audit.hashes)
    opened = open_extractor(ExtractionSettings(input_size=(PIXELS, PIXELS), offline=True))
    engine = Engine(n_threads=N_THREADS, batch_size=16, folded=True)
    cache = open_cache("default")
    whole = Extractor(opened.backbone, opened.preparation, engine, network_cache=opened.network_cache)
    features = extract_features(dataset, whole, cache=cache)
    stage = frozen_stage(SPEC.unlock, opened.backbone.staged.names, backbone=opened.backbone.name)
    staged = Extractor(opened.backbone, opened.preparation, engine, stage=stage, network_cache=opened.network_cache)
    maps = extract_maps(dataset, staged, views=views("dihedral", 8), cache=cache)
    groups = find_near_duplicates(dataset, audit, features).groups
    return Given(cells, dataset, staged, features, maps, groups, time.perf_counter() - start)


def judged(given: Given, name: str, n_folds: int) -> dict[str, Any]:
    """One protocol: scores, the paired gain over frozen features, seconds."""
    start = time.perf_counter()
    one = protocol(given.cells, name)
    rows, labels = one.rows, np.asarray(one.dataset.labels)
    certainty = one.certainty
    targets = one.soft if name == "A" else np.eye(2)[labels]
    weights = one.dataset.weights
    both = np.stack([np.round(given.cells.probability[rows] * 3), given.cells.cell_type[rows] == "mono"], axis=1)
    strata = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
    groups = None if given.groups is None else np.unique(given.groups[rows], return_inverse=True)[1]
    split = split_dataset(one.dataset, groups=groups, strata=strata, seed=SEED)
    features, maps = given.features[rows], Part(given.maps, rows)
    said = {way: np.full((len(rows), 2), 0.5) for way in ("fine-tuned", "frozen")}
    fold = np.full(len(rows), -1, dtype=np.int64)
    histories = []
    for number, train, test in list(split.outer(0))[:n_folds]:
        began = time.perf_counter()
        kept = None if weights is None else weights[train]
        (head,) = fit_heads([START], features[train], labels[train], n_classes=2, weights=kept, seed=SEED)
        setting = TrainingContext(
            given.extractor.backbone, given.extractor.stage, head, seed=SEED + number, n_threads=N_THREADS
        )
        found = fine_tune(TrainingTask(maps, targets, weights, train, np.zeros(0, dtype=np.int64)), SPEC, setting)
        said["fine-tuned"][test] = predict_images(
            found, setting.backbone, setting.stage, maps, test, device=setting.device
        )
        said["frozen"][test] = head.predict_proba(features[test])
        fold[test] = number
        histories.append(found.history.train_loss[1:].tolist())
        right = said["fine-tuned"][test].argmax(axis=1) == labels[test]
        took = time.perf_counter() - began
        print(f"{name}, fold {number + 1}: accuracy {right.mean():.4f}, weighted "
              f"{np.average(right, weights=certainty[test]):.4f}, {took:.0f} s", flush=True)  # fmt: skip
    seconds = time.perf_counter() - start
    some = fold >= 0
    result: dict[str, Any] = {"n_images": int(some.sum()), "n_folds": n_folds, "seconds": seconds, "losses": histories}
    for kind, counted in (("accuracy", None), ("weighted", certainty)):
        oof = {
            way: OutOfFold(
                labels=labels[some],
                probabilities=values[None, some],
                fold=fold[None, some],
                classes=one.dataset.classes,
                positive=1,
                weights=None if counted is None else counted[some],
                groups=None if groups is None else groups[some],
            )
            for way, values in said.items()
        }
        estimate = evaluate(oof["fine-tuned"], metrics=("accuracy",), per_class=False, seed=SEED).to_json()
        gain = compare_paired(oof["fine-tuned"], oof["frozen"], metrics=("accuracy",), seed=SEED).to_json()
        row = gain["metrics"]["accuracy"]
        result[kind] = {
            **{key: estimate["metrics"]["accuracy"][key] for key in ("value", "ci95")},
            "frozen": row["b"],
            "gain": row["difference"],
            "gain_ci95": row["ci95"],
        }
    return result


def main() -> int:
    """1 when an accuracy is lower, or the time longer, than asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="A,B,C", help="protocols")
    parser.add_argument("--quick", action="store_true", help="one fold of protocol A; writes nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    given = read()
    print(f"Features and maps: {given.seconds:.0f} s ({given.maps})", flush=True)
    names = ["A"] if arguments.quick else arguments.only.split(",")
    path = RESULTS / "finetune.json"
    kept = json.loads(path.read_text())["protocols"] if path.is_file() else {}
    for name in names:
        found = judged(given, name, 1 if arguments.quick else 5)
        found["maps_seconds"] = given.seconds
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        kept[name] = found
        if not arguments.quick:
            write_results("finetune", {"spec": SPEC.to_json(), "pixels": PIXELS, "protocols": kept})
    maps = max(found["maps_seconds"] for found in kept.values())  # those of later calls come from the cache
    minutes = {name: (found["seconds"] + maps) / 60 for name, found in kept.items()}
    rows = [
        [name, kind, f"{kept[name][kind]['value']:.4f}", _span(kept[name][kind]["ci95"]), asked,
         f"{kept[name][kind]['gain']:+.4f}", _span(kept[name][kind]["gain_ci95"]),
         f"{minutes[name]:.1f}", f"{kept[name]['peak_mb']:,.0f}"]
        for name in kept for kind, asked in ASKED[name].items()
    ]  # fmt: skip
    columns = ["protocol", "accuracy", "value", "95 %", "asked", "over frozen", "95 %", "minutes", "peak MB"]
    print(table(columns, rows))
    missed = [row for row in rows if float(row[2]) < float(row[4])]
    slow = [name for name in kept if minutes[name] > 60 or kept[name]["peak_mb"] > 8192]
    return 1 if missed or slow else 0


def _span(bounds: list[float] | None) -> str:
    return "" if bounds is None else f"{bounds[0]:.4f} to {bounds[1]:.4f}"


if __name__ == "__main__":
    raise SystemExit(main())
