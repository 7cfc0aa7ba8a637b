"""Scores of resampled data: groups are drawn with replacement, rows weighted by how often theirs was drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import InputError
from headstart.metrics.out_of_fold import OutOfFold
from headstart.metrics.registry import CLASS_METRICS, Metric, ScoreFunction, find_metric, metrics_for
from headstart.metrics.tally import Tally
from headstart.metrics.validation import FloatArray, ratio
from headstart.runtime.ahead import done_ahead
from headstart.runtime.machine import available_processors

_WORTH_THREADS = 1 << 21
"""Rows times resamples from which threads pay."""
_MAX_THREADS = 8
"""Threads that score batches at most: `draw_counts` makes the batches one by one."""
BATCH_ENTRIES = 1 << 19
"""Weights held at once: 4 MiB, so that a batch stays in the processor's cache."""


@dataclass(frozen=True)
class Column:
    """One number to estimate: a metric of all rows, or of one class when `class_index` is given."""

    metric: Metric
    class_index: int | None = None

    def of(self, scores: FloatArray) -> FloatArray:
        """The scores of this column, shape (batch,), of all that its metric computes."""
        return scores if self.class_index is None else scores[:, self.class_index]


@dataclass(frozen=True, eq=False)
class Replicates:
    """Scores of the data and of its resamples, one column per number to estimate.

    Attributes
    ----------
    columns : tuple of Column
        C of them.
    values : ndarray of shape (C,)
        Pooled over the judged rows of a repeat, averaged over the repeats where defined; nan where none is.
    folds : ndarray of shape (n_folds over all repeats, C)
        Scores of the single folds; nan where undefined.
    resamples : ndarray of shape (n_resamples, C)
        As `values`, of each resample.
    confusion : ndarray of shape (K, K)
        Weighted (the mean positive weight counts 1), rows true, mean over repeats.
    """

    columns: tuple[Column, ...]
    values: FloatArray
    folds: FloatArray
    resamples: FloatArray
    confusion: FloatArray


def columns_for(
    n_classes: int,
    names: Sequence[str] | None = None,
    *,
    per_class: bool = True,
    class_names: Sequence[str] | None = None,
    ordered: bool = False,
    also: Sequence[str] = (),
) -> tuple[Column, ...]:
    """Columns for the named metrics (None: all that are shown for so many classes, and `also`), then for each class.

    Those of a class are the same metrics where they exist for one class, or those of `class_names`.

    Raises
    ------
    InputError
        For an unknown metric, one that needs two classes when there are more, or one of ordered classes where they are
        not `ordered`.
    """
    chosen = (
        metrics_for(n_classes, ordered=ordered, also=also) if names is None else [find_metric(name) for name in names]
    )
    listed = names if class_names is None else class_names
    of_one_class = [metric for name, metric in CLASS_METRICS.items() if listed is None or name in listed]
    if names is not None:
        for metric in chosen:
            metric.check_classes(n_classes)
            metric.check_order(ordered)
    overall = [Column(metric) for metric in chosen]
    single = [Column(metric, index) for index in range(n_classes) for metric in of_one_class] if per_class else []
    return tuple(overall + single)


def resample(oof: OutOfFold, columns: tuple[Column, ...], *, n_resamples: int, seed: int) -> Replicates:
    """Scores of the data, of each fold and of each resample; the same seed draws the same groups for any columns.

    Batches of resamples are scored side by side where there are many rows: each by itself, so that no number depends on
    how many processors there are.
    """
    whole = oof.row_weights[None]
    values = score_batch(oof, whole, columns)[0]  # ranks the rows once for all that follow
    n_threads = min(available_processors(), _MAX_THREADS) if oof.n_rows * n_resamples >= _WORTH_THREADS else 1
    counted = draw_counts(oof, n_resamples, seed)
    done = done_ahead(lambda counts: score_batch(oof, whole * counts, columns), counted, n_threads)
    batches = [scores.result() for _, scores in done]
    return Replicates(
        columns=columns,
        values=values,
        folds=_fold_scores(oof, columns),
        resamples=np.concatenate(batches),
        confusion=np.mean([tally.confusion[0] for tally in tallies(oof, whole)], axis=0),
    )


def draw_counts(oof: OutOfFold, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """Number of times that each row is drawn in each resample, in batches of shape (batch, n).

    As many groups are drawn as there are; a row counts as often as its group. Rows never judged count 0.

    Raises
    ------
    InputError
        For fewer than 100 resamples.
    """
    if n_resamples < 100:
        raise InputError(f"An interval needs at least 100 resamples; got {n_resamples}. The default of 1000 is quick.")
    generator = np.random.default_rng(seed)
    n_units, member = oof.n_units, oof.units
    batch = max(1, BATCH_ENTRIES // oof.n_rows)
    for start in range(0, n_resamples, batch):
        size = min(batch, n_resamples - start)
        drawn = generator.integers(0, n_units, (size, n_units)) + np.arange(size)[:, None] * n_units
        counts = np.bincount(drawn.ravel(), minlength=size * n_units).reshape(size, n_units)
        yield np.where(member >= 0, counts[:, member], 0).astype(np.float64)


def tallies(oof: OutOfFold, weights: FloatArray) -> Iterator[Tally]:
    """Each repeat's judged rows under weights of shape (batch, n)."""
    for repeat, outcome in enumerate(oof.outcomes):
        rows = oof.rows_of(repeat)
        yield Tally(outcome, weights if len(rows) == oof.n_rows else weights[:, rows])


def score_batch(oof: OutOfFold, weights: FloatArray, columns: tuple[Column, ...]) -> FloatArray:
    """Scores under weights of shape (batch, n), averaged over the repeats where defined, shape (batch, C)."""
    repeats = np.stack([_score(tally, columns) for tally in tallies(oof, weights)])
    return defined_mean(repeats)


def defined_mean(values: FloatArray) -> FloatArray:
    """Mean over the first axis of what is not nan; nan where nothing is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0.0).sum(axis=0)
    return ratio(total, count)


def defined_deviation(values: FloatArray) -> FloatArray:
    """Standard deviation (n - 1) over the first axis of what is not nan; nan where fewer than two are."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    squares = np.where(defined, (values - np.where(count > 0, defined_mean(values), 0.0)) ** 2, 0.0).sum(axis=0)
    return np.asarray(np.sqrt(ratio(squares, np.maximum(count - 1, 0))))


def _score(tally: Tally, columns: tuple[Column, ...]) -> FloatArray:
    computed: dict[ScoreFunction, FloatArray] = {}  # the metrics of a class are computed for all classes at once
    for column in columns:
        if column.metric.compute not in computed:
            computed[column.metric.compute] = column.metric.compute(tally)
    return np.stack([column.of(computed[column.metric.compute]) for column in columns], axis=1)


def _fold_scores(oof: OutOfFold, columns: tuple[Column, ...]) -> FloatArray:
    tables = []
    for repeat, outcome in enumerate(oof.outcomes):
        rows = oof.rows_of(repeat)
        folds = oof.fold[repeat, rows]
        masks = np.unique(folds)[:, None] == folds
        tables.append(_score(Tally(outcome, masks * oof.row_weights[rows]), columns))
    return np.concatenate(tables)
