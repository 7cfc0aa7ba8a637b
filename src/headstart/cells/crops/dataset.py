"""The data set of single cells: crops, measurements as table columns, groups by micrograph, well or plate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.cells.crops.classes import UNKNOWN
from headstart.cells.crops.cut import cut_crops
from headstart.cells.crops.recipe import CropRecipe, check_one_unit
from headstart.cells.measure import INTENSITY
from headstart.cells.micrographs.kept import FoundCells
from headstart.cells.micrographs.plate import plate_position
from headstart.data import ImageDataset
from headstart.data.images.arrays import ArrayImage
from headstart.data.images.source import GroupProposal, ImageSource
from headstart.data.table.column import TableColumn
from headstart.errors import InputError

GroupBy = Literal["micrograph", "well", "plate"]
SEPARATOR: Final = "#"
"""Between the name of a micrograph and the number of a cell, in the name of a crop."""


@dataclass(frozen=True, eq=False)
class CellCrops(ImageSource):
    """Crops in one array.

    Attributes
    ----------
    crops : ndarray of shape (n_cells, side, side[, 3]), uint8
    groups : tuple of str
        Group of every cell.
    group_by : str
        What cells of one group share.
    """

    crops: NDArray[np.uint8]
    groups: tuple[str, ...]
    group_by: GroupBy = "micrograph"

    def open(self, row: int, name: str) -> ArrayImage:
        """Picture of one cell."""
        return ArrayImage(name, self.crops[row])

    def take(self, rows: NDArray[np.int64]) -> CellCrops:
        """See `headstart.data.images.source.ImageSource.take`."""
        return replace(self, crops=self.crops[rows], groups=tuple(self.groups[row] for row in rows.tolist()))

    def proposed_groups(self) -> GroupProposal:
        """Cells of one micrograph, well or plate stay together: they share its light, focus and dose."""
        return GroupProposal(self.groups, self.group_by)


def crop_dataset(
    micrographs: Sequence[FoundCells],
    recipe: CropRecipe,
    classes: Sequence[Sequence[str]] | None = None,
    *,
    group_by: GroupBy = "micrograph",
    pattern: str | None = None,
    measured: bool = True,
    unmeasured: str | None = None,
) -> ImageDataset:
    """Data set of the cells of some micrographs.

    Parameters
    ----------
    micrographs : sequence of SegmentedMicrograph or KeptMicrograph
        Pixels of one at a time are held.
    recipe : CropRecipe
    classes : sequence of sequence of str, optional
        Class of every cell of every micrograph; cells without one (an empty name) are left out.
    group_by : {"micrograph", "well", "plate"}
    pattern : str, optional
        As for `headstart.cells.micrographs.plate.plate_position`.
    measured : bool
        Whether the measured table stands beside the crops, as table columns.
    unmeasured : str, optional
        Channel whose columns are left out: a dye that the classes come from would tell them.

    Raises
    ------
    InputError
        When a name tells of no well or plate and cells are to be grouped by it, or micrographs have different channels,
        or some a size of a pixel and some none, and measurements are asked for.
    """
    columns = _joined_columns(micrographs, unmeasured) if measured else {}
    crops = np.concatenate([cut_crops(one.with_pixels(), recipe) for one in micrographs])
    names = [crop_name(one.name, label) for one in micrographs for label in one.table.label.tolist()]
    groups = [group for one in micrographs for group in [group_of(one.name, group_by, pattern)] * len(one.table)]
    labels = None if classes is None else [name for one in classes for name in one]
    keep = np.array([row for row in range(len(names)) if labels is None or labels[row] != UNKNOWN], dtype=np.int64)
    table = [TableColumn.of(name, values[keep], kind="number") for name, values in columns.items()]
    source = CellCrops(crops, tuple(groups), group_by).take(keep)
    known = None if labels is None else [labels[row] for row in keep.tolist()]
    return ImageDataset.from_source(source, [names[row] for row in keep.tolist()], known, table=table)


def _joined_columns(micrographs: Sequence[FoundCells], unmeasured: str | None) -> dict[str, NDArray[np.float64]]:
    first = micrographs[0]
    for one in micrographs:
        if list(one.channels) != list(first.channels):
            raise InputError(
                f"{one.name} has the channels {', '.join(one.channels)}, and {first.name} {', '.join(first.channels)}: "
                "cells are measured in all of them. Take micrographs of the same channels, or leave measurements out "
                "(--no-measured)."
            )
    check_one_unit(micrographs)
    left_out = {f"{column}_{unmeasured}" for column in INTENSITY if unmeasured is not None}
    kept = [name for name in first.table.columns if name not in left_out]
    return {name: np.concatenate([one.table.columns[name] for one in micrographs]) for name in kept}


def crop_name(micrograph: str, label: int) -> str:
    """Name of a crop.

    >>> crop_name("plate1/B07.tif", 12)
    'plate1/B07.tif#12'
    """
    return f"{micrograph}{SEPARATOR}{label}"


def group_of(name: str, group_by: GroupBy, pattern: str | None = None) -> str:
    """Group of the cells of a micrograph.

    Raises
    ------
    InputError
        When its name does not tell.
    """
    if group_by == "micrograph":
        return name
    position = plate_position(name, pattern)
    group = f"{position.plate} {position.well}".strip() if group_by == "well" else position.plate
    if not (position.well if group_by == "well" else position.plate):
        raise InputError(
            f"{name} tells of no {group_by}; give --pattern, a regular expression with (?P<{group_by}>...)."
        )
    return group
