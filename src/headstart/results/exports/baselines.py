"""``baselines.csv``: out-of-fold predictions of every baseline."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headstart.results.exports import ExportContext, register_export
from headstart.runtime.csv_cells import csv_bytes

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.study.transfer_verdict import Transfer


@register_export("baselines.csv", needs_baselines=True)
def _content(context: ExportContext) -> bytes:
    if context.transfer is None:
        raise ValueError("no baselines were judged")
    return baselines_csv(context.dataset, context.transfer)


def baselines_csv(dataset: ImageDataset, transfer: Transfer) -> bytes:
    """Out-of-fold predictions of every baseline as CSV, one row per baseline, image and repeat.

    The column ``best`` is 1 where the inner folds of the row's outer fold prefer that baseline: those rows together are
    what the run is compared with.
    """
    columns = [f"probability:{name}" for name in transfer.oof.classes]
    header = ["baseline", "best", "image", "label", "predicted", *columns, "repeat", "fold"]
    return csv_bytes(itertools.chain([header], _rows(dataset, transfer)))


def _rows(dataset: ImageDataset, transfer: Transfer) -> Iterator[list[Any]]:
    like = transfer.oof
    place_of = {
        (fold.outer.repeat, fold.outer.fold): transfer.best[number]
        for number, fold in enumerate(transfer.outcomes[0].folds)
    }
    for place, outcome in enumerate(transfer.outcomes):
        oof = outcome.oof(like)
        for repeat in range(like.n_repeats):
            for row in like.rows_of(repeat).tolist():
                probabilities, fold = oof.probabilities[repeat, row], int(like.fold[repeat, row])
                best = int(place_of[repeat, fold] == place)
                names = [dataset.names[row], like.classes[int(like.labels[row])]]
                predicted = like.classes[int(probabilities.argmax())]
                yield [outcome.name, best, *names, predicted, *probabilities.tolist(), repeat, fold]
