"""Micrographs from TIFF, OME-TIFF, OME-Zarr and ordinary image files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.cells.micrographs.ome_zarr import ZARR_SUFFIX, read_ome_zarr
from headstart.cells.micrographs.stack import MICROMETRES, Stack, by_channel, positive
from headstart.data.system_names import is_system_name
from headstart.errors import ImageError, InputError, first_few, unknown_name
from headstart.runtime.warnings import QUIET

TIFF_SUFFIXES: Final = (".tif", ".tiff")
SUFFIXES: Final = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp")
LABEL_ENDINGS: Final = ("_mask", "_masks", "_labels", "_cp_masks", "_classes")
"""What a name ends in whose file is a label image and no micrograph."""

_OME_NAME: Final = re.compile(r'<(?:\w+:)?Channel\b[^>]*?\bName="([^"]{1,200})"')
_OME_SIDE: Final = re.compile(r'\bPhysicalSizeX="([0-9.eE+-]{1,30})"')
_OME_UNIT: Final = re.compile(r'\bPhysicalSizeXUnit="([^"]{1,10})"')


@dataclass(frozen=True, eq=False)
class Micrograph:
    """One micrograph.

    Attributes
    ----------
    name : str
        Path relative to its folder, with ``/``.
    planes : dict of str to ndarray of shape (height, width)
        Plane of every channel, by its name.
    pixel_um : float or None
        Side of a pixel in micrometres, where the file tells.
    """

    name: str
    planes: dict[str, NDArray[Any]]
    pixel_um: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = next(iter(self.planes.values())).shape
        return int(height), int(width)

    def channel(self, name: str | None = None) -> NDArray[Any]:
        """Plane of a channel; by default of the first.

        Raises
        ------
        InputError
            When there is none of that name.
        """
        if name is None:
            return next(iter(self.planes.values()))
        check_channel(self.name, name, self.planes)
        return self.planes[name]


def check_channel(micrograph: str, name: str, channels: Iterable[str]) -> None:
    """Refuse a channel that a micrograph does not have.

    Raises
    ------
    InputError
    """
    known = list(channels)
    if name not in known:
        raise InputError(f"{micrograph}: {unknown_name('channel', name, known)}")


def find_micrographs(path: Path) -> list[tuple[str, Path]]:
    """Name and path of every micrograph of a folder, at any depth, or of a single file; label images are left out.

    Raises
    ------
    InputError
        When there is none.
    """
    if path.is_file() or path.suffix.lower() == ZARR_SUFFIX:
        return [(path.name, path)]
    if not path.is_dir():
        raise InputError(f"{path} does not exist; give a micrograph, or a folder of them.")
    found = sorted(one for one in _files(path) if not is_label_image(one))
    if not found:
        raise InputError(f"{path} holds no micrograph; headstart reads {', '.join((*SUFFIXES, ZARR_SUFFIX))}.")
    return [(one.relative_to(path).as_posix(), one) for one in found]


def _files(folder: Path) -> Iterator[Path]:
    """Images of a folder at any depth; what is hidden is left out, and a folder that is an OME-Zarr is one image."""
    for one in folder.iterdir():
        suffix = one.suffix.lower()
        if is_system_name(one.name):
            continue
        if one.is_dir() and suffix != ZARR_SUFFIX:
            yield from _files(one)
        elif suffix == ZARR_SUFFIX or suffix in SUFFIXES:
            yield one


def is_label_image(path: Path) -> bool:
    """Whether a file's name says that it is a label image of another one."""
    return path.stem.removesuffix(".ome").lower().endswith(LABEL_ENDINGS)


def read_micrograph(
    path: Path, name: str | None = None, *, plane: int | None = None, pixel_um: float | None = None
) -> Micrograph:
    """Planes of one file.

    Parameters
    ----------
    path : Path
    name : str, optional
        Name in errors and results. Default: that of the file.
    plane : int, optional
        Which of several planes in depth, from 0. Default: the brightest value of all planes at every pixel.
    pixel_um : float, optional
        Side of a pixel in micrometres; goes before what the file says.

    Raises
    ------
    ImageError
        When the file cannot be read, or is a series over time.
    """
    called = name or path.name
    try:
        stack = _read(path, called)
    except FileNotFoundError as error:
        raise ImageError(called, "no such file") from error
    except InputError:
        raise
    except Exception as error:  # a decoder fed foreign bytes fails in any way; each means that the file is no use
        raise ImageError(called, f"damaged, or no image that headstart reads ({_first_line(error)})") from error
    planes = {channel: _one_plane(values, plane, called) for channel, values in stack.channels.items()}
    return Micrograph(called, planes, pixel_um if pixel_um is not None else stack.pixel_um)


def read_label_image(path: Path, name: str) -> NDArray[Any]:
    """Numbers of a label image, as another tool wrote it.

    Raises
    ------
    ImageError
        When the file cannot be read or has several channels.
    """
    found = read_micrograph(path, name)
    if len(found.planes) > 1:
        raise ImageError(name, f"a label image has one channel; this one has {first_few(found.planes)}")
    return found.channel()


def _read(path: Path, name: str) -> Stack:
    suffix = path.suffix.lower()
    if suffix == ZARR_SUFFIX:
        return read_ome_zarr(path, name)
    return _read_tiff(path, name) if suffix in TIFF_SUFFIXES else _read_picture(path)


def _read_tiff(path: Path, name: str) -> Stack:
    import tifffile

    with QUIET, tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        axes, values = series.axes, series.asarray()
        text = str(tiff.ome_metadata) if tiff.is_ome else ""
        about = (tiff.imagej_metadata or {}) if tiff.is_imagej else {}
        side = _ome_side(text) if tiff.is_ome else _imagej_side(tiff.pages.first, about)
    names = _OME_NAME.findall(text) or [str(label) for label in about.get("Labels") or ()]
    return Stack(by_channel(values, axes, names, name), side)


def _ome_side(text: str) -> float | None:
    side, unit = _OME_SIDE.search(text), _OME_UNIT.search(text)
    factor = 1.0 if unit is None else MICROMETRES.get(unit[1].replace("&#181;", "µ"))
    if side is None or factor is None:
        return None
    return positive(float(side[1]) * factor)


def _imagej_side(page: Any, about: dict[str, Any]) -> float | None:
    factor = MICROMETRES.get(str(about.get("unit", "")))
    resolution = page.tags.get(282)
    if factor is None or resolution is None or not resolution.value[0]:
        return None
    return positive(resolution.value[1] / resolution.value[0] * factor)


def _read_picture(path: Path) -> Stack:
    from PIL import Image

    with Image.open(path) as image:
        values = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    if values.ndim == 2:
        return Stack({"1": values[None]})
    colours = values[..., :3] if values.shape[2] >= 3 else values[..., :1]
    if all(np.array_equal(colours[..., 0], colours[..., place]) for place in range(1, colours.shape[2])):
        return Stack({"1": colours[None, ..., 0]})  # grey, saved as colours
    return Stack({name: colours[None, ..., place] for place, name in enumerate(("red", "green", "blue"))})


def _one_plane(values: NDArray[Any], plane: int | None, name: str) -> NDArray[Any]:
    if plane is None:
        return np.asarray(values[0] if len(values) == 1 else values.max(axis=0))
    if not 0 <= plane < len(values):
        raise ImageError(name, f"plane {plane} of {len(values)}; they are numbered from 0")
    return np.asarray(values[plane])


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
