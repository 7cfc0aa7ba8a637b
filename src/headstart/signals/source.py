"""`WindowPictures`: windows of recordings as the pictures of a data set, drawn when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.images.source import BaselineColumns, GroupProposal, ImageSource
from headstart.errors import InputError
from headstart.signals.baselines import signal_baselines
from headstart.signals.standardise import reference_scale, scaled, standardised
from headstart.signals.statistics import statistic_names, statistics
from headstart.signals.training_scale import TrainingScale
from headstart.signals.window_image import WindowImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.preparation import Preparation
    from headstart.signals.recipe import SignalRecipe
    from headstart.signals.windows import Windows


@dataclass(frozen=True, eq=False)
class DrawnWindows(ImageSource):
    """Pictures of windows whose values are at hand: those of a stream, or made-up ones.

    Attributes
    ----------
    values : ndarray of shape (n, length, n_channels), float32
        As `WindowImage` holds them.
    recipe : SignalRecipe
    """

    values: NDArray[np.float32]
    recipe: SignalRecipe

    def open(self, row: int, name: str) -> WindowImage:
        """Picture of the window of a row."""
        return WindowImage(name, self.values[row], self.recipe)


@dataclass(frozen=True, eq=False)
class WindowPictures(ImageSource):
    """Pictures of windows.

    Attributes
    ----------
    windows : Windows
    recipe : SignalRecipe
    place : mapping or None
        Where the recordings lie and how they were read; see `headstart.signals.place`. None of recordings in memory.
    """

    windows: Windows
    recipe: SignalRecipe
    place: Mapping[str, Any] | None = None

    def open(self, row: int, name: str) -> WindowImage:
        """Picture of the window of a row."""
        return WindowImage(name, self.values(np.array([row]))[0], self.recipe)

    def values(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Values of windows as `WindowImage` holds them, shape (n_rows, length, n_channels)."""
        return standardised(self.windows, self.recipe.standardise, rows, scale=self._scale)

    @cached_property
    def _scale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Centre and spread of every recording's reference stretch, computed once."""
        how = self.recipe.standardise
        return reference_scale(self.windows, robust=how == "robust") if how in ("reference", "robust") else None

    def pictures(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
        """Pictures of many windows at once, (n_rows, height, width, 3), the same as one by one."""
        values = self.values(rows)
        if self.recipe.standardise == "training":
            values = scaled(values, values.mean(axis=1, keepdims=True), values.std(axis=1, keepdims=True))
        return self.recipe.pictures(values)

    def take(self, rows: NDArray[np.int64]) -> WindowPictures:
        """See `ImageSource.take`; recordings are shared, not copied."""
        return replace(self, windows=self.windows.take(rows))

    def numbers(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `ImageSource.numbers`: the values of windows, as `WindowImage` holds them."""
        return self.values(rows).reshape(len(rows), -1)

    def of_numbers(self, numbers: NDArray[np.float32]) -> tuple[DrawnWindows, dict[str, NDArray[np.float64]]]:
        """See `ImageSource.of_numbers`.

        Raises
        ------
        InputError
            When statistics of the values as measured stand beside windows in their own units, which do not tell them.
        """
        recipe = self.recipe
        values = numbers.reshape(len(numbers), recipe.length, len(recipe.channels))
        if not recipe.statistics:
            return DrawnWindows(values, recipe), {}
        if recipe.standardise == "window":
            raise InputError(
                "Windows that are made up in units of their own (--standardise window) do not tell the statistics of "
                "what was measured. Add --no-statistics, or standardise in another way."
            )
        columns = statistics(values).T
        return DrawnWindows(values, recipe), dict(zip(statistic_names(recipe.channels), columns, strict=True))

    def location(self) -> dict[str, Any] | None:
        """See `ImageSource.location`."""
        return None if self.place is None else dict(self.place)

    def baseline_columns(self) -> tuple[BaselineColumns, ...]:
        """Statistics without pictures, and what knows nothing but the time: no run may rest on that."""
        return signal_baselines(self.windows, self.recipe.standardise)

    def may_hold_copies(self) -> bool:
        """False: windows look alike wherever nothing happens."""
        return False

    def fittable_preparation(self, base: Preparation) -> TrainingScale | None:
        """The scale that is learned from the training windows, where they are standardised so."""
        return TrainingScale(base, self.recipe) if self.recipe.standardise == "training" else None

    def proposed_groups(self) -> GroupProposal:
        """The recording of every window, or its part of one."""
        return GroupProposal(self.windows.groups, "recording")
