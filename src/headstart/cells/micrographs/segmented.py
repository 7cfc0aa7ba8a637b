"""Micrographs with their cells: segmented here, or by a label image of another tool."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.cells.cell_table import CellTable
from headstart.cells.measure import measure_cells
from headstart.cells.micrographs.read import (
    LABEL_ENDINGS,
    SUFFIXES,
    Micrograph,
    find_micrographs,
    read_label_image,
    read_micrograph,
)
from headstart.cells.segmentation.segment import Segmentation, checked_plane, given_labels, segment
from headstart.errors import InputError


@dataclass(frozen=True)
class CellFinding:
    """How micrographs are read and cells found in them; a model keeps it, so that new ones are treated alike.

    Attributes
    ----------
    channel : str or None
        Channel that is segmented. None: the first.
    method : str
    diameter : float or None
        Of a cell: in micrometres where the size of a pixel is known, else in pixels. None: estimated.
    pixel_um : float or None
        Side of a pixel in micrometres. None: as the file says.
    plane : int or None
        Which of several planes in depth. None: the brightest value of all.
    """

    channel: str | None = None
    method: str = "local"
    diameter: float | None = None
    pixel_um: float | None = None
    plane: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CellFinding:
        """What `to_json` wrote.

        Raises
        ------
        ValueError
            When a text, a positive number or the number of a plane is something else.
        """
        found = cls(**{name: value[name] for name in cls.__dataclass_fields__ if name in value})
        texts, lengths = (found.channel or "", found.method), (found.diameter or 1.0, found.pixel_um or 1.0)
        are_lengths = all(type(one) in (int, float) and 0 < one < math.inf for one in lengths)
        if not all(isinstance(one, str) for one in texts) or not are_lengths or type(found.plane or 0) is not int:
            raise ValueError("a setting of how cells are found is no text, length or plane")
        return found

    def read(self, path: Path, name: str) -> Micrograph:
        """A micrograph from its file."""
        return read_micrograph(path, name, plane=self.plane, pixel_um=self.pixel_um)


@dataclass(frozen=True, eq=False)
class SegmentedMicrograph:
    """A micrograph and its cells.

    Attributes
    ----------
    micrograph : Micrograph
    segmentation : Segmentation
    table : CellTable
        Measured cells, every channel.
    """

    micrograph: Micrograph
    segmentation: Segmentation
    table: CellTable

    @property
    def name(self) -> str:
        """Name of the micrograph."""
        return self.micrograph.name

    @property
    def channels(self) -> dict[str, np.dtype[Any]]:
        """Type of the values of every channel."""
        return {name: plane.dtype for name, plane in self.micrograph.planes.items()}

    @property
    def pixel_um(self) -> float | None:
        """Side of a pixel in micrometres, where it is known."""
        return self.micrograph.pixel_um

    @property
    def labels(self) -> NDArray[np.int32]:
        """Label image."""
        return self.segmentation.labels

    @property
    def notes(self) -> tuple[str, ...]:
        """What is doubtful about the segmentation."""
        return self.segmentation.notes

    def with_pixels(self) -> SegmentedMicrograph:
        """Itself: its pixels are at hand."""
        return self


def find_cells(micrograph: Micrograph, finding: CellFinding, labels_at: Path | None = None) -> SegmentedMicrograph:
    """Cells of a micrograph, measured.

    Parameters
    ----------
    micrograph : Micrograph
    finding : CellFinding
    labels_at : Path, optional
        Label image of another tool, taken instead of a segmentation.

    Raises
    ------
    InputError
        When a channel is missing, a plane has gaps, or the label image is of another size.
    """
    planes = {
        name: checked_plane(plane, f"{micrograph.name}, channel {name}") for name, plane in micrograph.planes.items()
    }
    if labels_at is not None:
        given = read_label_image(labels_at, labels_at.name)
        segmentation = given_labels(given, micrograph.shape, labels_at.name)
    else:
        plane = micrograph.channel(finding.channel)
        segmentation = segment(plane, finding.diameter, micrograph.pixel_um, finding.method)
    table = measure_cells(segmentation.labels, planes, pixel_um=micrograph.pixel_um)
    return SegmentedMicrograph(micrograph, segmentation, table)


def read_and_find(name: str, path: Path, finding: CellFinding, masks: Path | None = None) -> SegmentedMicrograph:
    """A micrograph from its file, with its cells.

    Parameters
    ----------
    name : str
        As `find_micrographs` gives it.
    path : Path
    finding : CellFinding
    masks : Path, optional
        Folder of label images of another tool; see `label_image_of`.
    """
    labels_at = None if masks is None else label_image_of(name, masks, micrograph=path)
    return find_cells(finding.read(path, name), finding, labels_at)


def label_image_of(
    name: str, masks: Path, endings: tuple[str, ...] = LABEL_ENDINGS[:-1], *, micrograph: Path | None = None
) -> Path:
    """File of the label image of a micrograph: of the same name, with or without ``_mask`` or the like.

    Parameters
    ----------
    name : str
    masks : Path
        Folder of the label images.
    endings : tuple of str
    micrograph : Path, optional
        The micrograph itself, which is no label image though it may lie in that folder.

    Raises
    ------
    InputError
        When there is none.
    """
    stem = masks / Path(name).with_suffix("")
    bare = stem.with_name(stem.name.removesuffix(".ome"))
    for ending in (*endings, ""):
        for suffix in SUFFIXES:
            found = bare.with_name(f"{bare.name}{ending}{suffix}")
            if found.is_file() and not (micrograph is not None and found.samefile(micrograph)):
                return found
    raise InputError(
        f"{masks} holds no label image for {name}; expected {bare.name}_mask.tif or .png, or the same name."
    )


__all__ = ["CellFinding", "SegmentedMicrograph", "find_cells", "find_micrographs", "label_image_of", "read_and_find"]
