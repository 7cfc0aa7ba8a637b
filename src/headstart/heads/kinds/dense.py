"""The paper's head and its relatives: fully connected layers, an activation, dropout, softmax; cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from headstart.heads.batched.plan import plan_chunks
from headstart.heads.batched.train import train_chunk
from headstart.heads.spec import HeadSpec
from headstart.heads.training_rows import TrainingRows


def fit_dense(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a dense head for every spec; all nan for one that diverged.

    Specs that differ in `epochs` alone are snapshots of one trajectory: nothing in it depends on where it ends.

    References
    ----------
    A. Brodzicki et al., "Transfer Learning Methods as a New Approach in Computer Vision Tasks with Small Datasets",
    2020, section 3. DOI 10.2478/fcds-2020-0010. We depart from it in the default learning rate and number of
    epochs, measured on standardised features (docs/heads.md).
    """
    arrays: list[dict[str, npt.NDArray[Any]]] = [{} for _ in specs]
    n_rows, n_features = rows.standardised.shape
    for chunk in plan_chunks(specs, n_features=n_features, n_classes=rows.n_present, n_rows=n_rows):
        (trained,) = train_chunk(chunk, [rows], precision=precision)
        for index, learned in zip(chunk.indices, trained.arrays, strict=True):
            arrays[index] = learned
    return arrays
