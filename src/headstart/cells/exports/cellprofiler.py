"""Measured cells as a table in the style of CellProfiler, one row for each object."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headstart.cells.cell_table import CellTable
from headstart.cells.measure import INTENSITY, SHAPE
from headstart.errors import InputError

_SHAPES: Final = {
    "area": "Area",
    "perimeter": "Perimeter",
    "form_factor": "FormFactor",
    "major_axis": "MajorAxisLength",
    "minor_axis": "MinorAxisLength",
    "eccentricity": "Eccentricity",
    "extent": "Extent",
}
_INTENSITIES: Final = {
    "mean": "Intensity_MeanIntensity",
    "std": "Intensity_StdIntensity",
    "min": "Intensity_MinIntensity",
    "max": "Intensity_MaxIntensity",
    "sum": "Intensity_IntegratedIntensity",
    "edge_mean": "Intensity_MeanIntensityEdge",
    "texture_fine": "Texture_Fine",
    "texture_coarse": "Texture_Coarse",
}
_BOX: Final = ("BoundingBoxMinimum_Y", "BoundingBoxMinimum_X", "BoundingBoxMaximum_Y", "BoundingBoxMaximum_X")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def object_rows(
    table: CellTable,
    *,
    image_number: int,
    metadata: Mapping[str, str],
    classes: Sequence[str],
    probabilities: Mapping[str, Sequence[float]],
) -> list[dict[str, Any]]:
    """Rows of the cells of one micrograph, columns named as CellProfiler names them.

    Shape, intensity, place and class stand under ``AreaShape_``, ``Intensity_``, ``Location_`` and ``Classify_``, as
    there; ``Texture_Fine`` and ``Texture_Coarse`` are measures of our own. Intensities are in the units of the picture,
    not scaled to 1.

    Parameters
    ----------
    table : CellTable
    image_number : int
        Number of the micrograph, from 1.
    metadata : mapping of str to str
        Plate, well and what else is known of the micrograph: columns ``Metadata_Plate`` and so on.
    classes : sequence of str
        Class of every cell.
    probabilities : mapping of str to sequence of float
        Probability of each class of every cell.

    Raises
    ------
    InputError
        When there are not as many classes or probabilities as cells.
    """
    for what, values in {"classes": classes, **probabilities}.items():
        if len(values) != len(table):
            raise InputError(f"There are {len(values):,} {what} for {len(table):,} cells; expected one for each.")
    about = {f"Metadata_{name}": value for name, value in metadata.items()}
    names = {name: column_name(name) for name in table.columns}
    return [
        {
            "ImageNumber": image_number,
            "ObjectNumber": int(table.label[row]),
            **about,
            **{names[name]: float(values[row]) for name, values in table.columns.items()},
            **{f"AreaShape_{name}": int(table.box[row, place]) for place, name in enumerate(_BOX)},
            "Location_Center_X": float(table.x[row]),
            "Location_Center_Y": float(table.y[row]),
            **{f"Classify_{name}": int(classes[row] == name) for name in probabilities},
            **{f"Classify_Probability_{name}": float(values[row]) for name, values in probabilities.items()},
        }
        for row in range(len(table))
    ]


def column_name(name: str) -> str:
    """CellProfiler's name of a measured column.

    >>> column_name("area"), column_name("edge_mean_dapi")
    ('AreaShape_Area', 'Intensity_MeanIntensityEdge_dapi')
    """
    if name in SHAPE:
        return f"AreaShape_{_SHAPES[name]}"
    measured = next((one for one in sorted(INTENSITY, key=len, reverse=True) if name.startswith(f"{one}_")), None)
    return name if measured is None else f"{_INTENSITIES[measured]}{name.removeprefix(measured)}"


def safe_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    r"""Rows as CSV in which no text is taken for a formula by a spreadsheet; numbers in full precision, gaps empty.

    A text that begins as a formula does gets an apostrophe before it, names of columns too.

    Parameters
    ----------
    rows : sequence of mappings
        A value that is missing, None or not finite is left empty.
    columns : sequence of str
        Columns in their order.

    Examples
    --------
    >>> safe_csv([{"well": "=A1", "n": -3, "share": 0.25, "low": None}], ["well", "n", "share", "low"])
    b"well,n,share,low\n'=A1,-3,0.25,\n"
    """
    return csv_lines([dict(zip(columns, columns, strict=True)), *rows], columns)


def csv_lines(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Lines of `safe_csv` without the names of the columns, to go on with a table."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        text = value.replace("\r", " ")  # which csv would write without quotes, so that it ended the line
        return f"'{text}" if value.startswith(_FORMULA) else text
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return "" if value is None else value
