"""The ranked list of labels to look at again, as a run leaves it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from headstart.data.labels.soft import is_soft
from headstart.metrics.label_issues import LabelIssues
from headstart.metrics.validation import plain
from headstart.results.agreement import named_votes

if TYPE_CHECKING:
    from headstart.data import ImageDataset

DOUBTFUL_FILE: Final = "doubtful.csv"
MAX_LISTED: Final = 50
"""Doubtful labels that ``results.json`` lists; all of them stand in ``doubtful.csv``."""

_REFERENCE: Final = "Northcutt, Jiang, Chuang 2021, doi:10.1613/jair.1.12125"
_COLUMNS: Final = (
    "rank",
    "image",
    "label",
    "suggested",
    "self_confidence",
    "probability",
    "margin",
    "repeats_agree",
    "repeats",
)


def labels_document(dataset: ImageDataset, doubtful: LabelIssues) -> dict[str, Any]:
    """Soft labels, and the labels that out-of-fold predictions contradict, for ``results.json``."""
    thresholds = [plain(value) for value in doubtful.thresholds.tolist()]
    return {
        "n_soft": None if dataset.soft is None else int(is_soft(dataset.soft).sum()),
        "doubtful": {
            "method": "confident learning on out-of-fold predictions, ranked by self-confidence",
            "reference": _REFERENCE,
            "n_judged": doubtful.n_judged,
            "n_listed": len(doubtful.rows),
            "n_wrong_estimated": doubtful.n_wrong,
            "thresholds": dict(zip(dataset.classes, thresholds, strict=True)),
            "confident_joint": doubtful.joint.tolist(),
            "top": [_entry(dataset, doubtful, place) for place in range(min(MAX_LISTED, len(doubtful.rows)))],
        },
    }


def label_issues_csv(dataset: ImageDataset, doubtful: LabelIssues) -> bytes:
    """Every doubtful label as CSV, the most doubtful first, numbers in full precision."""
    columns = [*_COLUMNS, *(["votes"] if dataset.ratings is not None else [])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for place in range(len(doubtful.rows)):
        entry = _entry(dataset, doubtful, place)
        writer.writerow([_cell(entry[column]) for column in columns])
    return text.getvalue().encode()


def _entry(dataset: ImageDataset, doubtful: LabelIssues, place: int) -> dict[str, Any]:
    """One doubtful label; with raters also what they said."""
    row = int(doubtful.rows[place])
    own, other = float(doubtful.own[place]), float(doubtful.other[place])
    ratings = dataset.ratings
    return {
        "rank": place + 1,
        "image": dataset.names[row],
        "label": dataset.classes[int(doubtful.labels[place])],
        "suggested": dataset.classes[int(doubtful.suggested[place])],
        "self_confidence": own,
        "probability": other,
        "margin": other - own,
        "repeats_agree": int(doubtful.n_agree[place]),
        "repeats": int(doubtful.n_repeats[place]),
        **({} if ratings is None else {"votes": named_votes(ratings, row, dataset.classes)}),
    }


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{name} {count}" for name, count in value.items())
    return repr(value) if isinstance(value, float) else value
