"""Plate, well and field of a micrograph, from its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from headstart.errors import InputError

_WELL: Final = re.compile(r"(?:^|[^A-Za-z0-9])([A-Pa-p])(0?[1-9]|1[0-9]|2[0-4])(?![0-9A-Za-z])")
_ROW_COLUMN: Final = re.compile(r"(?:^|[^A-Za-z0-9])r(\d{2})c(\d{2})f(\d{2,3})")
_FIELD: Final = re.compile(r"(?:^|[^A-Za-z0-9])(?:f|field|s|site)[-_ ]?(\d{1,4})(?![0-9A-Za-z])", re.IGNORECASE)
PARTS: Final = ("plate", "well", "field")


@dataclass(frozen=True)
class PlatePosition:
    """Place of a micrograph on a plate; empty where the name does not tell.

    Attributes
    ----------
    plate, well, field : str
        A well as in ``B07``.
    """

    plate: str = ""
    well: str = ""
    field: str = ""


def plate_position(name: str, pattern: str | None = None) -> PlatePosition:
    """Position that a name tells of.

    Parameters
    ----------
    name : str
        Path relative to the folder of the micrographs, with ``/``.
    pattern : str, optional
        Regular expression with groups named ``plate``, ``well`` and ``field``, or some of them. Default: the folder
        is the plate, a well reads ``_B07_`` or ``r02c07f01``, a field ``f01``, ``s1`` or ``site_1``.

    Raises
    ------
    InputError
        When the pattern is no regular expression, or names none of the three.

    Examples
    --------
    >>> plate_position("plate1/day2_B7_s3.tif")
    PlatePosition(plate='plate1', well='B07', field='3')
    >>> plate_position("r02c07f01p01-ch1.tiff").well
    'B07'
    """
    if pattern is not None:
        return _by_pattern(name, pattern)
    path = PurePosixPath(name)
    plate = "" if path.parent == PurePosixPath(".") else str(path.parent)
    coded = _ROW_COLUMN.search(path.stem)
    if coded:
        return PlatePosition(plate, f"{chr(64 + int(coded[1]))}{coded[2]}", str(int(coded[3])))
    well, field = _WELL.search(path.stem), _FIELD.search(path.stem)
    return PlatePosition(plate, well_name(well[1] + well[2]) if well else "", field[1] if field else "")


def well_name(text: str) -> str:
    """A well with two digits: ``b7`` is ``B07``."""
    return f"{text[0].upper()}{int(text[1:]):02d}"


def _by_pattern(name: str, pattern: str) -> PlatePosition:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"The pattern {pattern!r} is no regular expression: {error}.") from error
    if not set(expression.groupindex) & set(PARTS):
        raise InputError(f"The pattern {pattern!r} names none of {', '.join(PARTS)}; write (?P<well>[A-H][0-9]+).")
    found = expression.search(name)
    parts = {} if found is None else found.groupdict()
    return PlatePosition(**{part: parts.get(part) or "" for part in PARTS})
