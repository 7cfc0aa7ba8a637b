"""What one picture costs a fitted model: alone, by the batch size of one, and in a batch that is filled up."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np
from common import median, table, write_results

from headstart import ImageDataset, TransferClassifier
from headstart.engines.capabilities import openvino_absence
from headstart.engines.engine import Engine, engine_for, reference_engine
from headstart.features.cache import FeatureCache
from headstart.model import Model
from headstart.workflow.job.bundle import with_batch_of_one

N_TRAINED = 24
N_REPEATS = 5
MOST = 1 / 3
BACKBONES = ("tf_efficientnet_lite0", "densenet121", "vgg19")


def engines() -> list[Engine]:
    """Plain torch, and OpenVINO where it is installed, on one thread."""
    found = [reference_engine(n_threads=1)]
    return found if openvino_absence() else [*found, engine_for("openvino", "fp32", device="cpu", n_threads=1)]


def fitted(backbone: str, dataset: ImageDataset) -> Model:
    """A head on a network whose weights are random, which costs what pretrained ones cost."""
    classifier = TransferClassifier(backbone=backbone, weights="random", threads=1, head="logistic", device="cpu")
    return classifier.fit(dataset).to_model()


def cpu_seconds(model: Model, pictures: np.ndarray) -> float:
    """Processor seconds of a prediction by a network that is ready."""
    model.predict_proba(pictures)
    spent = []
    for _ in range(N_REPEATS):
        start = time.process_time()
        model.predict_proba(pictures)
        spent.append(time.process_time() - start)
    return median(spent)


def measured(model: Model, engine: Engine, dataset: ImageDataset, picture: np.ndarray) -> dict[str, Any]:
    """Cost of one picture both ways, and how far its probabilities lie from each other."""
    declared = with_batch_of_one(replace(model, engine=engine), dataset, FeatureCache(None))
    if declared.batch_of_one is None:
        raise SystemExit(f"{model.backbone.name}: {engine.label} takes no single pictures")
    batched = replace(declared, batch_of_one=None)
    alone, whole = cpu_seconds(declared, picture), cpu_seconds(batched, picture)
    apart = np.abs(declared.predict_proba(picture) - batched.predict_proba(picture)).max()
    return {
        "backbone": model.backbone.name,
        "engine": engine.label,
        "batch size": engine.batch_size,
        "in a batch, CPU s": whole,
        "alone, CPU s": alone,
        "share": round(alone / whole, 3),
        "apart": float(f"{apart:.1e}"),
        "tolerance": declared.batch_of_one.tolerance,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest network only")
    names = BACKBONES[:1] if parser.parse_args().quick else BACKBONES
    pixels = np.random.default_rng(11).integers(0, 256, (N_TRAINED + 1, 240, 320, 3), dtype=np.uint8)
    labels = ["a", "b"] * (N_TRAINED // 2)
    dataset = ImageDataset.from_arrays(pixels[:N_TRAINED], labels=labels)
    rows = []
    for name in names:
        model = fitted(name, dataset)
        rows += [measured(model, engine, dataset, pixels[N_TRAINED:]) for engine in engines()]
    print(table(list(rows[0]), [list(row.values()) for row in rows]))
    print(f"\nAsked: a share of {MOST:.2f} or less, and apart by no more than the tolerance.")
    write_results("one_picture", {"n_repeats": N_REPEATS, "rows": rows})
    return int(any(row["share"] > MOST or row["apart"] > row["tolerance"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
