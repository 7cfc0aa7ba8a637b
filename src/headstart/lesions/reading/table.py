"""A table of lesions as columns of text, whichever of the known layouts it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headstart.data.readers.manifest.cells import column_texts
from headstart.data.readers.manifest.tabular import column_names, read_columns
from headstart.errors import DataError, first_few
from headstart.lesions.reading.columns import DIAGNOSES, found_roles

TABLE: Final = "lesions.csv"
"""The table that ``headstart lesions import`` writes."""
IMPORT: Final = "import.json"
"""Beside it: counts, notes, and the classes in their order."""
_TABLES: Final = (TABLE, "metadata.csv", "PH2_dataset.txt", "labels.csv")
_PH2_MARK: Final = "||"
_PH2_CLASSES: Final = {"0": "common nevus", "1": "atypical nevus", "2": "melanoma"}
PH2_ORDER: Final = tuple(_PH2_CLASSES.values())
_GAPS: Final = ("", "na", "n/a", "nan", "null", "none", "unknown")


@dataclass(frozen=True)
class LesionTable:
    """Texts of a table of lesions by their roles; empty where a value is missing.

    Attributes
    ----------
    path : Path
    columns : mapping of str to sequence of str
        By role, those of `headstart.lesions.reading.columns.NAMES`.
    diagnoses : sequence of str
        All that the columns of the diagnosis say of a row, joined.
    n_rows : int
    """

    path: Path
    columns: Mapping[str, Sequence[str]]
    diagnoses: Sequence[str]
    n_rows: int

    def texts(self, role: str) -> Sequence[str]:
        """Column of a role; empty texts where the table has none."""
        return self.columns.get(role) or [""] * self.n_rows


def find_table(folder: Path) -> Path:
    """The table in a folder of images: that of an import, of the ISIC archive, of PH2, or the only one there is.

    Raises
    ------
    DataError
        When there is none, or it cannot be told which.
    """
    for name in _TABLES:
        if (folder / name).is_file():
            return folder / name
    tables = sorted(path for path in folder.glob("*.csv") if path.is_file())
    if len(tables) == 1:
        return tables[0]
    found = f"several ({first_few(path.name for path in tables)})" if tables else "none"
    raise DataError(f"{folder} should hold one table of its lesions, but there is {found}. Name it with --metadata.")


def read_table(path: Path, named: Mapping[str, str]) -> LesionTable:
    """Table of lesions.

    Parameters
    ----------
    path : Path
        CSV or Parquet with the columns of the ISIC archive or others, or PH2's own ``PH2_dataset.txt``.
    named : mapping of str to str
        Columns of roles as the user names them.

    Raises
    ------
    DataError
        When it is no table, has no rows, a named column is missing, or no column names the images.
    """
    if path.is_file() and path.suffix.lower() == ".txt":
        return _read_ph2(path)
    present = column_names(path)
    missing = [name for name in named.values() if name not in present]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}. Its columns: {first_few(present, 20)}.")
    roles = found_roles(present, named)
    if "image" not in roles:
        raise DataError(
            f"{path} has no column that names the images, such as isic_id or image. Its columns: "
            f"{first_few(present, 20)}. Name one with --image-column."
        )
    diagnoses = [name for name in present if name.strip().lower() in DIAGNOSES]
    needed = list(dict.fromkeys([*roles.values(), *diagnoses]))
    content = read_columns(path, needed)
    if content.num_rows == 0:
        raise DataError(f"{path} lists no images; it has a header and no rows.")
    texts = {name: [_cell(text) for text in column_texts(content[name]).to_pylist()] for name in needed}
    joined = [" ".join(parts) for parts in zip(*(texts[name] for name in diagnoses), strict=True)]
    columns = {role: texts[name] for role, name in roles.items()}
    return LesionTable(path, columns, joined or [""] * content.num_rows, content.num_rows)


def _cell(text: str | None) -> str:
    found = (text or "").strip()
    return "" if found.lower() in _GAPS else found


def _read_ph2(path: Path) -> LesionTable:
    """Table of the PH2 database as it is distributed: cells between double bars, a header, notes below.

    Raises
    ------
    DataError
        When the text is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    rows = [[cell.strip() for cell in line.strip().strip("|").split(_PH2_MARK)] for line in lines if _PH2_MARK in line]
    header = next((row for row in rows if "Name" in row and "Clinical Diagnosis" in row), None)
    if header is None:
        raise DataError(f"{path} is not the table of PH2: no row names the columns Name and Clinical Diagnosis.")
    name, diagnosis = header.index("Name"), header.index("Clinical Diagnosis")
    taken = [row for row in rows if len(row) == len(header) and row[diagnosis] in _PH2_CLASSES]
    if not taken:
        raise DataError(f"{path} lists no image with a clinical diagnosis of 0, 1 or 2.")
    labels = [_PH2_CLASSES[row[diagnosis]] for row in taken]
    return LesionTable(path, {"image": [row[name] for row in taken], "label": labels}, labels, len(taken))
