"""Measured cells as a table in the style of CellProfiler, one row for each object."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headstart.cells.cell_table import CellTable
from headstart.cells.measure import INTENSITY, SHAPE
from headstart.errors import InputError
from headstart.runtime.csv_cells import csv_bytes

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


def object_columns(
    table: CellTable,
    *,
    image_number: int,
    metadata: Mapping[str, str],
    classes: Sequence[str],
    probabilities: Mapping[str, Sequence[float]],
) -> dict[str, list[Any]]:
    """Columns of a table of the cells of one micrograph, named as CellProfiler names them.

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
    n = len(table)
    return {
        "ImageNumber": [image_number] * n,
        "ObjectNumber": table.label.tolist(),
        **{f"Metadata_{name}": [value] * n for name, value in metadata.items()},
        **{column_name(name): values.tolist() for name, values in table.columns.items()},
        **{f"AreaShape_{name}": table.box[:, place].tolist() for place, name in enumerate(_BOX)},
        "Location_Center_X": table.x.tolist(),
        "Location_Center_Y": table.y.tolist(),
        **{f"Classify_{name}": [int(one == name) for one in classes] for name in probabilities},
        **{f"Classify_Probability_{name}": [float(one) for one in values] for name, values in probabilities.items()},
    }


def object_rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows of the columns of `object_columns`, one for each cell.

    >>> object_rows({"ObjectNumber": [1, 2], "AreaShape_Area": [9.0, 4.0]})
    [{'ObjectNumber': 1, 'AreaShape_Area': 9.0}, {'ObjectNumber': 2, 'AreaShape_Area': 4.0}]
    """
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


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
    return csv_bytes([_cell(row.get(column)) for column in columns] for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return value
