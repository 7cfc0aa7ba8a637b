"""Effects of a search's settings on the inner score: means of pairs, and the effect of each with an interval."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headstart.heads.spec import KINDS, searchable_kinds
from headstart.results.candidates_table import SOURCE_COLUMNS, TRAINING_SET_COLUMNS, CandidateTable
from headstart.runtime.threads import single_blas_thread

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

N_RESAMPLES = 300
SOURCE = "features"


@dataclass(frozen=True, eq=False)
class Factor:
    """A setting that took several values.

    Attributes
    ----------
    name : str
    levels : tuple of str
        Its values in order.
    codes : ndarray of shape (n,), int64
        Value of each row.
    goes_with : tuple of str
        Settings left out because this one decides them.
    """

    name: str
    levels: tuple[str, ...]
    codes: Integers
    goes_with: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Design:
    """The scored candidates of one kind of head, over all outer folds; n rows.

    Attributes
    ----------
    kind : str
    factors : tuple of Factor
    scores : ndarray of shape (n,)
    folds : ndarray of shape (n,), int64
        Outer fold of each row.
    """

    kind: str
    factors: tuple[Factor, ...]
    scores: Floats
    folds: Integers


@dataclass(frozen=True)
class Effect:
    """Effect of one value: score less the mean over the setting's values, and its 95 % interval (nan: unknown)."""

    level: str
    value: float
    low: float
    high: float


def designs(table: CandidateTable) -> list[Design]:
    """A design for every kind of head of which a setting, or the source of the features, took several values."""
    columns = table.columns
    scored = np.isfinite(columns["inner_score"]) & (columns["fold"] >= 0)
    searched = [kind for kind in searchable_kinds() if (scored & (columns["kind"] == kind)).any()]
    found = [_design(table, kind, np.flatnonzero(scored & (columns["kind"] == kind))) for kind in searched]
    return [design for design in found if design.factors]


def source_labels(table: CandidateTable) -> list[str]:
    """Where the features of each row come from, naming only what differs among the rows, the backbone always."""
    columns = {name: table.columns[name].tolist() for name in SOURCE_COLUMNS}
    shown = [name for name, values in columns.items() if name == "backbone" or len({_text(v) for v in values}) > 1]
    return [
        ", ".join(_source_part(name, columns[name][row]) for name in shown) for row in range(len(columns["backbone"]))
    ]


def _source_part(name: str, value: object) -> str:
    if _text(value) == "":
        return "default backbone" if name == "backbone" else f"default {name.replace('_', ' ')}"
    return f"{_text(value)} px" if name == "input_size" else _text(value)


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:g}" if isinstance(value, float | int) else str(value)


def _design(table: CandidateTable, kind: str, rows: Integers) -> Design:
    columns = table.columns
    labels = np.array(source_labels(table), dtype=object)[rows]
    names = (*TRAINING_SET_COLUMNS, *KINDS[kind].settings)
    values = {SOURCE: labels, **{name: columns[name][rows] for name in names}}
    factors = [_factor(kind, name, found) for name, found in values.items() if len({_text(v) for v in found}) > 1]
    folds = _joint([columns["repeat"][rows], columns["fold"][rows]])
    return Design(kind, _without_decided(factors), columns["inner_score"][rows], folds)


def _joint(codes: Sequence[Integers]) -> Integers:
    """One number for each combination of the codes."""
    return np.asarray(np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1].ravel(), dtype=np.int64)


def _factor(kind: str, name: str, values: NDArray[np.object_]) -> Factor:
    texts = [_text(value) for value in values]
    order = list(dict.fromkeys(texts))
    if name not in (SOURCE, *TRAINING_SET_COLUMNS):
        choices = KINDS[kind].settings[name].choices
        order = sorted(order, key=lambda text: (choices.index(text), 0.0) if text in choices else (0, _number(text)))
    place = {text: position for position, text in enumerate(order)}
    return Factor(name, tuple(order), np.array([place[text] for text in texts], dtype=np.int64))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -np.inf  # a word among numbers comes first


def _without_decided(factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """Factors no other decides: where each optimizer has its own learning rate, the two cannot be told apart."""
    kept = list(factors)
    for factor in sorted(factors, key=lambda item: len(item.levels)):
        deciding = next((other for other in kept if other is not factor and _decides(other, factor, kept)), None)
        if deciding is not None:
            joined = replace(deciding, goes_with=(*deciding.goes_with, factor.name, *factor.goes_with))
            kept = [joined if other is deciding else other for other in kept if other is not factor]
    return tuple(kept)


def _decides(one: Factor, other: Factor, kept: Sequence[Factor]) -> bool:
    """Whether each value of `one` comes with one value of `other` only; of two that do, the first in order stays."""
    pairs = len(set(zip(one.codes.tolist(), other.codes.tolist(), strict=True)))
    if other not in kept or pairs != len(one.levels):
        return False
    return len(one.levels) > len(other.levels) or kept.index(one) < kept.index(other)


def pairs(design: Design) -> Iterator[tuple[Factor, Factor]]:
    """Every pair of factors."""
    return itertools.combinations(design.factors, 2)


def cell_means(design: Design, rows: Factor, columns: Factor) -> tuple[Floats, Integers]:
    """Mean score and number of candidates x folds, both (rows' levels, columns' levels); nan where there is none."""
    shape = (len(rows.levels), len(columns.levels))
    sums, counts = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    np.add.at(sums, (rows.codes, columns.codes), design.scores)
    np.add.at(counts, (rows.codes, columns.codes), 1)
    return np.divide(sums, counts, out=np.full(shape, np.nan), where=counts > 0), counts


def effects(design: Design, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> list[list[Effect]]:
    """Effect of every value of every factor, in their order.

    Effects are those of a least-squares fit with a term for every outer fold and every factor; in a full grid, the
    difference of plain means. Intervals are percentiles over draws of outer folds and, independently, of combinations
    of the other settings, both with replacement: the values of a setting are always compared within the same
    combinations. Where there is one of either, the other alone is drawn.

    References
    ----------
    A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007, 386-411. DOI 10.1214/07-AOAS122
    """
    matrix, spans = _coded(design)
    # matrices this small gain nothing from threads, which cost much where the machine has other work
    with single_blas_thread():
        values = _fit(matrix, spans, design, np.ones(len(design.scores)))
        drawn = [
            _resampled(design, matrix, spans, place, n_resamples=n_resamples, seed=seed)
            for place in range(len(design.factors))
        ]
    return [_with_intervals(*parts) for parts in zip(design.factors, values, drawn, strict=True)]


def _with_intervals(factor: Factor, values: Floats, draws: Sequence[Floats]) -> list[Effect]:
    bounds = _percentiles(np.stack(draws)) if draws else np.full((2, len(factor.levels)), np.nan)
    parts = zip(factor.levels, values, *bounds, strict=True)
    return [Effect(level, float(value), float(low), float(high)) for level, value, low, high in parts]


def _resampled(
    design: Design, matrix: Floats, spans: Sequence[slice], place: int, *, n_resamples: int, seed: int
) -> list[Floats]:
    """Effects of one factor's values in every draw of folds and of combinations of the other settings."""
    others = [other.codes for number, other in enumerate(design.factors) if number != place]
    units = _joint(others) if others else np.zeros(len(design.scores), dtype=np.int64)
    draws = _draws(design.folds, units, n_resamples, np.random.default_rng([seed, place]))
    return [_fit(matrix, spans, design, weights)[place] for weights in draws]


def _draws(folds: Integers, units: Integers, n_resamples: int, generator: np.random.Generator) -> Iterator[Floats]:
    """How often each row is drawn, as product of how often its fold and its unit are; nothing where both are single."""
    n_folds, n_units = int(folds.max()) + 1, int(units.max()) + 1
    for _ in range(n_resamples if n_folds * n_units > 1 else 0):
        of_folds = np.bincount(generator.integers(0, n_folds, n_folds), minlength=n_folds)
        of_units = np.bincount(generator.integers(0, n_units, n_units), minlength=n_units)
        yield (of_folds[folds] * of_units[units]).astype(np.float64)


def _percentiles(draws: Floats) -> Floats:
    """2.5 and 97.5 % points (2, columns) of the draws that have a value; nan where more than half have none."""
    known = np.isfinite(draws)
    bounds = np.full((2, draws.shape[1]), np.nan)
    for column in np.flatnonzero(known.mean(axis=0) > 0.5):
        bounds[:, column] = np.quantile(draws[known[:, column], column], [0.025, 0.975])
    return bounds


def _coded(design: Design) -> tuple[Floats, list[slice]]:
    """Design matrix: a column per fold, then for each factor one fewer than its levels, summing to zero over them."""
    blocks, spans = [np.eye(int(design.folds.max()) + 1)[design.folds]], []
    start = blocks[0].shape[1]
    for factor in design.factors:
        n = len(factor.levels)
        blocks.append(np.concatenate([np.eye(n - 1), -np.ones((1, n - 1))])[factor.codes])
        spans.append(slice(start, start + n - 1))
        start += n - 1
    return np.concatenate(blocks, axis=1), spans


def _fit(matrix: Floats, spans: Sequence[slice], design: Design, weights: Floats) -> list[Floats]:
    """Effects of the levels of every factor; nan for a factor with a level that was not drawn."""
    weighted = matrix * weights[:, None]
    solution = np.linalg.lstsq(weighted.T @ matrix, weighted.T @ design.scores, rcond=None)[0]
    result = []
    for factor, span in zip(design.factors, spans, strict=True):
        seen = np.bincount(factor.codes, weights=weights, minlength=len(factor.levels)) > 0
        levels = np.append(solution[span], -solution[span].sum())
        result.append(levels if seen.all() else np.full(len(levels), np.nan))
    return result
