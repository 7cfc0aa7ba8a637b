"""``candidates.parquet`` written: every candidate of every outer fold, its settings, inner scores, rank and fate."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from headstart.results.candidates_table import (
    CANDIDATES_FILE,
    INNER,
    SOURCE_COLUMNS,
    TABLE_FORMAT,
    TABLE_META,
    TRAINING_SET_COLUMNS,
    arrow_type,
    column_types,
    setting_columns,
)
from headstart.results.exports import ExportContext, register_export
from headstart.results.writers.candidates import halving_words
from headstart.storage import canonical_json

if TYPE_CHECKING:
    from headstart.study.fold_result import FoldRecord
    from headstart.study.search.candidate import Candidate


@register_export(CANDIDATES_FILE)
def _content(context: ExportContext) -> bytes:
    study = context.study
    records = [result.record for result in (*study.folds, study.final)]  # the refit last
    plan = study.plan
    return candidates_parquet(plan.candidates, records, metric=plan.choose_by, halving=halving_words(study.folds))


def candidates_parquet(
    candidates: Sequence[Candidate], folds: Sequence[FoldRecord], *, metric: str, halving: str | None = None
) -> bytes:
    """Content of ``candidates.parquet``; equal records give equal bytes.

    Parameters
    ----------
    candidates : sequence of Candidate
    folds : sequence of FoldRecord
        At least one.
    metric : str
        Score that chose.
    halving : str or None
        One sentence on what successive halving saved.
    """
    import pyarrow as pa
    import pyarrow.parquet

    n_inner = folds[0].choice.fold_scores.shape[1]
    types, functions = column_types(n_inner), _columns(n_inner)
    if all(candidate.source.features is None for candidate in candidates):
        del types["features"]  # of a search in which nothing is said of them
    rows = [row for record in folds for row in _rows(candidates, record)]
    arrays = [
        pa.array([functions[name](row) for row in rows], type=getattr(pa, arrow_type(kind))(), from_pandas=True)
        for name, kind in types.items()
    ]
    meta = {"format": TABLE_FORMAT, "metric": metric, "n_inner": n_inner, "halving": halving}
    schema = pa.schema(
        [(name, array.type) for name, array in zip(types, arrays, strict=True)],
        metadata={TABLE_META: canonical_json(meta).encode()},
    )
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class _Row:
    """One candidate in one outer fold.

    Attributes
    ----------
    number : int
        Number of the candidate.
    candidate : Candidate
    record : FoldRecord
    place : int or None
        Its place among the candidates that the choice was made among; None where halving left it out.
    """

    number: int
    candidate: Candidate
    record: FoldRecord
    place: int | None

    @cached_property
    def cheapest(self) -> int:
        """Number of the cheapest of those tied with the winner."""
        return self.record.compared[self.record.choice.cheapest]


Column: TypeAlias = Callable[[_Row], Any]
"""Value of a column in a row; None for what is not known."""


def _rows(candidates: Sequence[Candidate], record: FoldRecord) -> list[_Row]:
    place = {number: position for position, number in enumerate(record.compared)}
    return [_Row(number, candidate, record, place.get(number)) for number, candidate in enumerate(candidates)]


def _columns(n_inner: int) -> Mapping[str, Column]:
    """The function of every column."""
    return {
        **_FIXED,
        **{name: partial(_of_source, name=name) for name in SOURCE_COLUMNS},
        **{name: partial(_of_training_set, name=name) for name in TRAINING_SET_COLUMNS},
        **{name: partial(_setting, name=name, kind=kind) for name, kind in setting_columns().items()},
        **{f"{INNER}{number}": partial(_inner_fold_score, number=number) for number in range(n_inner)},
    }


def _of_source(row: _Row, *, name: str) -> Any:
    return getattr(row.candidate.source, name)


def _of_training_set(row: _Row, *, name: str) -> str:
    return str(getattr(row.candidate.training_set, name))


def _setting(row: _Row, *, name: str, kind: str) -> Any:
    value = row.candidate.head.settings.get(name)
    return str(value) if kind == "string" and value is not None else value


def _inner_fold_score(row: _Row, *, number: int) -> float | None:
    if row.place is not None:
        return float(row.record.choice.fold_scores[row.place, number])
    return None if row.record.halved is None else float(row.record.halved.scores[row.number, number])


def _inner_score(row: _Row) -> float | None:
    return None if row.place is None else float(row.record.choice.scores[row.place])


def _rung(row: _Row) -> int:
    return 0 if row.record.halved is None else int(row.record.halved.rung[row.number])


def _failed(row: _Row) -> bool:
    before = row.record.halved is not None and bool(row.record.halved.failed[row.number])
    return before or (row.place is not None and bool(row.record.choice.failed[row.place]))


def _rank(row: _Row) -> int | None:
    return None if row.place is None else int(row.record.choice.rank[row.place]) or None


def _tied(row: _Row) -> bool:
    return row.place is not None and bool(row.record.choice.tied[row.place])


_FIXED: dict[str, Column] = {
    "repeat": lambda row: row.record.repeat,
    "fold": lambda row: row.record.fold,
    "candidate": lambda row: row.number,
    "kind": lambda row: row.candidate.head.kind,
    "label": lambda row: row.candidate.short_label,
    "inner_score": _inner_score,
    "rung": _rung,
    "failed": _failed,
    "rank": _rank,
    "tied": _tied,
    "cheapest": lambda row: row.cheapest == row.number,
    "chosen": lambda row: row.record.chosen == row.number,
    "cost": lambda row: float(row.record.costs[row.number]),
    "outer_score": lambda row: row.record.outer_scores.get(row.number),
}
