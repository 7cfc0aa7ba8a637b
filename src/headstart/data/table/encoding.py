"""`TableEncoding`: table columns as numbers for a head, fitted on training rows alone.

Nothing here sees a label. A value that is missing is filled in with the training rows' median and flagged, or is a
category of its own; a category that training did not hold is none of those it held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.categorical import natural_key
from headstart.data.table.array_column import ARRAY, ArrayColumn, array_outputs
from headstart.data.table.column import CATEGORY, GAP, NUMBER, TableColumn
from headstart.data.table.request import ColumnRequest
from headstart.errors import InputError, first_few, plural

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
class ArrayEncoding(ColumnEncoding):
    """Encoding of a feature array: each of its columns is standardised.

    Attributes
    ----------
    means, deviations : tuple of float
        Mean and standard deviation of every column over the training rows.
    """

    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    @classmethod
    def fit(cls, column: TableColumn) -> ArrayEncoding:
        """Encoding of an array of training rows."""
        means, deviations = column.values.mean(axis=0), column.values.std(axis=0)
        return cls(column.name, ARRAY, means=tuple(means.tolist()), deviations=tuple(deviations.tolist()))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name of every column: ``radiomics_0`` and so on."""
        return array_outputs(self.name, len(self.means))

    def apply(self, column: TableColumn) -> Floats:
        """Standardised numbers, shape (n_rows, n_columns); a column that did not vary in training gives 0."""
        deviations = np.array(self.deviations)
        result: Floats = (column.values - np.array(self.means)) / np.where(deviations > 0, deviations, np.inf)
        return result

    def to_json(self) -> dict[str, Any]:
        """Name, kind, means and deviations."""
        return {"name": self.name, "kind": ARRAY, "means": list(self.means), "deviations": list(self.deviations)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ArrayEncoding:
        """The encoding that `to_json` wrote."""
        means, deviations = (tuple(map(float, value[name])) for name in ("means", "deviations"))
        if len(means) != len(deviations) or not np.isfinite([*means, *deviations]).all():
            raise ValueError(f"the encoding of the feature array {value['name']!r} is damaged")
        return cls(str(value["name"]), ARRAY, means=means, deviations=deviations)


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
        return cls(tuple(_encoding_of(column).fit(column.take(rows)) for column in columns))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name of every column that it gives, in order."""
        return tuple(name for column in self.columns for name in column.outputs)

    @property
    def requests(self) -> tuple[ColumnRequest, ...]:
        """The columns of a table that it takes, with their kinds; a feature array is not one of them."""
        return tuple(ColumnRequest(column.name, column.kind) for column in self.columns if column.kind != ARRAY)

    @property
    def array(self) -> ColumnEncoding | None:
        """The feature array that it takes, or None."""
        return next((column for column in self.columns if column.kind == ARRAY), None)

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Number of columns that it gives of every block that heads weigh: the table's columns, a feature array."""
        blocks = groupby(self.columns, key=lambda column: column.kind == ARRAY)
        return tuple(sum(len(column.outputs) for column in block) for _, block in blocks)

    def apply(self, columns: Sequence[TableColumn]) -> NDArray[np.float32]:
        """Numbers of every row, shape (n_rows, len(outputs)).

        Parameters
        ----------
        columns : sequence of TableColumn
            Those that it was fitted on, in any order; others are left alone.

        Raises
        ------
        InputError
            When a column or the feature array is missing, the array has another number of columns, or a column holds
            texts where the training rows had numbers.
        """
        taken = self.taken_from(columns)
        parts = [one.apply(column) for one, column in zip(self.columns, taken, strict=True)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def taken_from(self, columns: Sequence[TableColumn]) -> tuple[TableColumn, ...]:
        """The columns that it was fitted on, each of the kind that it had; raises as `apply` does.

        A feature array is found whatever its file is called.
        """
        by_name = {column.name: column for column in columns if column.kind != ARRAY}
        absent = [repr(one.name) for one in self.requests if one.name not in by_name]
        if absent:
            raise InputError(
                f"The model takes table columns beside the picture, and the data have no {first_few(absent)}. Give a "
                f"table of the images with the columns {', '.join(one.name for one in self.requests)}; a value may be "
                "empty."
            )
        array = next((column for column in columns if column.kind == ARRAY), None)
        return tuple(
            _fitting(one, array) if one.kind == ARRAY else by_name[one.name].of_kind(one.kind) for one in self.columns
        )

    def notes(self, columns: Sequence[TableColumn]) -> list[str]:
        """A sentence for every column with categories that the training rows did not hold."""
        found = []
        for one, column in zip(self.columns, self.taken_from(columns), strict=True):
            unseen = one.unseen(column)
            if unseen:
                n_rows = int(np.isin(column.values, [(column.categories or ()).index(name) for name in unseen]).sum())
                of = f"of {len(column.values):,} images"
                found.append(
                    f"{plural(n_rows, f'{of} has', f'{of} have')} a value of {one.name!r} that no training image "
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
        return cls(tuple(_stored_encoding(column) for column in value["columns"]))


def array_needed(encoding: ColumnEncoding) -> str:
    """What is said where the data lack the feature array that a model takes."""
    return (
        f"The model takes a feature array beside the picture ({encoding.name}, {len(encoding.outputs):,} columns), and "
        "the data have none. Give --feature-array FILE (in Python dataset.with_feature_array) with a row for each "
        "image, made as it was for fit."
    )


def _encoding_of(column: TableColumn) -> type[ColumnEncoding]:
    return ArrayEncoding if isinstance(column, ArrayColumn) else ColumnEncoding


def _stored_encoding(value: Mapping[str, Any]) -> ColumnEncoding:
    return ArrayEncoding.from_json(value) if value["kind"] == ARRAY else ColumnEncoding.from_json(value)


def _fitting(encoding: ColumnEncoding, array: TableColumn | None) -> TableColumn:
    """The feature array of the data, checked against the one that the model was fitted on."""
    width = len(encoding.outputs)
    if array is None:
        raise InputError(array_needed(encoding))
    if array.values.shape[1] != width:
        raise InputError(
            f"The feature array {array.name!r} has {array.values.shape[1]:,} columns, and the model takes {width:,} "
            f"({encoding.name}). Make it as it was made for fit."
        )
    return array
