"""`TableColumn`: one further column of a data set, of numbers or of categories, with gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.categorical import encode_texts
from headstart.data.labels.raters import MISSING
from headstart.data.names import check_printable
from headstart.errors import DataError, first_few, plural, unknown_name

NUMBER: Final = "number"
CATEGORY: Final = "category"
KINDS: Final = (NUMBER, CATEGORY)
MAX_CATEGORIES: Final = 50
"""A column of more distinct values hardly groups images: it is an identifier, a date or free text."""
GAP: Final = -1
"""Code of a category that is missing."""


@dataclass(frozen=True, eq=False)
class TableColumn:
    """One column of numbers or of categories beside the pictures.

    Attributes
    ----------
    name : str
    values : ndarray of shape (n_images,), float64 or int64
        Numbers, NaN where one is missing; or codes into `categories`, -1 where one is missing. Read only.
    categories : tuple of str or None
        Names of the categories, in natural order; None for a column of numbers.

    Examples
    --------
    >>> TableColumn.of("site", ["arm", "", "back"]).values.tolist()
    [0, -1, 1]
    >>> TableColumn.of("age", ["61", "NA", "8.5"]).values.tolist()
    [61.0, nan, 8.5]
    """

    name: str
    values: NDArray[Any]
    categories: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64 if self.categories is None else np.int64)
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @classmethod
    def of(
        cls, name: str, values: ArrayLike, *, kind: str | None = None, source: str = "", first_row: int = 0
    ) -> TableColumn:
        """Column of values as a caller has them: numbers, texts, booleans, None or NaN for gaps.

        Parameters
        ----------
        name : str
        values : array-like of shape (n_images,)
        kind : {"number", "category"}, optional
            Default: number where every value that is not missing is a finite number, else category.
        source : str
            Begins messages: ``"table.csv: "``.
        first_row : int
            Number of the first row in messages.

        Raises
        ------
        DataError
            When every value is missing, a number is asked for and a value is none, there are too many categories, or
            a category holds control characters.
        """
        column = np.asarray(values)
        if column.ndim == 2 and column.shape[1] == 1:
            column = column[:, 0]
        if column.ndim != 1:
            raise DataError(f"{source}the column {name!r} has shape {column.shape}; expected one value for each image.")
        return column_from_texts(
            name, [_text(value) for value in column.tolist()], kind=kind, source=source, first_row=first_row
        )

    @property
    def kind(self) -> str:
        """``number`` or ``category``."""
        return NUMBER if self.categories is None else CATEGORY

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask of the rows without a value, shape (n_images,)."""
        found = np.isnan(self.values) if self.categories is None else self.values == GAP
        return np.asarray(found, dtype=np.bool_)

    def take(self, rows: NDArray[np.int64]) -> TableColumn:
        """The column at `rows`; its categories stay as they are."""
        return replace(self, values=self.values[rows])

    def at(self, rows: NDArray[np.int64]) -> TableColumn:
        """The column at `rows`, with a gap for every -1.

        >>> TableColumn.of("age", [61, 43]).at(np.array([1, -1, 0])).values.tolist()
        [43.0, nan, 61.0]
        """
        gap = np.nan if self.categories is None else GAP
        return replace(self, values=np.where(rows < 0, gap, self.values[rows]))

    def of_kind(self, kind: str) -> TableColumn:
        """The column as one of this kind: numbers can be read as categories.

        Raises
        ------
        DataError
            When texts are to be numbers.
        """
        return self if self.kind == kind else column_from_texts(self.name, self.texts(), kind=kind)

    def texts(self) -> list[str]:
        """Text of every row, empty where the value is missing."""
        return ["" if value is None else _text(value) for value in self.to_json()["values"]]

    def to_json(self) -> dict[str, Any]:
        """Name, kind and value of every row as plain JSON, None for what is missing."""
        if self.categories is None:
            values = [None if gap else value for gap, value in zip(self.missing, self.values.tolist(), strict=True)]
        else:
            values = [None if code == GAP else self.categories[code] for code in self.values.tolist()]
        return {"name": self.name, "kind": self.kind, "values": values}


def column_from_texts(
    name: str, texts: Sequence[str], *, kind: str | None = None, source: str = "", first_row: int = 0
) -> TableColumn:
    """Column of texts as they stand in a file; see `TableColumn.of` for the parameters and errors."""
    if kind is not None and kind not in KINDS:
        raise DataError(f"{source}{unknown_name(f'kind of the table column {name!r}', kind, KINDS)}")
    distinct = dict.fromkeys(texts)
    gaps = {text for text in distinct if text.strip().lower() in MISSING}
    present = [text for text in distinct if text not in gaps]
    if not present and kind is None:
        raise DataError(
            f"{source}every value of the table column {name!r} is missing. Leave the column out, or say what it would "
            f"hold: {name}:number or {name}:category."
        )
    numbers = {text: _number(text) for text in present}
    no_numbers = {text for text, value in numbers.items() if not np.isfinite(value)}
    if kind is None:
        kind = _likely_kind(present, no_numbers)
    if kind == CATEGORY:
        return _categories(name, texts, gaps, source)
    if no_numbers:
        raise DataError(_no_number(name, texts, no_numbers, source, first_row))
    return TableColumn(name, np.array([np.nan if text in gaps else numbers[text] for text in texts]))


def table_columns(table: Mapping[str, ArrayLike] | Sequence[TableColumn], n_images: int) -> tuple[TableColumn, ...]:
    """Columns that a caller has in memory: a mapping, a data frame, or columns made already.

    Raises
    ------
    DataError
        When a column has another length than there are images, or two have one name.
    """
    if isinstance(table, Sequence):
        columns = tuple(table)
    else:
        columns = tuple(TableColumn.of(str(name), values) for name, values in table.items())
    for column in columns:
        if len(column.values) != n_images:
            raise DataError(
                f"The table column {column.name!r} has {len(column.values):,} values for {n_images:,} images; expected "
                "one for each."
            )
    check_different([column.name for column in columns])
    return columns


def check_different(names: Sequence[str]) -> None:
    """Refuse a column that is named twice.

    Raises
    ------
    DataError
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"The table column {twice!r} is named twice. Name each once.")


def _likely_kind(present: Sequence[str], no_numbers: set[str]) -> str:
    """Kind of a column by its distinct values; of too many categories that are mostly numbers, some are mistyped."""
    if len(present) > MAX_CATEGORIES and len(no_numbers) < len(present) / 2:
        return NUMBER
    return CATEGORY if no_numbers else NUMBER


def _categories(name: str, texts: Sequence[str], gaps: set[str], source: str) -> TableColumn:
    trimmed = ["" if text in gaps else text.strip() for text in texts]
    found = encode_texts([text for text in trimmed if text])
    if len(found.names) > MAX_CATEGORIES:
        raise DataError(
            f"{source}the table column {name!r} has {len(found.names):,} different texts, such as "
            f"{first_few(map(repr, found.names), limit=3)}; at most {MAX_CATEGORIES} are told apart. It is probably an "
            "identifier, a date or free text: leave it out, or group its values."
        )
    codes = np.full(len(texts), GAP, dtype=np.int64)
    present = np.array([bool(text) for text in trimmed])
    codes[present] = found.codes
    check_printable(f"value of the table column {name!r}", found.names)
    return TableColumn(name, codes, found.names)


def _no_number(name: str, texts: Sequence[str], bad: set[str], source: str, first_row: int) -> str:
    rows = [row for row, text in enumerate(texts) if text in bad]
    listed = first_few((f"row {row + first_row} has {texts[row]!r}" for row in rows), limit=3)
    return (
        f"{source}the table column {name!r} must hold finite numbers, with a point for decimals; "
        f"{plural(len(rows), 'row does', 'rows do')} not: {listed}. Mend them, or leave them empty."
    )


def _text(value: object) -> str:
    """Text of a value as a file would hold it; 3.0 and 3 are the same category."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else float("nan")  # Python would take 1_000
    except ValueError:
        return float("nan")
