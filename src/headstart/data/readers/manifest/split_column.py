"""Column of a manifest that names the part of a split of every image: ``train``, ``val``, ``test``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headstart.data.categorical import Categorical
from headstart.data.readers.manifest.cells import categorical_column
from headstart.data.readers.manifest.columns import FoundColumns
from headstart.data.readers.split_names import FOLD, POOL, SplitName, roles_in_words, split_name
from headstart.data.readers.table import SPLIT_PARTS
from headstart.errors import DataError, first_few, plural

_REMEDY: Final = "Mend the column, or draw folds over all of these images with --split-folders pool."


class SplitUse(NamedTuple):
    """What is made of a column that may name the parts of a split.

    Attributes
    ----------
    column : SplitColumn or None
        The column that is the split; None where folds are drawn.
    is_split : bool
        Whether it names a split, used or not: such a column is no feature.
    notes : tuple of str
        Sentences on a column that is not used.
    """

    column: SplitColumn | None = None
    is_split: bool = False
    notes: tuple[str, ...] = ()

    def parts(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Place of some images in `SPLIT_PARTS`; None where no column says it."""
        return None if self.column is None or self.column.holds_folds else self.column.places()[rows]

    def folds(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Number of the fold of some images; None where no column says it."""
        return self.column.numbers()[rows] if self.column is not None and self.column.holds_folds else None

    def notes_on(self, rows: NDArray[np.int64]) -> tuple[str, ...]:
        """Sentences on what the column is to some images."""
        return self.notes if self.column is None else (self.column.note(rows),)


@dataclass(frozen=True, eq=False)
class SplitColumn:
    """A column that may name the parts of a split.

    Attributes
    ----------
    path : Path
        The table.
    name : str
    cells : Categorical
    """

    path: Path
    name: str
    cells: Categorical

    @property
    def _column(self) -> str:
        """The column in an error."""
        return f"{self.path}: column {self.name!r}"

    @property
    def _words(self) -> str:
        """The column in a note, which a run keeps: without the folder of the table."""
        return f"Column {self.name!r} of {self.path.name}"

    @property
    def _known(self) -> dict[str, SplitName]:
        return {text: found for text in self.cells.names if (found := split_name(text)) is not None}

    @property
    def is_split(self) -> bool:
        """Whether its cells are called like two parts of a split at least."""
        return len({one[:2] for one in self._known.values()}) > 1

    @property
    def words_of_none(self) -> str:
        """Sentence that the column is no split, and so not used."""
        listed = first_few(map(repr, sorted(self.cells.names)))
        if self._known:
            return f"{self._words} names one part of a split alone ({listed}), so it is not used."
        return f"{self._words} names no parts of a split, such as train and test ({listed}), so it is not used."

    def used(self, *, is_named: bool, pool: bool, has_folds: bool) -> SplitUse:
        """What is made of the column.

        Parameters
        ----------
        is_named : bool
            The user names it, and so means it to be the split.
        pool : bool
            The user wants the images of all parts put together.
        has_folds : bool
            The table has a fold column as well, which goes before one that is not named.

        Raises
        ------
        DataError
            When it is named and no split, or is called like one and cannot be it.
        """
        if not self.is_split and is_named:
            raise DataError(f"{self.path}: {self.words_of_none} Name another by --split-column, or leave that out.")
        if not self.is_split:
            return SplitUse(notes=(self.words_of_none,))
        if pool:
            return SplitUse(None, True, (f"{self._words} is not used, as --split-folders pool asks.",))
        if has_folds and is_named:
            raise DataError(f"{self._column} names a split, and there is a fold column too. Keep one of them.")
        if has_folds:
            return SplitUse(None, True, (f"{self._words} is not used, since the table has a fold column.",))
        self.check()
        return SplitUse(self, True)

    def check(self) -> None:
        """Refuse what is called like a split and cannot be one.

        Raises
        ------
        DataError
            When images are in none of its parts, folds and parts are mixed, or none is for training.
        """
        known = self._known
        others = [code for code, text in enumerate(self.cells.names) if text not in known]
        if others:
            n_rows = int(np.isin(self.cells.codes, others).sum())
            listed = first_few(repr(self.cells.names[code]) for code in others)
            rows = plural(n_rows, "row is", "rows are")
            raise DataError(f"{self._column} names the parts of a split, but {rows} in none ({listed}). {_REMEDY}")
        parts = {one.part for one in known.values()}
        if FOLD in parts and len(parts) > 1:
            raise DataError(f"{self._column} names folds and parts of a split at once. {_REMEDY}")
        if FOLD not in parts and SPLIT_PARTS[0] not in parts:
            raise DataError(f"{self._column} names the parts of a split, but none of them is for training. {_REMEDY}")

    @property
    def holds_folds(self) -> bool:
        """Whether its parts are numbered folds."""
        return all(one.part == FOLD for one in self._known.values())

    def places(self) -> NDArray[np.int64]:
        """Place of every row in `SPLIT_PARTS`."""
        known = self._known
        return np.array([SPLIT_PARTS.index(known[text].part) for text in self.cells.names])[self.cells.codes]

    def numbers(self) -> NDArray[np.int64]:
        """Number of the fold of every row."""
        known = self._known
        return np.array([known[text].number for text in self.cells.names])[self.cells.codes]

    def note(self, rows: NDArray[np.int64]) -> str:
        """Sentence that the column is the split."""
        known = self._known
        counts = Counter(known[self.cells.names[code]].part for code in self.cells.codes[rows].tolist())
        said = "the outer folds" if FOLD in counts else f"the split: {roles_in_words(counts)}"
        return f"{self._words} names {said}. --split-folders pool puts all images together and draws folds."


def find_split(
    path: Path, found: FoundColumns, texts: Mapping[str, pa.Array], *, is_named: bool, split_folders: str | None
) -> SplitUse:
    """The column of the parts of a split, where a table has one, and what is made of it.

    Parameters
    ----------
    path : Path
        The table.
    found : FoundColumns
    texts : mapping of str to pyarrow.Array
        Cells of its columns.
    is_named : bool
        Whether the user names the column.
    split_folders : {"pool"}, optional
        What the user says that parts of a split are: nothing, so that folds are drawn.

    Raises
    ------
    DataError
        As `SplitColumn.used`, and where `split_folders` says what a table cannot have.
    """
    if split_folders not in (None, POOL):
        raise DataError(f"{path} has its classes in a column: leave --split-folders {split_folders} out.")
    name = found.single.get("split")
    if name is not None:
        column = SplitColumn(path, name, categorical_column(texts[name]))
        return column.used(is_named=is_named, pool=split_folders == POOL, has_folds="fold" in found.single)
    if split_folders is not None:
        raise DataError(f"{path} has no column that names the parts of a split. Leave --split-folders out.")
    return SplitUse()
