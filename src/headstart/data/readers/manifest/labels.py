"""Labels of a manifest: a label column, soft labels, or the labels of several raters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headstart.data.categorical import Categorical, natural_key, sort_names
from headstart.data.labels.raters import GAP, Ratings, aggregate_votes
from headstart.data.labels.soft import checked_soft
from headstart.data.readers.manifest.cells import (
    categorical_column,
    check_present,
    check_printable_cells,
    missing_cells,
    soft_label_column,
)
from headstart.data.readers.manifest.columns import FoundColumns
from headstart.errors import DataError, first_few, unknown_name

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ManifestLabels:
    """Labels of a manifest's images, all in the classes of `labels`; see `DatasetTable` for the columns."""

    labels: Categorical | None = None
    soft: NDArray[np.float64] | None = None
    ratings: Ratings | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Label columns of a manifest.

    Attributes
    ----------
    path : Path
        The table, for messages.
    found : FoundColumns
    text : dict of str to array
        Text of every column, by the name of the column.
    images : Categorical
        Image of every row.
    rows : ndarray of int64
        First row of every image, in the order of the data set.
    votes : {"majority", "shares"}
    """

    path: Path
    found: FoundColumns
    text: dict[str, pa.Array]
    images: Categorical
    rows: Rows
    votes: str

    def read(self) -> ManifestLabels:
        """Labels of the images.

        Raises
        ------
        DataError
            When labels are missing, damaged or contradict each other.
        """
        if "rater" in self.found.single:
            return self._from_rows()
        given = self._given()
        if self.found.soft:
            return self._from_soft(given)
        if self.found.raters:
            return self._from_columns(given)
        return ManifestLabels(None if given is None else sort_names(given))

    def _given(self) -> Categorical | None:
        """Label column at the first row of every image; None without one."""
        name = self.found.single.get("label")
        if name is None:
            return None
        check_present(self.path, "label", name, self.text[name])
        return self._cells(name).take(self.rows)

    def _cells(self, name: str) -> Categorical:
        cells = categorical_column(self.text[name])
        check_printable_cells(self.path, name, cells)
        return cells

    def _from_soft(self, given: Categorical | None) -> ManifestLabels:
        classes = tuple(sorted(self.found.soft, key=natural_key))
        columns = [self.found.soft[name] for name in classes]
        values = [soft_label_column(self.path, name, categorical_column(self.text[name])) for name in columns]
        where = f"{self.path}, columns {first_few(map(repr, columns))}: "
        soft = checked_soft(np.stack(values, axis=1), len(values[0]), len(classes), where=where, first_row=1)[self.rows]
        if given is None:
            return ManifestLabels(Categorical(soft.argmax(axis=1).astype(np.int64), classes), soft)
        labels = self._among(given, classes, "soft labels")
        n_other = int((soft[np.arange(len(soft)), labels.codes] < soft.max(axis=1)).sum())
        note = f"The label of {n_other:,} of {len(soft):,} images is not the most probable class of its soft label."
        return ManifestLabels(labels, soft, notes=(note,) if n_other else ())

    def _among(self, given: Categorical, classes: tuple[str, ...], what: str) -> Categorical:
        """Label column recoded in the classes of the soft labels or raters."""
        for name in given.names:
            if name not in classes:
                raise DataError(
                    f"{self.path}: {unknown_name('class', name, classes)} The label column names a class that the "
                    f"{what} do not; mend the label, or add the class there."
                )
        position = np.array([classes.index(name) for name in given.names], dtype=np.int64)
        return Categorical(position[given.codes], classes)

    def _from_columns(self, given: Categorical | None) -> ManifestLabels:
        """Labels from one column for each rater; a label column decides, and raters then show agreement alone."""
        cells = [self._cells(name) for name in self.found.raters]
        named = {name for column in cells for name in _present(column)}
        classes = self._sorted(named | set(() if given is None else given.names))
        codes = np.stack([_codes(column, classes)[column.codes[self.rows]] for column in cells], axis=1)
        ratings = Ratings(codes, self.found.raters)
        if given is None:
            return self._voted(ratings, classes)
        note = "The labels are those of the label column; the raters' labels tell how far they agree, and no more."
        return ManifestLabels(self._among(given, classes, "raters"), ratings=ratings, notes=(note,))

    def _from_rows(self) -> ManifestLabels:
        """Labels from one row for each image and rater."""
        rater = self.found.single["rater"]
        check_present(self.path, "rater", rater, self.text[rater])
        votes, raters = self._cells(self.found.single["label"]), self._cells(rater)
        classes = self._sorted(set(_present(votes)))
        names = tuple(sorted(raters.names, key=natural_key))
        place = np.array([names.index(name) for name in raters.names], dtype=np.int64)[raters.codes]
        number = np.empty(len(self.images.names), dtype=np.int64)
        number[self.images.codes[self.rows]] = np.arange(len(self.rows))
        at, value = number[self.images.codes], _codes(votes, classes)[votes.codes]
        there = value != GAP
        codes = np.full((len(self.rows), len(names)), GAP, dtype=np.int64)
        codes[at[there], place[there]] = value[there]
        self._refuse_contradictions(raters, votes, there & (codes[at, place] != value))
        return self._voted(Ratings(codes, names), classes)

    def _refuse_contradictions(self, raters: Categorical, votes: Categorical, differs: NDArray[np.bool_]) -> None:
        """Refuse a rater who gives one image two labels."""
        bad = np.flatnonzero(differs)
        if not len(bad):
            return
        listed = first_few(
            f"{raters.names[raters.codes[row]]!r} on {self.images.names[self.images.codes[row]]} "
            f"({votes.names[votes.codes[row]]!r} in row {row + 1})"
            for row in bad[:6].tolist()
        )
        raise DataError(
            f"{self.path}: raters give one image more than one label, rows counted from 1 below the header: {listed}. "
            "Keep one row for each image and rater."
        )

    def _sorted(self, names: set[str]) -> tuple[str, ...]:
        if not names:
            raise DataError(f"{self.path}: no rater gave any label; fill in the raters' labels.")
        return tuple(sorted(names, key=natural_key))

    def _voted(self, ratings: Ratings, classes: tuple[str, ...]) -> ManifestLabels:
        names = [self.images.names[code] for code in self.images.codes[self.rows].tolist()]
        voted = aggregate_votes(ratings, names, len(classes), votes=self.votes, where=f"{self.path}: ")
        return ManifestLabels(Categorical(voted.labels, classes), voted.soft, ratings, voted.notes)


def _present(column: Categorical) -> list[str]:
    """The distinct texts of a column that are no gaps."""
    gap = missing_cells(pa.array(column.names, pa.large_string()))
    return [name for name, empty in zip(column.names, gap.tolist(), strict=True) if not empty]


def _codes(column: Categorical, classes: tuple[str, ...]) -> Rows:
    """Class code of every distinct text of a column; -1 for a gap."""
    code = {name: number for number, name in enumerate(classes)}
    return np.array([code.get(name, GAP) for name in column.names], dtype=np.int64)
