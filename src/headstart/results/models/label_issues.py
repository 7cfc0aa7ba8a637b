"""Labels that are probably wrong: those that out-of-fold predictions contradict."""

from __future__ import annotations

from headstart.results.models.base import Count, Mass, Part, Positive, Share


class LabelIssue(Part):
    """One label that is probably wrong: what is suggested instead, and what the predictions say of both.

    Attributes
    ----------
    votes : mapping of str to int, or None
        What the raters said, by class; None without raters.
    """

    rank: Positive
    image: str
    label: str
    suggested: str
    self_confidence: Share
    probability: Share
    margin: float
    repeats_agree: Count
    repeats: Positive
    votes: dict[str, Count] | None


class LabelIssueFacts(Part):
    """How label issues were looked for, how many there are, and the clearest of them."""

    method: str
    reference: str
    n_judged: Count
    n_listed: Count
    n_wrong_estimated: Mass
    thresholds: dict[str, Share | None]
    confident_joint: tuple[tuple[Count, ...], ...]
    top: tuple[LabelIssue, ...]


class LabelFacts(Part):
    """Number of soft labels (None where labels are plain), and label issues."""

    n_soft: Count | None
    issues: LabelIssueFacts
