"""``label_issues.csv``: the ranked list of labels to look at again."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from headstart.metrics.label_issues import LabelIssues, find_label_issues
from headstart.results.exports import ExportContext, register_export
from headstart.results.models.label_issues import LabelIssue
from headstart.results.writers.label_issues import label_issue

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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for place in range(len(issues.rows)):
        issue = label_issue(dataset, issues, place)
        writer.writerow([_cell(getattr(issue, column)) for column in columns])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{name} {count}" for name, count in value.items())
    return repr(value) if isinstance(value, float) else value
