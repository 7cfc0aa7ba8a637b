"""Cells as regions of interest of ImageJ, and back from its files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.cells.exports.outlines import Outline, Ring, filled, outlines
from headstart.errors import DataError, InputError

if TYPE_CHECKING:
    from types import ModuleType

_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP archive knows: equal cells give equal bytes
_TRACED: Final = 8


def imagej_rois(labels: NDArray[Any], classes: Sequence[str], colours: Mapping[str, tuple[int, int, int]]) -> bytes:
    """ZIP archive with a region for every cell, as the ROI manager of ImageJ and Fiji saves and opens it.

    Every cell is one closed line along the edges of its pixels; holes and further parts hang on it by a line that is
    walked there and back, which holds no pixel. So the mask of a region is that of the cell, pixel for pixel.

    Parameters
    ----------
    labels, classes, colours
        As for `headstart.cells.exports.geojson.geojson`.

    Raises
    ------
    InputError
        When there are not as many classes as cells, or roifile is not installed.
    """
    roifile = _roifile()
    found = list(outlines(labels))
    if len(classes) != len(found):
        raise InputError(f"There are {len(classes):,} classes for {len(found):,} cells; expected one for each.")
    archive = io.BytesIO()
    digits = len(str(found[-1].label)) if found else 1
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as regions:
        for outline, name in zip(found, classes, strict=True):
            title = f"{outline.label:0{digits}d}-{_safe(name)}"
            region = roifile.ImagejRoi.frompoints(np.array(_one_line(outline), dtype=np.int32), name=title)
            region.roitype = roifile.ROI_TYPE(_TRACED)
            region.stroke_color = bytes((255, *colours[name]))
            regions.writestr(zipfile.ZipInfo(f"{title}.roi", _DATE), region.tobytes())
    return archive.getvalue()


def check_roifile() -> None:
    """Refuse to go on without roifile.

    Raises
    ------
    InputError
        With the command that installs it.
    """
    _roifile()


def label_image_of_rois(content: bytes, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Label image from an archive of regions, numbered in their order; regions may have been mended in ImageJ.

    Parameters
    ----------
    content : bytes
        Of a ``RoiSet.zip``.
    shape : (height, width)

    Raises
    ------
    DataError
        When it is no such archive.
    InputError
        When roifile is not installed.
    """
    roifile = _roifile()
    labels = np.zeros(shape, dtype=np.int32)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            stored = [archive.read(name) for name in archive.namelist() if name.endswith(".roi")]
        for number, region in enumerate(map(roifile.ImagejRoi.frombytes, stored), start=1):
            rings = region.coordinates(multi=True)
            labels[filled([ring.tolist() for ring in rings], shape)] = number
    except (zipfile.BadZipFile, ValueError, KeyError, IndexError) as error:
        raise DataError(
            f"This is no archive of regions as ImageJ saves it ({error}). Save RoiSet.zip again."
        ) from error
    return labels


def _one_line(outline: Outline) -> list[tuple[int, int]]:
    """All rings of an outline as one line: out to each along the axes, around it, and the same way back."""
    first, *others = outline.rings
    x, y = first[0]
    line = [*first]
    for ring in others:
        there = _way((x, y), ring)
        line += [(x, y), *there, *ring, *reversed(there)]
    return line


def _way(start: tuple[int, int], ring: Ring) -> list[tuple[int, int]]:
    """Corners of the way from a corner to where a ring begins."""
    return [(ring[0][0], start[1]), ring[0]]


def _safe(name: str) -> str:
    """A class name fit for the name of a file in an archive."""
    return "".join(sign if sign.isalnum() or sign in "-_ ." else "_" for sign in name)


def _roifile() -> ModuleType:
    try:
        import roifile
    except ImportError as error:
        raise InputError(
            "Regions of ImageJ need roifile: pip install 'headstart[cells]'. Or leave them out."
        ) from error
    return roifile
