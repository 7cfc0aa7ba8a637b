"""`TableEncoding`: table columns as numbers for a head, fitted on training rows alone.

Nothing here sees a label. A value that is missing is filled in with the training rows' median and flagged, or is a
category of its own; a category that training did not hold is none of those it held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.categorical import natural_key
from headstart.data.table.column import CATEGORY, GAP, NUMBER, TableColumn
from headstart.data.table.request import ColumnRequest
from headstart.errors import InputError, first_few

FORMAT: Final = 1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnEncoding:
    """One column as numbers.

    Attributes
    ----------
    name : str
    kind : {"number", "category"}
    fill, mean, deviation : float
        For a column of numbers: the median of the training rows, which stands for what is missing, and the mean and the
        standard deviation with it filled in. Without any training value 0, 0 and 0.
    categories : tuple of str
        Categories that the training rows hold, in natural order.
    flags_missing : bool
        Whether a column of its own says that the value is missing: some training row lacks it.
    """

    name: str
    kind: str
    fill: float = 0.0
    mean: float = 0.0
    deviation: float = 0.0
    categories: tuple[str, ...] = ()
    flags_missing: bool = False

    @classmethod
    def fit(cls, column: TableColumn) -> ColumnEncoding:
        """Encoding of a column of training rows."""
        missing = column.missing
        flags = bool(missing.any())
        if column.categories is not None:
            used = {column.categories[code] for code in np.unique(column.values[~missing]).tolist()}
            return cls(column.name, CATEGORY, categories=tuple(sorted(used, key=natural_key)), flags_missing=flags)
        if missing.all():
            return cls(column.name, NUMBER)
        fill = float(np.median(column.values[~missing]))
        filled = np.where(missing, fill, column.values)
        return cls(column.name, NUMBER, fill, float(filled.mean()), float(filled.std()), flags_missing=flags)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name of every column that it gives."""
        own = (self.name,) if self.kind == NUMBER else tuple(f"{self.name} = {one}" for one in self.categories)
        return (*own, f"{self.name} missing") if self.flags_missing else own

    def apply(self, column: TableColumn) -> Floats:
        """Numbers of every row, shape (n_rows, len(outputs))."""
        missing = column.missing
        if column.categories is None:
            deviation = self.deviation if self.deviation > 0 else np.inf
            own = (np.where(missing, self.fill, column.values) - self.mean)[:, None] / deviation
        else:
            codes = {name: code for code, name in enumerate(column.categories)}
            wanted = np.array([codes.get(name, GAP - 1) for name in self.categories], dtype=np.int64)
            own = (column.values[:, None] == wanted[None, :]).astype(np.float64)
        return np.concatenate([own, missing[:, None]], axis=1) if self.flags_missing else own

    def unseen(self, column: TableColumn) -> list[str]:
        """Categories among the rows that the training rows did not hold."""
        if column.categories is None:
            return []
        used = [column.categories[code] for code in np.unique(column.values[~column.missing]).tolist()]
        return [name for name in used if name not in self.categories]

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return {**vars(self), "categories": list(self.categories)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ColumnEncoding:
        """The encoding that `to_json` wrote."""
        numbers = {name: float(value[name]) for name in ("fill", "mean", "deviation")}
        if not np.isfinite(list(numbers.values())).all() or value["kind"] not in (NUMBER, CATEGORY):
            raise ValueError(f"the encoding of the table column {value['name']!r} is damaged")
        categories = tuple(str(name) for name in value["categories"])
        flags = bool(value["flags_missing"])
        return cls(str(value["name"]), str(value["kind"]), **numbers, categories=categories, flags_missing=flags)


@dataclass(frozen=True)
class TableEncoding:
    """Table columns as numbers, fitted on some rows.

    Numbers are standardised, with the training median where one is missing and a flag where training had gaps;
    categories become one column each (0 or 1), a gap one of its own, and an unseen category zeros.

    Attributes
    ----------
    columns : tuple of ColumnEncoding

    Examples
    --------
    >>> site = TableColumn.of("site", ["arm", "back", "arm", "leg"])
    >>> encoding = TableEncoding.fit([site], np.array([0, 1]))
    >>> encoding.outputs
    ('site = arm', 'site = back')
    >>> encoding.apply([site]).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    """

    columns: tuple[ColumnEncoding, ...]

    @classmethod
    def fit(cls, columns: Sequence[TableColumn], rows: NDArray[np.int64]) -> TableEncoding:
        """Encoding of columns, fitted on the rows named; no other row is looked at."""
        return cls(tuple(ColumnEncoding.fit(column.take(rows)) for column in columns))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name of every column that it gives, in order."""
        return tuple(name for column in self.columns for name in column.outputs)

    @property
    def requests(self) -> tuple[ColumnRequest, ...]:
        """The columns that it takes, with their kinds."""
        return tuple(ColumnRequest(column.name, column.kind) for column in self.columns)

    def apply(self, columns: Sequence[TableColumn]) -> NDArray[np.float32]:
        """Numbers of every row, shape (n_rows, len(outputs)).

        Parameters
        ----------
        columns : sequence of TableColumn
            Those that it was fitted on, in any order; others are left alone.

        Raises
        ------
        InputError
            When a column is missing, or holds texts where the training rows had numbers.
        """
        taken = self.taken_from(columns)
        parts = [one.apply(column) for one, column in zip(self.columns, taken, strict=True)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def taken_from(self, columns: Sequence[TableColumn]) -> tuple[TableColumn, ...]:
        """The columns that it was fitted on, each of the kind that it had; raises as `apply` does."""
        by_name = {column.name: column for column in columns}
        absent = [repr(one.name) for one in self.columns if one.name not in by_name]
        if absent:
            raise InputError(
                f"The model takes table columns beside the picture, and the data have no {first_few(absent)}. Give a "
                f"table of the images with the columns {', '.join(one.name for one in self.columns)}; a value may be "
                "empty."
            )
        return tuple(by_name[one.name].of_kind(one.kind) for one in self.columns)

    def notes(self, columns: Sequence[TableColumn]) -> list[str]:
        """A sentence for every column with categories that the training rows did not hold."""
        found = []
        for one, column in zip(self.columns, self.taken_from(columns), strict=True):
            unseen = one.unseen(column)
            if unseen:
                n_rows = int(np.isin(column.values, [(column.categories or ()).index(name) for name in unseen]).sum())
                found.append(
                    f"{n_rows:,} of {len(column.values):,} images have a value of {one.name!r} that no training image "
                    f"had ({first_few(map(repr, unseen), limit=3)}); there the column says nothing."
                )
        return found

    def to_json(self) -> dict[str, Any]:
        """The encoding as plain JSON, for a bundle."""
        return {"format": FORMAT, "columns": [column.to_json() for column in self.columns]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TableEncoding:
        """The encoding that `to_json` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            When it is damaged, or of a newer version.
        """
        if value["format"] != FORMAT:
            raise ValueError(f"table columns are encoded in format {value['format']}; this version knows {FORMAT}")
        return cls(tuple(ColumnEncoding.from_json(column) for column in value["columns"]))
