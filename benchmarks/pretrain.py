"""Pretraining on a source task of one's own, against random weights, where images are few.

Source: 20,000 Fashion-MNIST images of seven classes. Target: 200 images of the three classes that were kept out and are
hard to tell apart (pullover, coat, shirt). Frozen ResNet-18 at 32 px, logistic heads of three strengths chosen on the
inner folds of nested 5 x 4, with the pretrained weights and with random weights of the same network, in pairs on the
same folds; ten draws of 200 images that share none. Fixed before the first full run. The mean gain in
balanced accuracy must have a 95 % interval above 0 (Student's t over the draws).

The images come with the Debian package dataset-fashion-mnist (``apt-get install dataset-fashion-mnist``), or as the
four files of github.com/zalandoresearch/fashion-mnist in a folder that $FASHION_MNIST names.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import table, write_results
from scipy.stats import t as student

from headstart import ImageDataset, PretrainOptions, PretrainSettings, pretrain
from headstart.backbones.backbone import load_backbone
from headstart.cli.progress import TerminalProgress
from headstart.data import ImageResize
from headstart.data.split.make import split_dataset
from headstart.engines.engine import decide_engine
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.heads import HeadSpec
from headstart.metrics import OutOfFold, compare_paired, find_metric
from headstart.runtime.machine import available_processors
from headstart.study.data import StudyData
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan

FOLDER = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
NAMES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
HELD_OUT = ("pullover", "coat", "shirt")
BACKBONE, SIDE = "resnet18", 32
SETTINGS = PretrainSettings(epochs=4, batch_size=128, augment="geometric", views=8, seed=0)
N_SOURCE, N_TARGET, N_DRAWS = 20_000, 200, 10
HEADS = [HeadSpec("logistic", {"C": C}) for C in (0.001, 0.01, 0.1)]
SCORES = ("balanced_accuracy", "accuracy", "log_loss")


def main() -> int:
    """1 when the interval of the mean gain reaches 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 images, 2 epochs, 2 draws, to see that it runs")
    parser.add_argument("--threads", type=int, default=None, help="threads of the training [default: all processors]")
    parser.add_argument("--folder", type=Path, default=None, help="where a stopped run leaves its work [default: none]")
    asked = parser.parse_args()
    quick = asked.quick
    images, labels = read_images()
    n_source, n_draws = (1_000, 2) if quick else (N_SOURCE, N_DRAWS)
    settings = PretrainSettings(**{**SETTINGS.described(), "epochs": 2}) if quick else SETTINGS
    with contextlib.ExitStack() as stack:
        folder = asked.folder or stack.enter_context(tempfile.TemporaryDirectory())
        start = time.perf_counter()
        domain = "Fashion-MNIST, seven classes"
        options = PretrainOptions(BACKBONE, input_size=SIDE, settings=settings, domain=domain, threads=asked.threads)
        path = Path(folder) / "source.safetensors"
        made = pretrain(source(images, labels, n_source), path, options, progress=TerminalProgress())
        seconds = time.perf_counter() - start
        draws = [judged(images, labels, draw, path) for draw in range(n_draws)]
    found = summary(draws)
    if not quick:
        about = {"pretraining": made.results, "pretraining_seconds": round(seconds, 1)}
        write_results("pretrain", {**about, "draws": draws, "summary": found})
    print(made.headline, f"{seconds:,.0f} s")
    columns = ["score", "random weights", "pretrained", "gain", "95 % interval over draws"]
    print(
        table(
            columns, [[name, *(f"{value:.3f}" for value in row["shown"]), row["words"]] for name, row in found.items()]
        )
    )
    return 0 if quick or found["balanced_accuracy"]["ci95"][0] > 0 else 1


def read_images() -> tuple[np.ndarray, np.ndarray]:
    """The 60,000 training images and their classes."""
    if not (FOLDER / "train-images-idx3-ubyte.gz").is_file():
        raise SystemExit(f"{FOLDER} holds no Fashion-MNIST. {(__doc__ or '').split('The images come')[1]}")
    with gzip.open(FOLDER / "train-images-idx3-ubyte.gz") as handle:
        images = np.frombuffer(handle.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(FOLDER / "train-labels-idx1-ubyte.gz") as handle:
        labels = np.frombuffer(handle.read(), np.uint8, offset=8)
    return images, labels


def source(images: np.ndarray, labels: np.ndarray, n: int) -> ImageDataset:
    """Images of the classes that are not held out."""
    held_out = [NAMES.index(name) for name in HELD_OUT]
    rows = np.random.default_rng(0).permutation(np.flatnonzero(~np.isin(labels, held_out)))[:n]
    return ImageDataset.from_arrays(images[rows], [NAMES[code] for code in labels[rows]])


def target(images: np.ndarray, labels: np.ndarray, draw: int) -> ImageDataset:
    """Two hundred images of the held-out classes; draws share none."""
    held_out = [NAMES.index(name) for name in HELD_OUT]
    rows = np.random.default_rng(1).permutation(np.flatnonzero(np.isin(labels, held_out)))
    rows = rows[draw * N_TARGET : (draw + 1) * N_TARGET]
    return ImageDataset.from_arrays(images[rows], [NAMES[code] for code in labels[rows]], classes=HELD_OUT)


def judged(images: np.ndarray, labels: np.ndarray, draw: int, path: Path) -> dict[str, Any]:
    """One draw: scores with both kinds of weights, and their difference in pairs."""
    dataset = target(images, labels, draw)
    split = split_dataset(dataset, scheme="nested:5x4", seed=draw)
    oof = {name: out_of_fold(dataset, weights, draw, split) for name, weights in (("random", "random"), ("own", path))}
    found = compare_paired(oof["own"], oof["random"], metrics=list(SCORES)).to_json()["metrics"]
    return {
        name: {"random": row["b"], "pretrained": row["a"], "difference": row["difference"], "ci95": row["ci95"]}
        for name, row in found.items()
    }


def out_of_fold(dataset: ImageDataset, weights: str | Path, seed: int, split: Any) -> OutOfFold:
    """Nested predictions of logistic heads on frozen features; random weights are drawn anew for every draw."""
    backbone = load_backbone(BACKBONE, weights=weights, seed=seed)
    preparation = ImageResize((SIDE, SIDE), interpolation=backbone.interpolation)
    features = extract_features(dataset, Extractor(backbone, preparation, decide_engine(device="cpu")))
    data = StudyData((features,), np.asarray(dataset.labels), len(HELD_OUT))
    plan = StudyPlan.of_heads(HEADS, seed=seed)
    return gather(data, run_folds(data, outer_folds(split), plan), HELD_OUT, None, 1)


def summary(draws: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the draws, and Student's interval of the mean difference: draws share no image."""
    found = {}
    for name in SCORES:
        gains = np.array([draw[name]["difference"] for draw in draws])
        reach = student.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
        means = [float(np.mean([draw[name][kind] for draw in draws])) for kind in ("random", "pretrained")]
        ends = [float(gains.mean() - reach), float(gains.mean() + reach)]
        sign = 1 if find_metric(name).greater_is_better else -1
        alone = sum(min(sign * end for end in draw[name]["ci95"]) > 0 for draw in draws)
        words = f"{ends[0]:+.3f} to {ends[1]:+.3f}; better for certain within {alone} of {len(draws)} draws alone"
        found[name] = {"shown": [*means, float(gains.mean())], "ci95": ends, "n_better_alone": alone, "words": words}
    return found


if __name__ == "__main__":
    print(f"{available_processors()} processors")
    raise SystemExit(main())
