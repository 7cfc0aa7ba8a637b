"""Dermoscopic images of lesions: metadata read, the lesion found, measured and cut out.

Nothing is trained here: what classifies lesions is trained by `headstart.fit` as on any other images. What needs heavy
libraries is imported only when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from headstart.lesions.cleaning.clean_up import CleanUp, parse_clean_up
    from headstart.lesions.masks.find import FoundLesion, find_lesion
    from headstart.lesions.masks.measure import measure_lesion, measure_names
    from headstart.lesions.reading.data import LesionData
    from headstart.lesions.reading.read import read_lesions
    from headstart.lesions.reading.settings import ReadingSettings
    from headstart.lesions.reading.thickness import ThicknessClasses, parse_thickness

__all__ = [
    "CleanUp",
    "FoundLesion",
    "LesionData",
    "ReadingSettings",
    "ThicknessClasses",
    "find_lesion",
    "measure_lesion",
    "measure_names",
    "parse_clean_up",
    "parse_thickness",
    "read_lesions",
]

_HOMES = {
    "CleanUp": "cleaning.clean_up",
    "FoundLesion": "masks.find",
    "LesionData": "reading.data",
    "ReadingSettings": "reading.settings",
    "ThicknessClasses": "reading.thickness",
    "find_lesion": "masks.find",
    "measure_lesion": "masks.measure",
    "measure_names": "masks.measure",
    "parse_clean_up": "cleaning.clean_up",
    "parse_thickness": "reading.thickness",
    "read_lesions": "reading.read",
}

__getattr__ = lazy_names(__name__, _HOMES)
