"""Metrics by their titles and in one order."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.metrics import METRICS
from headstart.report.locale.messages import tr
from headstart.report.text import format as text

_PROPER_NAMES = ("Brier", "F1", "Matthews", "PR ", "ROC ")


def metric_title(name: str) -> str:
    """Title of a metric for people; a name this version does not know is spelled out."""
    return tr(english_title(name))


def metric_in_sentence(name: str) -> str:
    """Title of a metric as it stands inside a sentence.

    >>> metric_in_sentence("balanced_accuracy"), metric_in_sentence("roc_auc")
    ('balanced accuracy', 'ROC AUC')
    """
    return tr(english_in_sentence(name))


def english_title(name: str) -> str:
    """The title in English, as the catalogue knows it."""
    return METRICS[name].title if name in METRICS else text.words(name)


def english_in_sentence(name: str) -> str:
    """The title inside an English sentence, as the catalogue knows it."""
    title = english_title(name)
    return title if title.startswith(_PROPER_NAMES) else title[:1].lower() + title[1:]


def ordered_metrics(names: Iterable[str]) -> list[str]:
    """Known metrics in the order of `METRICS`, then the unknown ones by name."""
    given = set(names)
    known = [name for name in METRICS if name in given]
    return known + sorted(given.difference(known))
