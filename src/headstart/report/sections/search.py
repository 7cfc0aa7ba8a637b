"""The section on the search: what was tried, what each setting did, what was chosen, what could not be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.report.document import Block, FigureRow, Picture, Section, Text
from headstart.report.search_effects import designs, effects
from headstart.report.sections.search_tables import best_table, effect_table, often_tied_table, tied_table
from headstart.report.sections.search_words import Found, outer_fold_numbers, score_name
from headstart.report.text import format as text
from headstart.study.candidates_table import CandidateTable


@dataclass(frozen=True, eq=False)
class Search:
    """A search, and what each setting did in it.

    Attributes
    ----------
    table : CandidateTable
        Of the outer folds.
    found : tuple of (Design, effects of its factors)
        For each kind of head whose settings varied.
    """

    table: CandidateTable
    found: Found


def analysed(table: CandidateTable) -> Search:
    """The effects of all settings, worked out once for figures and tables."""
    outer = table.of_outer_folds()
    return Search(outer, tuple((design, effects(design)) for design in designs(outer)))


def search_section(search: Search, drawn: Mapping[str, Picture], notes: Sequence[str] = ()) -> Section:
    """The search in words, figures and tables; readable however many candidates there were.

    `notes` are sentences on settings that the folds are too small for.
    """
    outer = search.table
    pictures = [picture for name, picture in drawn.items() if name.startswith("search_")]
    blocks: list[Block] = [Text(_summary(outer)), Text(_rule(outer), tone="note")]
    blocks += [Text(note, tone="note") for note in notes]
    if outer.halving is not None:
        blocks.append(Text(_halving_note(outer.halving), tone="warning"))
    blocks += [best_table(outer), tied_table(outer), often_tied_table(outer)]
    blocks += [FigureRow((picture,)) for picture in pictures]
    blocks += [effect_table(search.table, search.found)] if search.found else []
    return Section("search", "The search", tuple(blocks))


def _summary(table: CandidateTable) -> str:
    columns = table.columns
    n_folds = len(outer_fold_numbers(table))
    n_candidates = len(np.unique(columns["candidate"]))
    failed = int(columns["failed"].sum())
    failures = (
        f" {text.count(failed)} of {text.count(len(table))} trials failed and were never chosen." if failed else ""
    )
    return (
        f"{text.plural(n_candidates, 'candidate')}, {text.plural(n_folds, 'outer fold')}, {table.n_inner} inner folds "
        f"each; chosen by {score_name(table)}.{failures} Every trial stands in candidates.parquet."
    )


def _rule(table: CandidateTable) -> str:
    return (
        f"Tied with the winner: candidates whose inner {score_name(table)} is not told apart from the winner's at 5 % "
        "over all comparisons together (paired over the images of the inner folds, groups drawn as wholes, widened for "
        "shared training images). Cheapest: least time for features, one fit and 1,000 predictions by a rough cost "
        "model. A best inner score flatters, because it is the best of many; the outer score does not."
    )


def _halving_note(summary: str) -> str:
    return (
        f"{summary} Means and effects below are of the candidates that reached the last rung: weak settings had their "
        "worst candidates dropped and look better than they are."
    )
