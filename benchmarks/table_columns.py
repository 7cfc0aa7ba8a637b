"""Weight of table columns beside a picture's features: PH2 with a column that tells something, and with noise.

The column that tells something is the share of the picture that the lesion's mask covers; the noise is three numbers
and a letter. Each way of weighing is judged by nested 5 x 4 folds over two draws of folds, every kind of head by
itself. The share in use was chosen by this table. Needs the environment variable HEADSTART_TEST_DATA, which names the
folder of PH2.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from common import table, write_results
from PIL import Image

from headstart.data import ImageDataset, read_dataset
from headstart.data.split.make import split_dataset
from headstart.data.table.column import TableColumn
from headstart.features.extract import extract_features
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.heads import grid
from headstart.metrics import evaluate
from headstart.study import table_block
from headstart.study.data import StudyData
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.workflow.job.sources import open_cache

KINDS = ("logistic", "svm", "knn")
SHARES = {"1": 1.0, "1/4": 1 / 4, "1/16": 1 / 16, "1 for each column": 0.0}
"""Variance of the columns together, in units of that of the picture's features."""


def lesions(root: Path, *, quick: bool) -> ImageDataset:
    """The lesions of PH2 with their diagnosis."""
    read = read_dataset(root / "labels.csv", columns={"label": "diagnosis"})
    plain = read.subset(np.arange(0, len(read), 4)) if quick else read
    return plain.with_hashes([plain.content_hash(row) for row in range(len(plain))])


def mask_area(root: Path, dataset: ImageDataset) -> TableColumn:
    """Share of each picture that its lesion covers."""
    areas = []
    for name in dataset.names:
        with Image.open(root / "masks" / f"{Path(name).stem}.png") as mask:
            areas.append(float((np.asarray(mask.convert("L")) > 127).mean()))
    return TableColumn.of("mask area", areas)


def noise(n_images: int) -> tuple[TableColumn, ...]:
    """Three numbers and a letter that know nothing."""
    draws = np.random.default_rng(0)
    numbers = [TableColumn.of(f"noise {number}", draws.normal(size=n_images)) for number in range(3)]
    return (*numbers, TableColumn.of("letter", draws.choice(list("abcd"), n_images).tolist()))


def ways(root: Path, dataset: ImageDataset) -> Iterator[tuple[str, str, tuple[TableColumn, ...]]]:
    """Columns and the share of variance that they are given."""
    yield "none", "", ()
    for name, columns in (("mask area", (mask_area(root, dataset),)), ("noise", noise(len(dataset)))):
        for share in SHARES:
            yield name, share, columns


def log_losses(dataset: ImageDataset, features: np.ndarray, seeds: int) -> Mapping[str, float]:
    """Mean log loss of every kind of head over some draws of folds."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for seed in range(seeds):
        split = split_dataset(dataset, seed=seed)
        for kind in KINDS:
            plan = StudyPlan.of_heads([spec for spec in grid() if spec.kind == kind], seed=seed)
            folds = run_folds(StudyData.of(dataset, (features,)), outer_folds(split), plan)
            oof = gather(StudyData.of(dataset, (features,)), folds, dataset.classes, None, split.repeats)
            found[kind].append(evaluate(oof, metrics=["log_loss"], per_class=False).metrics["log_loss"].value)
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def main() -> int:
    """Compare the ways of weighing; always 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the images, seen small, one draw")
    quick = parser.parse_args().quick
    folder = os.environ.get("HEADSTART_TEST_DATA")
    if not folder or not (root := Path(folder) / "ph2").joinpath("labels.csv").is_file():
        print("left out: HEADSTART_TEST_DATA names no folder that holds PH2")
        return 0
    dataset = lesions(root, quick=quick)
    settings = ExtractionSettings(input_size=(96, 96) if quick else None, device="cpu", offline=True)
    features = np.asarray(extract_features(dataset, open_extractor(settings), cache=open_cache("default")))
    rows = []
    for name, share, columns in ways(root, dataset):
        with mock.patch.object(table_block, "BLOCK_SHARE", SHARES.get(share, 0.0)):
            losses = log_losses(replace(dataset, columns=columns), features, 1 if quick else 2)
        rows.append({"columns": name, "share": share, **losses})
    if not quick:
        write_results("table_columns", {"log_loss": rows})
    print(
        table(
            ["columns", "variance", *KINDS],
            [[*list(row.values())[:2], *(f"{row[k]:.3f}" for k in KINDS)] for row in rows],
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
