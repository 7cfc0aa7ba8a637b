"""Preparations: what turns a stored image into the pixels that a network takes, some of them fitted.

Most are fixed (`headstart.data.image_resize.ImageResize`). A fitted one learned something from the images of a training
fold; a bundle keeps its settings and its state, and restores it by its name.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np

from headstart.data.image_resize import ImageResize
from headstart.errors import DataError, unknown_name
from headstart.storage import hash_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.images.source import StoredImage

MODULES: Final[dict[str, str]] = {
    "channel_normalisation": "headstart.data.channel_normalisation",
    "lesion_clean_up": "headstart.lesions.cleaning.preparation",
    "signal_standardising": "headstart.signals.training_scale",
}
"""Module of every kind of preparation that is more than a change of size, by its name, imported when one is restored:
it has a function ``restore(settings, state)``."""


class Preparation(Protocol):
    """From a stored image to the pixels that a network takes, in two steps with the views of the image between them."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pixels."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels that `apply` gives: uint8 or float32, both on the scale 0..255."""
        ...

    @property
    def n_channels(self) -> int:
        """Number of channels of the pixels."""
        ...

    def prepare(self, stored: StoredImage) -> NDArray[Any]:
        """Pixels (height, width, channels) of a stored image, of which views are made.

        Raises
        ------
        ImageError
            When the image cannot be decoded.
        """
        ...

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Network's pixels, of `dtype`, from those of a view."""
        ...

    def settings(self) -> dict[str, Any]:
        """Everything the pixels depend on besides the image and what was learned, as plain JSON."""
        ...


@runtime_checkable
class FittedPreparation(Preparation, Protocol):
    """A preparation that learned something from images, without their labels."""

    @property
    def name(self) -> str:
        """Name in `MODULES`, by which a bundle restores it; also the entry ``name`` of its settings."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Values that were fitted, as named arrays of finite numbers."""
        ...


class StoredImages(Protocol):
    """Images that a preparation is fitted on; an `headstart.data.dataset.ImageDataset`, usually."""

    def __len__(self) -> int: ...

    def stored(self, row: int) -> StoredImage:
        """Image of one row, read but not decoded."""
        ...


class FittablePreparation(Protocol):
    """A preparation to be fitted: on the training rows of every outer fold, and on all rows for the bundle."""

    def fit(self, dataset: StoredImages, rows: NDArray[np.int64]) -> FittedPreparation:
        """The preparation fitted on some rows, by their pixels alone.

        Parameters
        ----------
        dataset : StoredImages
        rows : ndarray of int64
            Numbers of the training rows; no other row is looked at.
        """
        ...


@runtime_checkable
class PreparingSource(Protocol):
    """A source of pictures that are drawn by what the training images teach."""

    def fittable_preparation(self, base: Preparation) -> FittablePreparation | None:
        """The preparation to be fitted in every fold, which ends in `base`; None where nothing is fitted."""
        ...


def own_preparation(pixels: object, base: Preparation) -> FittablePreparation | None:
    """The preparation that a source of pictures wants fitted in every fold; None where it wants none."""
    return pixels.fittable_preparation(base) if isinstance(pixels, PreparingSource) else None


def learned(preparation: Preparation) -> dict[str, NDArray[Any]]:
    """State of a fitted preparation; empty for a fixed one."""
    return preparation.state() if isinstance(preparation, FittedPreparation) else {}


def cache_settings(preparation: Preparation) -> dict[str, Any]:
    """Everything the pixels depend on besides the image, what was learned included as a hash: for cache keys."""
    state = learned(preparation)
    settings = preparation.settings()
    return {**settings, "state": _hash_state(state)} if state else settings


def restore_preparation(settings: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Preparation:
    """The preparation that a bundle holds.

    Parameters
    ----------
    settings : mapping
        What `Preparation.settings` gave; without an entry ``name`` those of an `ImageResize`.
    state : mapping of str to ndarray
        What `FittedPreparation.state` gave; empty for a fixed one.

    Raises
    ------
    DataError
        When no preparation has this name, its module is missing or of an older version, or the state is damaged.
    """
    if "name" not in settings:
        return ImageResize.from_settings(settings)
    name = str(settings["name"])
    if name not in MODULES:
        unknown = unknown_name("preparation", name, MODULES)
        raise DataError(f"{unknown} Where a newer headstart made it, install that one.")
    try:
        module = importlib.import_module(MODULES[name])
    except ImportError as error:
        raise DataError(
            f"The preparation {name!r} needs the module {MODULES[name]}, which cannot be imported ({error}). Install "
            "headstart whole, with the extra that the model was made with."
        ) from error
    for key, array in state.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(
                f"What the preparation {name!r} learned is damaged: {key!r} holds numbers that are not finite."
            )
    restored: Preparation = module.restore(settings, state)
    return restored


def _hash_state(state: Mapping[str, NDArray[Any]]) -> str:
    """Hash of named arrays: names, types, shapes and values."""
    parts = []
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        parts.append(f"{name} {little.dtype.str} {little.shape}\n".encode() + little.tobytes())
    return hash_bytes(b"\n".join(parts))
