"""What ``--quick`` leaves of a job: one holdout, one head on the first source's features, nothing beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from headstart.heads import HeadSpec
from headstart.study.search.builtin import tables_of
from headstart.study.search.space import Space
from headstart.study.training_set.spec import PLAIN
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.option import declared_options
from headstart.workflow.options.search import SearchOptions

PROVISIONAL: Final = (
    "Provisional: one head, judged once on one holdout, without baselines. The same command without --quick does the "
    "whole job."
)
_LEFT_OUT: Final = {"baselines": False, "leakage_tax": False, "explanations": False}


def quick_options(options: FitOptions) -> FitOptions:
    """The options of a provisional answer: those of the search at their defaults, nothing beside the one head."""
    plain = {item.name: item.default for item in declared_options(SearchOptions)}
    return replace(options, **plain | _LEFT_OUT)


def quick_space(space: Space) -> Space:
    """The first source of a space with one head, a logistic regression of the usual strength."""
    heads = tables_of([HeadSpec("logistic")])
    return replace(space, sources=space.sources[:1], tables=heads, training_sets=(PLAIN,), sample=None, halving=None)
