"""``predictions.csv``: out-of-fold predictions, one row per image and repeat."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results.exports import ExportContext, register_export
from headstart.runtime.csv_cells import csv_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.decisions import DecidedOutOfFold
    from headstart.metrics import OutOfFold


@register_export("predictions.csv")
def _content(context: ExportContext) -> bytes:
    return predictions_csv(context.dataset, context.study.oof, context.study.judged.decided)


def predictions_csv(dataset: ImageDataset, oof: OutOfFold, decided: DecidedOutOfFold | None = None) -> bytes:
    """Out-of-fold predictions as CSV, one row per image and repeat, numbers in full precision.

    Parameters
    ----------
    dataset : ImageDataset
    oof : OutOfFold
    decided : DecidedOutOfFold, optional
        Predicted classes and prediction sets, each set as a JSON list; None: the most probable class, no sets.
    """
    columns = [f"probability:{name}" for name in oof.classes]
    sets = None if decided is None else decided.sets
    kept = {"set": sets, "weight": oof.weights, "group": oof.groups}
    extra = [name for name, values in kept.items() if values is not None]
    header = ["image", "label", "predicted", *columns, "repeat", "fold", *extra]
    predicted = oof.predicted if decided is None else decided.predicted_classes

    def cells(repeat: int, row: int) -> list[Any]:
        names = [dataset.names[row], oof.classes[int(oof.labels[row])], oof.classes[int(predicted[repeat, row])]]
        chosen = [] if sets is None else [set_words(oof.classes, sets[repeat, row])]
        weight = [] if oof.weights is None else [float(oof.weights[row])]
        group = [] if oof.groups is None else [_group_name(dataset, oof.groups, row)]
        values = oof.probabilities[repeat, row].tolist()
        return [*names, *values, repeat, int(oof.fold[repeat, row]), *chosen, *weight, *group]

    body = (cells(repeat, row) for repeat in range(oof.n_repeats) for row in oof.rows_of(repeat).tolist())
    return csv_bytes(itertools.chain([header], body))


def set_words(classes: Sequence[str], inside: NDArray[np.bool_]) -> str:
    """A prediction set as a JSON list of names: names may hold any sign.

    >>> set_words(("dead", "living"), np.array([True, True]))
    '["dead", "living"]'
    """
    return json.dumps([name for name, is_in in zip(classes, inside.tolist(), strict=True) if is_in], ensure_ascii=False)


def _group_name(dataset: ImageDataset, groups: NDArray[np.int64], row: int) -> str:
    """The joined group's number; groups that near-duplicates joined have no name of the user's."""
    return dataset.group_names[int(groups[row])] if dataset.group_names else str(int(groups[row]))
