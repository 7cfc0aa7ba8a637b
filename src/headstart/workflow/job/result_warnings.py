"""Warnings that only the folds and the predictions of a run can give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.data.readers.table import GROUPS_NAMED_BY
from headstart.errors import first_few, plural
from headstart.results.exports.label_issues import LABEL_ISSUES_FILE

MANY_NEAR_DUPLICATES: Final = 0.05
"""Share of images with a near-duplicate from which a series is suspected."""

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.audit.audit import Audit
    from headstart.data.split.split import Split
    from headstart.results.models.label_issues import LabelIssueFacts


def audit_judged_on(split: Split, audit: Audit, dataset: ImageDataset) -> Audit:
    """The audit with its facts about the files judged on the outer folds of a run, those of the first repeat.

    A holdout, or folds of which some train only, judge a part of the images; there five folds of the audit's own take
    their place.
    """
    outer = split.outer_codes[0].astype(np.int64)
    folds = outer if outer.min() >= 0 else None
    return audit.judged(np.asarray(dataset.labels), groups=dataset.groups, folds=folds)


def near_duplicate_warnings(near: Sequence[tuple[str, str]], n_images: int, *, groups_given: bool) -> list[str]:
    """A warning where so many images have near-duplicates that a series must be suspected.

    Parameters
    ----------
    near : sequence of (str, str)
        Names of the confirmed pairs.
    n_images : int
    groups_given : bool
    """
    involved = {name for pair in near for name in pair}
    if groups_given or len(involved) < max(4, MANY_NEAR_DUPLICATES * n_images):
        return []
    listed = first_few(f"{first} = {second}" for first, second in near)
    return [
        f"{len(involved):,} of {n_images:,} images have a near-duplicate ({listed}). These are kept together, but "
        "where so many are, others of the same series may have been missed, and they flatter the score: name what "
        f"belongs together by {GROUPS_NAMED_BY}."
    ]


def never_predicted_warnings(classes: Sequence[str], confusion: Sequence[Sequence[float]]) -> list[str]:
    """A warning that names the classes which no image was predicted to be.

    Parameters
    ----------
    classes : sequence of str
    confusion : sequence of sequences of float
        Rows of true classes, columns of predicted ones.
    """
    predicted = np.asarray(confusion, dtype=np.float64).sum(axis=0)
    never = [repr(name) for name, mass in zip(classes, predicted.tolist(), strict=True) if mass == 0]
    if not never:
        return []
    subject = "No image was predicted to be" if len(never) == 1 else "No image was predicted to be any of"
    return [
        f"{subject} {first_few(never)}: the scores speak of the other classes alone. Add images of it, merge it with "
        "another class, or balance the classes (--balance weights)."
    ]


def label_issue_warnings(issues: LabelIssueFacts) -> list[str]:
    """A warning that counts the labels which the predictions contradict, and names the file that lists them."""
    if not issues.n_listed:
        return []
    labels = plural(issues.n_listed, "label")
    verb = "is" if issues.n_listed == 1 else "are"
    return [
        f"{labels} of {issues.n_judged:,} judged images {verb} contradicted with confidence by models that did not "
        f"see them; about {issues.n_wrong_estimated:.0f} are estimated to be wrong. {LABEL_ISSUES_FILE} ranks them."
    ]
