"""What is known of every well: its dose, the time, the treatment, from a table of the user."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headstart.cells.micrographs.plate import well_name
from headstart.errors import InputError, first_few, unknown_name
from headstart.runtime.csv_cells import restored

_WELL: Final = re.compile(r"[A-Pa-p]0?(?:[1-9]|1[0-9]|2[0-4])")
_BEGINNINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "dose": ("dose", "conc"),
    "time": ("time", "hour", "minute", "day"),
}
"""What the name of a column of doses or times begins with, where none is named."""


@dataclass(frozen=True)
class PlateTable:
    """Table with a row for each well.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        All but plate and well.
    rows : mapping of (str, str) to mapping of str to str
        By plate and well; of a table without plates the plate is empty, and a row speaks of that well on all of them.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Mapping[tuple[str, str], Mapping[str, str]]

    def of(self, plate: str, well: str) -> Mapping[str, str]:
        """Values of a well; empty where the table has none."""
        return self.rows.get((plate, well)) or self.rows.get(("", well)) or {}

    def column(self, kind: str, name: str | None) -> str | None:
        """Column of the doses or the times.

        Parameters
        ----------
        kind : {"dose", "time"}
        name : str or None
            None: the first whose name begins as such a column's does.

        Returns
        -------
        str or None
            None where no column is named and none looks like one.

        Raises
        ------
        InputError
            When there is no column of that name, or a value in it is no number.
        """
        found = name if name is not None else next((one for one in self.columns if _begins(one, kind)), None)
        if found is None:
            return None
        if found not in self.columns:
            raise InputError(f"{self.path}: {unknown_name('column', found, self.columns)}")
        for values in self.rows.values():
            number_of(values[found], f"{self.path}, column {found}")
        return found


def read_plate_table(path: Path) -> PlateTable:
    """A table of wells from a CSV file with the column ``well``, perhaps ``plate``, and any others.

    Raises
    ------
    InputError
        When the file cannot be read, lacks the column, or has a well twice or one that is none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, restval="")
            names = [name or "" for name in reader.fieldnames or ()]
            rows = [{name: restored((row.get(name) or "").strip()) for name in names} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table of wells ({error}). Save it as CSV in UTF-8.") from error
    by_lower = {name.lower(): name for name in names}
    if "well" not in by_lower:
        raise InputError(f"{path} has no column well; it has {first_few(names) or 'none'}.")
    well, plate = by_lower["well"], by_lower.get("plate")
    found: dict[tuple[str, str], Mapping[str, str]] = {}
    for line, row in enumerate(rows, start=2):
        key = ("" if plate is None else row[plate], _checked_well(row[well], path, line))
        if key in found:
            raise InputError(f"{path}, line {line}: well {row[well]} stands there twice. Keep one row for each well.")
        found[key] = row
    return PlateTable(path, tuple(name for name in names if name not in (well, plate)), found)


def number_of(text: str, place: str) -> float | None:
    """A number from a cell of a table; None for an empty one.

    Raises
    ------
    InputError
        For anything else.
    """
    if not text:
        return None
    with suppress(ValueError):
        if math.isfinite(number := float(text)):
            return number
    raise InputError(f"{place}: {text!r} is no number, which a dose or a time must be.")


def matching(table: PlateTable, wells: Sequence[tuple[str, str]]) -> int:
    """Number of counted wells that the table knows.

    Raises
    ------
    InputError
        When there is none.
    """
    known = [well for well in wells if table.of(*well)]
    if not known:
        _check_plates(table, wells)
        listed = first_few(f"{plate} {well}".strip() or "none" for plate, well in wells)
        raise InputError(
            f"{table.path} knows none of the wells of the micrographs ({listed}). Name wells as in B07, and give "
            "--pattern where the names of the files tell them otherwise."
        )
    return len(known)


def _check_plates(table: PlateTable, wells: Sequence[tuple[str, str]]) -> None:
    """Refuse a table that knows the wells, but on other plates."""
    plates = {well: plate for plate, well in table.rows}
    plate, well = next((one for one in wells if one[1] in plates), ("", ""))
    if well:
        told = f"on plate {plate!r}" if plate else "without a plate"
        raise InputError(
            f"{table.path} knows well {well} on plate {plates[well]!r}, and the micrographs tell of it {told}. The "
            "folder of a micrograph is its plate: count the folder above it, name the plate as the folder, or leave "
            "the column plate out."
        )


def _checked_well(text: str, path: Path, line: int) -> str:
    if not _WELL.fullmatch(text):
        raise InputError(f"{path}, line {line}: {text!r} is no well; expected one such as B07.")
    return well_name(text)


def _begins(name: str, kind: str) -> bool:
    return name.lower().startswith(_BEGINNINGS[kind])
