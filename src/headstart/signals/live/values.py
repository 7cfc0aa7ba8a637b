"""Windows of a stream brought to the scale and the pictures that a model was fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError
from headstart.signals.live.windows import LiveWindow, StreamShape
from headstart.signals.recipe import SignalRecipe
from headstart.signals.standardise import MIN_REFERENCE, centre_and_spread, scaled


def stream_shape(recipe: SignalRecipe) -> StreamShape:
    """Shape of a stream that is cut as recordings were."""
    return StreamShape(recipe.channels, recipe.period_s, recipe.length, recipe.stride, recipe.reference)


def standardised_live(windows: Sequence[LiveWindow], recipe: SignalRecipe) -> npt.NDArray[np.float32]:
    """Standardised values of windows of one stream, as `headstart.signals.standardise.standardised` gives them.

    Raises
    ------
    DataError
        When the reference stretch at the start of the stream holds too few samples of some channel.
    """
    values = np.stack([one.values for one in windows])
    how = recipe.standardise
    if how == "training":
        return values.astype(np.float32)
    if how == "window":
        return scaled(values, values.mean(axis=1, keepdims=True), values.std(axis=1, keepdims=True))
    reference = windows[0].reference
    _check_reference(reference, recipe)
    return scaled(values, *centre_and_spread(reference, robust=how == "robust"))


def _check_reference(reference: npt.NDArray[np.float64], recipe: SignalRecipe) -> None:
    known = np.isfinite(reference).sum(axis=0)
    place = int(known.argmin())
    if known[place] < MIN_REFERENCE:
        raise DataError(
            f"The first {recipe.reference * recipe.period_s:g} s of the stream, by which it is standardised, hold "
            f"{known[place]} samples of {recipe.channels[place]!r}; at least {MIN_REFERENCE} are needed. Begin "
            "anew where all channels run."
        )
