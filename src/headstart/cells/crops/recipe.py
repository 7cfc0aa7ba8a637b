"""`CropRecipe`: how cells are cut out, kept by a model so that new cells are cut out alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.cells.micrographs.read import check_channel
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.cells.micrographs.kept import FoundCells

CELLS_FILE: Final = "cells.json"
"""File of a run, beside the model: how cells were found and cut out, so that new ones are treated alike."""
MAX_CHANNELS: Final = 3
DIAMETERS: Final = 2.0
"""Side of a crop in diameters of the middle cell, where none is asked for."""
MIN_SIDE: Final = 8
MAX_SIDE: Final = 512
_WHITE_QUANTILE: Final = 0.995


@dataclass(frozen=True)
class CropRecipe:
    """How a cell becomes a picture.

    Attributes
    ----------
    side : int
        Side of the picture in pixels.
    side_um : float or None
        Side in micrometres; a micrograph of another pixel size is cut larger or smaller and resized. None: in pixels.
    channels : tuple of str
        One channel is shown in grey, two or three in red, green and blue.
    white : tuple of float
        Value of each channel shown as white; 0 is black.
    masked : bool
        Whether everything but the cell itself is black.
    """

    side: int
    side_um: float | None
    channels: tuple[str, ...]
    white: tuple[float, ...]
    masked: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {**asdict(self), "channels": list(self.channels), "white": list(self.white)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CropRecipe:
        """What `to_json` wrote.

        Raises
        ------
        ValueError
            When a side or a level is none, or there is not one level for each of at most three channels.
        """
        found = cls(
            side=int(value["side"]),
            side_um=None if value["side_um"] is None else float(value["side_um"]),
            channels=tuple(str(name) for name in value["channels"]),
            white=tuple(float(level) for level in value["white"]),
            masked=bool(value["masked"]),
        )
        if not MIN_SIDE <= found.side <= MAX_SIDE:
            raise ValueError(f"a crop of {found.side} pixels; expected {MIN_SIDE} to {MAX_SIDE}")
        levels = (*found.white, *(() if found.side_um is None else (found.side_um,)))
        if not all(math.isfinite(level) and level > 0 for level in levels):
            raise ValueError("a level of white or a side that is no positive number")
        if not 1 <= len(found.channels) <= 3 or len(found.white) != len(found.channels):
            raise ValueError(f"{len(found.white)} levels of white for {len(found.channels)} channels; expected 1 to 3")
        return found


def plan_crops(
    micrographs: Sequence[FoundCells],
    *,
    side: int | None = None,
    side_um: float | None = None,
    channels: Sequence[str] | None = None,
    masked: bool = False,
) -> CropRecipe:
    """Recipe for the cells of some micrographs.

    Parameters
    ----------
    micrographs : sequence of SegmentedMicrograph or KeptMicrograph
    side : int, optional
        Side of a crop in pixels.
    side_um : float, optional
        Side in micrometres. Default, without `side`: two diameters of the middle cell, in micrometres where all
        micrographs know the size of a pixel.
    channels : sequence of str, optional
        At most three. Default: all, where there are no more.
    masked : bool

    Raises
    ------
    InputError
        Without any cell, when a channel is missing, there are more than three, a micrograph does not know the size of a
        pixel where micrometres are asked for, or a side is out of range.
    """
    with_cells = [one for one in micrographs if len(one.table)]
    if not with_cells:
        raise InputError("No cell was found in any micrograph; look at a preview: headstart cells segment.")
    chosen = _channels(micrographs, channels)
    pixel = _pixel_um(micrographs, needed=side_um is not None)
    if side is None and side_um is None:
        check_one_unit(micrographs)
        areas = np.concatenate([one.table.columns["area"] for one in with_cells])
        length = DIAMETERS * 2 * float(np.sqrt(np.median(areas) / np.pi))
        side, side_um = (round(length), None) if pixel is None else (round(length / pixel), length)
    elif side_um is not None:
        side = round(side_um / (pixel or 1.0))
    if side is None or not MIN_SIDE <= side <= MAX_SIDE:
        raise InputError(f"A crop of {side} pixels cannot be used; expected {MIN_SIDE} to {MAX_SIDE}.")
    return CropRecipe(side, side_um, chosen, tuple(_white(with_cells, name) for name in chosen), masked)


def check_one_unit(micrographs: Sequence[FoundCells]) -> None:
    """Refuse micrographs some of which tell how large a pixel is: their cells are measured in two units.

    Raises
    ------
    InputError
    """
    known = [one.name for one in micrographs if one.pixel_um is not None]
    if 0 < len(known) < len(micrographs):
        unknown = next(one.name for one in micrographs if one.pixel_um is None)
        raise InputError(
            f"{known[0]} tells how large a pixel is and {unknown} does not, so that their cells would be measured in "
            "two units; give --pixel-um."
        )


def _channels(micrographs: Sequence[FoundCells], channels: Sequence[str] | None) -> tuple[str, ...]:
    chosen = tuple(channels or micrographs[0].channels)
    if len(chosen) > MAX_CHANNELS:
        listed = ", ".join(chosen)
        raise InputError(f"A crop shows at most {MAX_CHANNELS} channels, not {listed}; choose some with --channels.")
    for one in micrographs:
        for name in chosen:
            check_channel(one.name, name, one.channels)
    return chosen


def _pixel_um(micrographs: Sequence[FoundCells], *, needed: bool) -> float | None:
    """Middle side of a pixel; None where one micrograph does not tell."""
    sides = [one.pixel_um for one in micrographs]
    unknown = [one.name for one in micrographs if one.pixel_um is None]
    if unknown and needed:
        raise InputError(f"{unknown[0]} does not say how large a pixel is; give --pixel-um, or the crop in pixels.")
    return None if unknown else float(np.median([side for side in sides if side is not None]))


def _white(micrographs: Sequence[FoundCells], channel: str) -> float:
    """White of a channel: 255 for bytes; else what nearly all cells stay below, so that brightness stays comparable."""
    if all(one.channels[channel] == np.uint8 for one in micrographs):
        return 255.0
    brightest = np.concatenate([one.table.columns[f"max_{channel}"] for one in micrographs])
    white = float(np.quantile(brightest, _WHITE_QUANTILE))
    if white <= 0:
        raise InputError(f"Channel {channel!r} has no value above 0 in any cell; leave it out with --channels.")
    return white
