"""Names and counts that the figures and the tables of a search share."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.metrics import find_metric
from headstart.report.locale.messages import tr
from headstart.report.search_effects import SOURCE, Design, Effect, Factor
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_in_sentence
from headstart.results.candidates_table import CandidateTable

SettingEffects = Sequence[tuple[Design, list[list[Effect]]]]
"""For each kind of head whose settings varied: its design, and the effects of its factors."""


def outer_fold_numbers(table: CandidateTable) -> list[tuple[int, int]]:
    """Repeat and number of every outer fold, in order."""
    pairs_found = zip(table.columns["repeat"].tolist(), table.columns["fold"].tolist(), strict=True)
    return list(dict.fromkeys(pairs_found))


def factor_name(factor: Factor) -> str:
    """A setting as people read it."""
    return tr("features") if factor.name == SOURCE else text.words(factor.name)


def undecided(found: Sequence[Design]) -> str:
    """Which settings cannot be told from others, as a sentence; empty where none."""
    joined = [(factor, other) for design in found for factor in design.factors for other in factor.goes_with]
    described = [
        tr("each {setting} has its own {other}", setting=factor_name(factor), other=text.words(other))
        for factor, other in joined
    ]
    return tr("Not told apart: {settings}.", settings=text.listed(list(dict.fromkeys(described)))) if described else ""


def score_name(table: CandidateTable) -> str:
    """The score that chose, inside a sentence."""
    return metric_in_sentence(table.metric)


def is_greater_better(table: CandidateTable) -> bool:
    """Whether the score that chose is to be raised."""
    return find_metric(table.metric).greater_is_better
