"""``candidates.parquet`` read: every candidate of every outer fold, its settings, inner scores, rank and fate."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import RunError
from headstart.heads.spec import KINDS, searchable_kinds
from headstart.metrics import METRICS
from headstart.storage import file_bytes, parsed_json
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.training_set.spec import TrainingSetSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

CANDIDATES_FILE = "candidates.parquet"
SOURCE_COLUMNS = tuple(field.name for field in fields(FeatureSourceSpec))
TRAINING_SET_COLUMNS = tuple(field.name for field in fields(TrainingSetSpec))
TABLE_FORMAT = 2
TABLE_META = b"headstart"
_FIXED = {
    "repeat": "int32",
    "fold": "int32",
    "candidate": "int32",
    **{name: "int32" if name in ("input_size", "white_level") else "string" for name in SOURCE_COLUMNS},
    **dict.fromkeys(TRAINING_SET_COLUMNS, "string"),
    "kind": "string",
    "label": "string",
}
_JUDGED = {
    "inner_score": "float64",
    "rung": "int32",
    "failed": "bool",
    "rank": "int32",
    "tied": "bool",
    "cheapest": "bool",
    "chosen": "bool",
    "cost": "float64",
    "outer_score": "float64",
}
_ALWAYS = ("repeat", "fold", "candidate", "kind", "label", "failed", "tied", "cheapest", "chosen", "cost")
"""Columns that every row fills."""
INNER = "inner_score_"


@dataclass(frozen=True, eq=False)
class CandidateTable:
    """The rows of ``candidates.parquet``, fold after fold, candidates in their order.

    Attributes
    ----------
    columns : dict of str to ndarray
        By name, all of one length. Numbers that are not known are nan, text that is not given is None.
    metric : str
        Score that chose.
    n_inner : int
        Inner folds there are scores of.
    halving : str or None
        One sentence on what successive halving saved, where it was used.
    """

    columns: dict[str, NDArray[Any]]
    metric: str
    n_inner: int
    halving: str | None = None

    def __len__(self) -> int:
        return len(self.columns["candidate"])

    def of_outer_folds(self) -> CandidateTable:
        """Without the rows of the refit on all images."""
        inside = self.columns["fold"] >= 0
        return replace(self, columns={name: values[inside] for name, values in self.columns.items()})


def setting_columns() -> dict[str, str]:
    """Type of every setting's column; a setting that may be a word is text, and so is one whose kinds disagree."""
    found: dict[str, set[str]] = {}
    for name, setting in (entry for kind in searchable_kinds() for entry in KINDS[kind].settings.items()):
        text = bool(setting.choices or setting.word)
        column = "string" if text else "int64" if isinstance(setting.default, int) else "float64"
        found.setdefault(name, set()).add(column)
    return {name: columns.pop() if len(columns) == 1 else "string" for name, columns in found.items()}


def arrow_type(kind: str) -> str:
    """Name of the type in pyarrow."""
    return {"bool": "bool_"}.get(kind, kind)


def column_types(n_inner: int) -> dict[str, str]:
    """Type of every column, in their order, for a number of inner folds."""
    inner = {f"{INNER}{number}": "float64" for number in range(n_inner)}
    return {**_FIXED, **setting_columns(), **inner, **_JUDGED}


def read_candidates(path: Path) -> CandidateTable:
    """The table that a fit left.

    Raises
    ------
    RunError
        When the file is missing, damaged or of another version.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        # pyarrow opens no path that is no UTF-8, and its `read_table` imports pandas where that is installed
        with pa.parquet.ParquetFile(pa.BufferReader(file_bytes(path))) as file:
            table = file.read()
        table.validate(full=True)
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing, so the run is incomplete. {_REMEDY}") from error
    except Exception as error:  # whatever the library raises, the file is what it cannot read
        raise RunError(f"{path} is damaged ({error}). {_REMEDY}") from error
    meta = _meta(path, (table.schema.metadata or {}).get(TABLE_META, b""))
    types, settings = column_types(meta["n_inner"]), setting_columns()
    later = {**settings, "features": types["features"], "clean_up": types["clean_up"]}
    for name, kind in later.items():  # a table older than a kind of head, features to choose or a clean-up has none
        if name not in table.schema.names:
            table = table.append_column(name, pa.nulls(len(table), getattr(pa, arrow_type(kind))()))
    wrong = [name for name, kind in types.items() if name not in table.schema.names or _differs(table, name, kind)]
    if wrong:
        raise RunError(f"{path} has no column {wrong[0]!r} of type {types[wrong[0]]}. {_REMEDY}")
    for name in _ALWAYS:
        if table.column(name).null_count:
            raise RunError(f"{path}: column {name!r} has empty cells. {_REMEDY}")
    columns = {name: _values(table.column(name), types[name]) for name in types}
    found = CandidateTable(columns, meta["metric"], meta["n_inner"], meta["halving"])
    _check_folds(path, found)
    return found


_REMEDY = "Run `headstart fit` again with the same options; a run that was interrupted goes on where it stopped."


def _check_folds(path: Path, found: CandidateTable) -> None:
    """Refuse a table with a fold that has no winner, no cheapest candidate or no chosen one."""
    columns = found.columns
    marks = {"rank": columns["rank"] == 1, "cheapest": columns["cheapest"], "chosen": columns["chosen"]}
    folds = list(zip(columns["repeat"].tolist(), columns["fold"].tolist(), strict=True))
    for name, marked in marks.items():
        lacking = set(folds) - {fold for fold, is_marked in zip(folds, marked.tolist(), strict=True) if is_marked}
        if lacking:
            repeat, fold = min(lacking)
            words = "1" if name == "rank" else "true"
            raise RunError(
                f"{path}: column {name!r} is {words} for no candidate of repeat {repeat:g}, fold {fold:g}. {_REMEDY}"
            )


def _differs(table: Any, name: str, kind: str) -> bool:
    import pyarrow as pa

    return bool(table.schema.field(name).type != getattr(pa, arrow_type(kind))())


def _meta(path: Path, content: bytes) -> dict[str, Any]:
    try:
        meta = parsed_json(content)
        known = (
            meta["format"] == TABLE_FORMAT
            and meta["metric"] in METRICS
            and type(meta["n_inner"]) is int
            and 0 < meta["n_inner"] <= 1000
            and isinstance(meta["halving"], str | None)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no table of candidates of headstart. {_REMEDY}") from error
    if not known:
        raise RunError(f"{path} was written by another version of headstart. Use that one, or fit again.")
    return dict(meta)


def _values(column: Any, kind: str) -> NDArray[Any]:
    """A column as an array: numbers with nan for what is not known, text as objects, flags as they are."""
    if kind == "string":
        return np.array(column.to_pylist(), dtype=object)
    if kind == "bool":
        return np.array(column.to_pylist(), dtype=bool)
    values = np.array([np.nan if value is None else value for value in column.to_pylist()], dtype=np.float64)
    whole = kind.startswith("int") and not np.isnan(values).any()
    return values.astype(np.int64) if whole else values
