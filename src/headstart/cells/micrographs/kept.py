"""Micrographs of which cells and measurements are kept and pixels are read again, so that many need little memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart.cells.cell_table import CellTable
from headstart.cells.micrographs.read import Micrograph
from headstart.cells.micrographs.segmented import SegmentedMicrograph
from headstart.cells.segmentation.segment import Segmentation
from headstart.errors import ImageError


class FoundCells(Protocol):
    """Cells of one micrograph, whether its pixels are at hand or not."""

    @property
    def name(self) -> str:
        """Name of the micrograph."""

    @property
    def channels(self) -> Mapping[str, np.dtype[Any]]:
        """Type of the values of every channel."""

    @property
    def pixel_um(self) -> float | None:
        """Side of a pixel in micrometres."""

    @property
    def labels(self) -> NDArray[np.int32]:
        """Label image."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is doubtful about the segmentation."""

    @property
    def table(self) -> CellTable:
        """Measured cells."""

    def with_pixels(self) -> SegmentedMicrograph:
        """The same with its pixels."""


@dataclass(frozen=True, eq=False)
class KeptMicrograph:
    """Cells of a micrograph without its pixels.

    Attributes
    ----------
    name : str
    channels : mapping of str to dtype
    pixel_um : float or None
    table : CellTable
    shape : tuple of int
    method : str
    radius : float or None
    notes : tuple of str
        As of its `Segmentation`.
    packed : bytes
        The label image, compressed to about a hundredth.
    read : callable
        Reads the micrograph again.
    """

    name: str
    channels: Mapping[str, np.dtype[Any]]
    pixel_um: float | None
    table: CellTable
    shape: tuple[int, int]
    method: str
    radius: float | None
    notes: tuple[str, ...]
    packed: bytes
    read: Callable[[], Micrograph]

    @classmethod
    def of(cls, one: SegmentedMicrograph, read: Callable[[], Micrograph]) -> KeptMicrograph:
        """What is kept of a micrograph."""
        found = one.segmentation
        packed = zlib.compress(found.labels.tobytes(), level=1)
        shape = one.micrograph.shape
        return cls(
            one.name,
            one.channels,
            one.pixel_um,
            one.table,
            shape,
            found.method,
            found.radius,
            found.notes,
            packed,
            read,
        )

    @property
    def labels(self) -> NDArray[np.int32]:
        """Label image."""
        return np.frombuffer(zlib.decompress(self.packed), dtype=np.int32).reshape(self.shape)

    def with_pixels(self) -> SegmentedMicrograph:
        """The same with its pixels, read again.

        Raises
        ------
        ImageError
            When the file cannot be read any more, or has become another.
        """
        micrograph = self.read()
        if micrograph.shape != self.shape or list(micrograph.planes) != list(self.channels):
            raise ImageError(self.name, "the file has changed while it was read; start again")
        return SegmentedMicrograph(
            micrograph, Segmentation(self.labels, self.method, self.radius, self.notes), self.table
        )
