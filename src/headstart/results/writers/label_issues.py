"""Labels that out-of-fold predictions contradict, as ``labels`` of ``results.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headstart.data.labels.soft import is_soft
from headstart.metrics.validation import plain
from headstart.results.models.label_issues import LabelFacts, LabelIssue, LabelIssueFacts
from headstart.results.writers.agreement import named_votes

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.metrics.label_issues import LabelIssues

MAX_LISTED: Final = 50
"""Label issues that ``results.json`` lists; all of them stand in ``label_issues.csv``."""

_REFERENCE: Final = "Northcutt, Jiang, Chuang 2021, doi:10.1613/jair.1.12125"


def label_facts(dataset: ImageDataset, issues: LabelIssues) -> LabelFacts:
    """Soft labels, and the labels that out-of-fold predictions contradict."""
    thresholds = [plain(value) for value in issues.thresholds.tolist()]
    return LabelFacts(
        n_soft=None if dataset.soft is None else int(is_soft(dataset.soft).sum()),
        issues=LabelIssueFacts(
            method="confident learning on out-of-fold predictions, ranked by self-confidence",
            reference=_REFERENCE,
            n_judged=issues.n_judged,
            n_listed=len(issues.rows),
            n_wrong_estimated=issues.n_wrong,
            thresholds=dict(zip(dataset.classes, thresholds, strict=True)),
            confident_joint=tuple(tuple(row) for row in issues.joint.tolist()),
            top=tuple(label_issue(dataset, issues, place) for place in range(min(MAX_LISTED, len(issues.rows)))),
        ),
    )


def label_issue(dataset: ImageDataset, issues: LabelIssues, place: int) -> LabelIssue:
    """One label that is probably wrong; with raters also their votes."""
    row = int(issues.rows[place])
    own, other = float(issues.own[place]), float(issues.other[place])
    ratings = dataset.ratings
    return LabelIssue(
        rank=place + 1,
        image=dataset.names[row],
        label=dataset.classes[int(issues.labels[place])],
        suggested=dataset.classes[int(issues.suggested[place])],
        self_confidence=own,
        probability=other,
        margin=other - own,
        repeats_agree=int(issues.n_agree[place]),
        repeats=int(issues.n_repeats[place]),
        votes=None if ratings is None else named_votes(ratings, row, dataset.classes),
    )
