"""Which source of features suits the task: the scores of `headstart.study.transferability` as parts of a document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import plural
from headstart.metrics import find_metric
from headstart.metrics.transferability import kendall_tau_b, ranks_of
from headstart.metrics.validation import plain
from headstart.results.models.transferability import (
    JudgedSource,
    ProbeSettings,
    RankAgreement,
    RankingPair,
    ScoredSource,
    SourceRanks,
    SourceScores,
    TauOfScores,
    TransferabilityResults,
    TransferabilityScores,
    TransferabilitySettings,
)
from headstart.study.transferability import MAX_ROWS, N_NEIGHBOURS, PROBE, RANKED, SCORES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.results.models.candidates import FoldFacts

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

MAX_DISPUTED: Final = 3
"""Pairs of sources that the sentences name."""


def transferability_scores(scores: Floats, labels: Sequence[str]) -> TransferabilityScores:
    """Mean over the outer folds, ranks, and where the rankings disagree.

    Parameters
    ----------
    scores : ndarray of shape (n_folds + 1, n_sources, 5)
        From `score_sources`; the refit is the last fold.
    labels : sequence of str
        Name of each source.
    """
    means = scores[:-1].mean(axis=0)  # (sources, scores)
    ranks = _ranks(means)
    sources = tuple(
        ScoredSource(
            label=label,
            scores=_named(means[number]),
            ranks=SourceRanks(**{name: int(ranks[name][number]) for name in RANKED}),
            refit=_named(scores[-1, number]),
        )
        for number, label in enumerate(labels)
    )
    return TransferabilityScores(
        sources=sources,
        between=tuple(_between(means)),
        words=tuple(_words(labels, ranks)),
        settings=TransferabilitySettings(
            neighbours=N_NEIGHBOURS,
            probe=ProbeSettings(kind=PROBE.kind, settings=dict(PROBE.settings)),
            max_rows=MAX_ROWS,
        ),
    )


def _named(values: Floats) -> SourceScores:
    return SourceScores(**{name: plain(float(value)) for name, value in zip(SCORES, values, strict=True)})


def _column(means: Floats, name: str) -> Floats:
    """One of the ranked scores, higher being better."""
    column = means[:, SCORES.index(name)]
    return column if name == "logme" else -column


def _ranks(means: Floats) -> dict[str, Integers]:
    return {name: ranks_of(_column(means, name), greater_is_better=True) for name in RANKED}


def _between(means: Floats) -> list[RankingPair]:
    return [
        RankingPair.model_validate(
            {"of": [one, other], "kendall_tau_b": plain(kendall_tau_b(_column(means, one), _column(means, other)))}
        )
        for one, other in combinations(RANKED, 2)
    ]


def _words(labels: Sequence[str], ranks: dict[str, Integers]) -> list[str]:
    """Which source each score prefers, and the pairs that they order differently."""
    first: dict[str, list[str]] = {}
    for name, title in RANKED.items():
        first.setdefault(labels[int(np.argmin(ranks[name]))], []).append(title)
    if len(first) == 1:
        words = [f"All three prefer {next(iter(first))}."]
    else:
        each = [f"{_listed(titles)} {'prefer' if titles[1:] else 'prefers'} {label}" for label, titles in first.items()]
        words = [f"The scores disagree on the best: {'; '.join(each)}."]
    disputed = _disputed(labels, ranks)
    if disputed:
        more = f"; and {plural(len(disputed) - MAX_DISPUTED, 'pair')} more" if len(disputed) > MAX_DISPUTED else ""
        words.append(f"They order differently: {'; '.join(disputed[:MAX_DISPUTED])}{more}.")
    elif len(first) == 1 and len(labels) > 2:
        words.append("They order all sources alike.")
    return words


def _disputed(labels: Sequence[str], ranks: dict[str, Integers]) -> list[str]:
    """Pairs of sources that one score puts the other way round than the rest."""
    found = []
    for one, other in combinations(range(len(labels)), 2):
        signs = {name: int(np.sign(ranks[name][other] - ranks[name][one])) for name in RANKED}
        if {1, -1} <= set(signs.values()):
            alone = next(name for name in RANKED if list(signs.values()).count(signs[name]) == 1)
            pair = (one, other) if signs[alone] > 0 else (other, one)
            found.append(f"{RANKED[alone]} alone puts {labels[pair[0]]} before {labels[pair[1]]}")
    return found


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def transferability_results(
    found: TransferabilityScores, outer: Sequence[float | None], metric: str
) -> TransferabilityResults:
    """The scores with what the outer folds found of every source, and how well each score ranked them.

    Parameters
    ----------
    found : TransferabilityScores
    outer : sequence of float or None
        Outer score of the best candidate of every source, mean over the outer folds; None where there is none.
    metric : str
        What the outer score is.
    """
    better = find_metric(metric).greater_is_better
    values = np.array([np.nan if value is None else value for value in outer], dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    ranks = ranks_of(values, greater_is_better=better)
    sources = tuple(
        JudgedSource(
            **dict(source),
            outer_score=plain(float(value)),
            outer_rank=int(rank) if np.isfinite(value) else None,
        )
        for source, value, rank in zip(found.sources, values, ranks, strict=True)
    )
    measured = np.array([[getattr(one.scores, name) for name in SCORES] for one in sources], dtype=np.float64)
    truth = values[known] if better else -values[known]
    tau = {name: plain(kendall_tau_b(_column(measured[known], name), truth)) for name in RANKED}
    agreement = RankAgreement(
        metric=metric,
        n_sources=len(known),
        kendall_tau_b=TauOfScores(**tau),
        words=_agreement_words(tau, len(known)),
    )
    return TransferabilityResults(**{**dict(found), "sources": sources}, agreement=agreement)


def _agreement_words(tau: dict[str, float | None], n_sources: int) -> str:
    values = {name: "undefined" if value is None else f"{value:+.2f}" for name, value in tau.items()}
    each = ", ".join(f"{title} {values[name]}" for name, title in RANKED.items())
    chance = f"by chance a score orders {n_sources} sources just so once in {math.factorial(n_sources):,} times"
    return f"Rank agreement with the outer folds (Kendall's tau-b, 1 the same order): {each}; {chance}."


def best_outer_scores(folds: Sequence[FoldFacts], n_sources: int) -> list[float | None]:
    """Outer score of the best candidate of each source, mean over the outer folds that judged one."""
    found: list[list[float]] = [[] for _ in range(n_sources)]
    for row in folds:
        for best in row.best_of_sources:
            if best.outer_score is not None:
                found[best.source].append(best.outer_score)
    return [float(np.mean(scores)) if scores else None for scores in found]
