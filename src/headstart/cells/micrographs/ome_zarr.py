"""OME-Zarr: the finest picture of a store in a folder, versions 0.4 and 0.5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from headstart.cells.micrographs.stack import MICROMETRES, Stack, by_channel, positive
from headstart.errors import ImageError, InputError

ZARR_SUFFIX: Final = ".zarr"


def read_ome_zarr(path: Path, name: str) -> Stack:
    """Channels of the finest level of an OME-Zarr.

    Raises
    ------
    InputError
        When the library that reads it is not installed.
    ImageError
        When the folder holds no such picture, or its values are no plain numbers.
    """
    try:
        import zarr
    except ImportError as error:
        raise InputError(f"{name}: OME-Zarr needs a further library: pip install 'headstart[zarr]'.") from error
    group: Any = zarr.open_group(str(path), mode="r")
    stored: dict[str, Any] = dict(group.attrs)
    about: Any = stored.get("ome", stored)
    if not isinstance(about, Mapping) or not about.get("multiscales"):
        raise ImageError(name, "no OME-Zarr picture: its metadata names no multiscales")
    scales = about["multiscales"][0]
    finest = scales["datasets"][0]
    array = group[finest["path"]]
    if array.dtype.kind not in "iuf" or "pickle" in str(array.metadata.to_dict()).lower():
        raise ImageError(name, f"its values are {array.dtype}, or stored as Python objects; expected plain numbers")
    axes = "".join(str(axis["name"]).upper()[:1] for axis in scales["axes"])
    labels = [str(channel.get("label", "")) for channel in (about.get("omero") or {}).get("channels", [])]
    return Stack(by_channel(np.asarray(array[:]), axes, labels, name), _side(scales["axes"], finest))


def _side(axes: list[Mapping[str, Any]], finest: Mapping[str, Any]) -> float | None:
    """Side of a pixel across, in micrometres."""
    across = [place for place, axis in enumerate(axes) if str(axis["name"]).lower() == "x"]
    factor = MICROMETRES.get(str(axes[across[0]].get("unit", ""))) if across else None
    scales = [one["scale"] for one in finest.get("coordinateTransformations", ()) if one.get("type") == "scale"]
    return None if factor is None or not scales else positive(float(scales[0][across[0]]) * factor)
