"""Where the time of a fit goes, and which option would about halve it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from headstart.data.split.automatic import SINGLE
from headstart.data.split.first_fold import first_fold
from headstart.study.folds import final_fold, outer_folds

if TYPE_CHECKING:
    from headstart.data.split.split import Split

LONG_S: Final = 120.0
"""Seconds from which it is worth saying."""
_SMALL_SHARE: Final = 0.15
_HALF: Final = 0.55
"""Share of the time that may be left where it is called half."""
_TITLES: Final = {
    "features": "the network",
    "heads": "heads",
    "fine_tuning": "fine-tuning",
    "baselines": "baselines",
    "explanations": "explanations",
}


def time_words(seconds: Mapping[str, float], split: Split) -> str:
    """The largest parts of a long job, and the option that would about halve it; empty for a short one.

    Parameters
    ----------
    seconds : mapping of str to float
        Of the steps ``features``, ``heads``, ``fine_tuning``, ``baselines``, ``explanations`` and others.
    split : Split

    Examples
    --------
    >>> time_words({"features": 20.0, "heads": 30.0}, None)
    ''
    """
    total = sum(seconds.values())
    if total < LONG_S:
        return ""
    parts = sorted(_TITLES, key=lambda name: -seconds.get(name, 0.0))
    shares = [
        f"{_TITLES[name]} {100 * seconds[name] / total:.0f} %"
        for name in parts
        if seconds.get(name, 0.0) >= _SMALL_SHARE * total
    ]
    halving = next((option for option, left in _options(seconds, split) if left <= _HALF * total), None)
    advice = f"; {halving} would about halve it" if halving else ""
    return f"Where the time goes: {', '.join(shares)}{advice}."


def _options(seconds: Mapping[str, float], split: Split) -> Iterator[tuple[str, float]]:
    """Options with the seconds that would be left."""
    total = sum(seconds.values())
    baselines, heads = seconds.get("baselines", 0.0), seconds.get("heads", 0.0)
    yield "--no-baselines", total - baselines
    saved = heads * (1 - _fitted_rows(first_fold(split)) / _fitted_rows(split))
    if split.n_outer > 1 and not split.own_folds:
        yield f"--split {SINGLE}", total - saved
        yield f"--no-baselines with --split {SINGLE}", total - saved - baselines
    yield "half the --input-size", total - 0.75 * seconds.get("features", 0.0)
    yield "--budget", total - seconds.get("fine_tuning", 0.0)


def _fitted_rows(split: Split) -> int:
    """Rows that one candidate is fitted on in all inner folds."""
    folds = [*outer_folds(split), final_fold(split)]
    return sum(len(train) for fold in folds for train, _ in fold.inner)
