"""Windows standardised by the training windows: a preparation that is fitted in every outer fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.data.image_resize import ImageResize
from headstart.data.images.arrays import ArrayImage
from headstart.errors import DataError
from headstart.signals.recipe import SignalRecipe
from headstart.signals.standardise import centre_and_spread, scaled
from headstart.signals.window_image import WindowImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.images.source import StoredImage
    from headstart.data.preparation import Preparation, StoredImages

    Floats = NDArray[np.float64]

NAME: Final = "signal_standardising"
VERSION: Final = 1
"""Changes whenever the pixels change for the same state."""


@dataclass(frozen=True, eq=False)
class TrainingScale:
    """Scale to be fitted: mean and spread of every channel over all samples of the training windows.

    Parameters
    ----------
    base : Preparation
        Brings the pictures to the size that the network takes.
    recipe : SignalRecipe
    """

    base: Preparation
    recipe: SignalRecipe

    def fit(self, dataset: StoredImages, rows: NDArray[np.int64]) -> FittedTrainingScale:
        """The scale of some windows; labels have no part in it.

        Raises
        ------
        DataError
            When there is no row, or one is no window.
        """
        if len(rows) == 0:
            raise DataError("Channels are standardised by the training windows, and there is none.")
        samples = np.concatenate([_window(dataset.stored(row)).values for row in rows.tolist()])
        centre, spread = centre_and_spread(samples.astype(np.float64))
        return FittedTrainingScale(self.base, self.recipe, centre, spread)


@dataclass(frozen=True, eq=False)
class FittedTrainingScale:
    """Pictures of windows whose channels are in spreads from the mean of the training windows.

    Parameters
    ----------
    base : Preparation
    recipe : SignalRecipe
    centre, spread : ndarray of shape (n_channels,), float64
        Of the windows that it was fitted on.
    """

    base: Preparation
    recipe: SignalRecipe
    centre: Floats
    spread: Floats

    name = NAME

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pixels."""
        return self.base.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self.base.dtype

    @property
    def n_channels(self) -> int:
        """Number of channels of the pixels, which are colours."""
        return self.base.n_channels

    def standardised(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Standardised values of windows (..., length, n_channels)."""
        return scaled(values, self.centre, self.spread)

    def prepare(self, stored: StoredImage) -> NDArray[Any]:
        """Pixels of the picture of a window.

        Raises
        ------
        DataError
            When it is no window of a recording.
        """
        window = _window(stored)
        return self.base.prepare(ArrayImage(window.name, window.picture(self.standardised(window.values))))

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels of a view as they are: what was learned is in the picture already."""
        return pixels

    def settings(self) -> dict[str, Any]:
        """Those of the base, with the name, its version and the recipe."""
        return {**self.base.settings(), "name": NAME, "version": VERSION, "recipe": self.recipe.to_json()}

    def state(self) -> dict[str, NDArray[Any]]:
        """Mean and spread of the channels."""
        return {"centre": self.centre, "spread": self.spread}


def restore(settings: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> FittedTrainingScale:
    """The scale of these settings and this state.

    Raises
    ------
    DataError
        When they are damaged, or of a newer version.
    """
    try:
        version = int(settings["version"])
        recipe = SignalRecipe.from_json(settings["recipe"])
        centre, spread = (np.asarray(state[name], dtype=np.float64) for name in ("centre", "spread"))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"The scale of the channels is damaged ({error!r}); fit the model again.") from error
    if version > VERSION:
        raise DataError(
            f"The channels were standardised by rules {version}; this headstart knows up to {VERSION}. Install a newer "
            "headstart."
        )
    if {centre.shape, spread.shape} != {(len(recipe.channels),)} or (spread < 0).any():
        raise DataError(f"The scale is not that of {len(recipe.channels)} channels; fit the model again.")
    return FittedTrainingScale(ImageResize.from_settings(settings), recipe, centre, spread)


def _window(stored: StoredImage) -> WindowImage:
    if not isinstance(stored, WindowImage):
        raise DataError(
            "The model was fitted on windows of recordings, and a picture was handed to it. Read the recordings with "
            "headstart.signals.read."
        )
    return stored
