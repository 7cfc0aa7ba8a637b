"""`ReadingSettings`: how a table of lesions becomes a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

InSitu = Literal["drop", "class"]
ClassesBy = Literal["auto", "thickness", "label"]


@dataclass(frozen=True)
class ReadingSettings:
    """How a table of lesions becomes a data set.

    Attributes
    ----------
    classes_by : {"auto", "thickness", "label"}
        ``auto``: thickness where the table has a column of it, else the label.
    edges_mm : tuple of float or None
        See `ThicknessClasses`. None: those of an import, else `EDGES_MM`.
    in_situ : {"drop", "class"}
        A melanoma in situ has no thickness: left out, or a class below all others.
    columns : mapping of str to str
        Columns of roles, where their names are not among the known ones.
    classes : tuple of str or None
        Labels in their order.
    """

    classes_by: ClassesBy = "auto"
    edges_mm: tuple[float, ...] | None = None
    in_situ: InSitu = "drop"
    columns: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
