"""``label_issues.csv``: the ranked list of labels to look at again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headstart.metrics.label_issues import LabelIssues, find_label_issues
from headstart.results.exports import ExportContext, register_export
from headstart.results.models.label_issues import LabelIssue
from headstart.results.writers.label_issues import label_issue
from headstart.runtime.csv_cells import csv_bytes

if TYPE_CHECKING:
    from headstart.data import ImageDataset

LABEL_ISSUES_FILE: Final = "label_issues.csv"
_COLUMNS: Final = tuple(name for name in LabelIssue.model_fields if name != "votes")


@register_export(LABEL_ISSUES_FILE)
def _content(context: ExportContext) -> bytes:
    return label_issues_csv(context.dataset, find_label_issues(context.study.oof))


def label_issues_csv(dataset: ImageDataset, issues: LabelIssues) -> bytes:
    """Every label issue as CSV, the clearest first, numbers in full precision; with raters their votes too."""
    columns = [*_COLUMNS, *(["votes"] if dataset.ratings is not None else [])]
    found = (label_issue(dataset, issues, place) for place in range(len(issues.rows)))
    return csv_bytes([columns, *([_cell(getattr(issue, column)) for column in columns] for issue in found)])


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{name} {count}" for name, count in value.items())
    return repr(value) if isinstance(value, float) else value
