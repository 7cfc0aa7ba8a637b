"""Channels brought to the mean and spread that a network expects, by those of the training images.

A network was trained on images normalised by the mean and spread of its own training set. Here each channel of the
training images takes their place: after it a channel's training pixels have the mean and spread that the network saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from headstart.data.image_resize import ImageResize
from headstart.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.images.source import StoredImage

    Floats = NDArray[np.float64]

NAME: Final = "channel_normalisation"
VERSION: Final = 1
"""Changes whenever the pixels change for the same state."""


class _Images(Protocol):
    """Images by their rows."""

    def stored(self, row: int) -> StoredImage: ...


@dataclass(frozen=True, eq=False)
class ChannelNormalisation:
    """Normalisation to be fitted: mean and spread of every channel over all prepared pixels of the training images.

    Parameters
    ----------
    base : ImageResize
        Brings every image to one size; its pixels are measured.
    mean, std : tuple of float
        What the network's weights expect of pixels scaled to 0..1, per channel.
    sums : ndarray of shape (n_images, 2 * n_channels), float64, optional
        What `channel_sums` gives for every image of the data set that is fitted on, where it is known: a fit then
        reads no image.
    """

    base: ImageResize
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sums: Floats | None = None

    def fit(self, dataset: _Images, rows: NDArray[np.int64]) -> FittedChannelNormalisation:
        """The normalisation of some rows, each image counting once; labels and weights have no part in it.

        Raises
        ------
        ImageError
            The first image that cannot be read.
        DataError
            When there is no row, or the pixels are not finite.
        """
        if len(rows) == 0:
            raise DataError("Channels are normalised by the training images, and there is none.")
        found = self.sums[rows] if self.sums is not None else self._read(dataset, rows)
        n_pixels = len(rows) * self.base.size[0] * self.base.size[1]
        mean, spread = mean_and_spread(found, n_pixels)
        return FittedChannelNormalisation(self.base, self.mean, self.std, mean, spread, len(rows))

    def _read(self, dataset: _Images, rows: NDArray[np.int64]) -> Floats:
        each = (self.base.prepare(dataset.stored(row)) for row in rows.tolist())
        return np.stack([channel_sums(pixels[None])[0] for pixels in each])


def channel_sums(pixels: NDArray[Any]) -> Floats:
    """Sum, then sum of squares, of every channel of each image, (n_images, 2 n), from (n_images, height, width, n).

    Of bytes they are whole numbers, exact in double precision for every size that a network takes.
    """
    values = pixels.astype(np.float64)
    return np.concatenate([values.sum(axis=(1, 2)), np.square(values).sum(axis=(1, 2))], axis=1)


def mean_and_spread(sums: Floats, n_pixels: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of every channel from the sums of some images, whatever their order.

    Summed as fractions, without rounding: a constant channel has a spread of exactly zero.

    Raises
    ------
    DataError
        When a sum is not finite.
    """
    if not np.isfinite(sums).all():
        raise DataError(
            "Channels cannot be normalised: some pixels are not finite. Look for them with headstart check."
        )
    totals = [sum(map(Fraction, column), Fraction(0)) for column in sums.T.tolist()]
    first, second = totals[: len(totals) // 2], totals[len(totals) // 2 :]
    mean = [total / n_pixels for total in first]
    variance = [max(square / n_pixels - centre**2, Fraction(0)) for square, centre in zip(second, mean, strict=True)]
    return np.array([float(value) for value in mean]), np.sqrt([float(value) for value in variance])


@dataclass(frozen=True, eq=False)
class FittedChannelNormalisation:
    """Pixels whose channels have the mean and spread that the weights expect, over the images it was fitted on.

    A channel that is constant there has nothing to be scaled by: it is shifted alone.

    Parameters
    ----------
    base : ImageResize
    target_mean, target_std : tuple of float
        What the weights expect of pixels scaled to 0..1.
    mean, spread : ndarray of shape (n_channels,), float64
        Of the images that it was fitted on, on the scale 0..255.
    n_images : int
        Number of these images.
    """

    base: ImageResize
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]
    mean: Floats
    spread: Floats
    n_images: int

    name = NAME

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pixels."""
        return self.base.size

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def n_channels(self) -> int:
        """Number of channels of the pixels."""
        return self.base.n_channels

    @property
    def constant(self) -> tuple[int, ...]:
        """Numbers of the channels that are constant in the images it was fitted on."""
        return tuple(np.flatnonzero(self.spread == 0).tolist())

    def prepare(self, stored: StoredImage) -> NDArray[Any]:
        """Pixels (height, width, n_channels) of a stored image, of which views are made; not normalised yet."""
        return self.base.prepare(stored)

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Normalised pixels of a view, on the scale 0..255, which they may leave."""
        target = 255 * np.asarray(self.target_std)
        scale = np.where(self.spread > 0, target / np.where(self.spread > 0, self.spread, 1.0), 1.0)
        offset = 255 * np.asarray(self.target_mean) - self.mean * scale
        return pixels.astype(np.float32) * scale.astype(np.float32) + offset.astype(np.float32)

    def settings(self) -> dict[str, Any]:
        """Those of the resizing, with the name, its version and what the weights expect."""
        target = {"mean": list(self.target_mean), "std": list(self.target_std)}
        return {**self.base.settings(), "name": NAME, "version": VERSION, "target": target}

    def state(self) -> dict[str, NDArray[Any]]:
        """Mean and spread of the channels, and the number of images."""
        return {"mean": self.mean, "spread": self.spread, "n_images": np.array([self.n_images], dtype=np.int64)}


def restore(settings: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> FittedChannelNormalisation:
    """The normalisation of these settings and this state.

    Raises
    ------
    DataError
        When they are damaged, or of a newer version.
    """
    try:
        version, target = int(settings["version"]), settings["target"]
        mean, spread = (np.asarray(state[name], dtype=np.float64) for name in ("mean", "spread"))
        n_images = int(state["n_images"][0])
        target_mean, target_std = (tuple(float(value) for value in target[name]) for name in ("mean", "std"))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"The normalisation of the channels is damaged ({error!r}); fit the model again.") from error
    if version > VERSION:
        raise DataError(
            f"The channels were normalised by rules {version}; this headstart knows up to {VERSION}. Install a newer "
            "headstart."
        )
    base = ImageResize.from_settings(settings)
    shapes = {mean.shape, spread.shape, (len(target_mean),), (len(target_std),)}
    if shapes != {(base.n_channels,)} or not np.isfinite([mean, spread]).all() or (spread < 0).any():
        raise DataError(
            f"The normalisation of the channels is damaged: mean {mean.tolist()} and spread {spread.tolist()} are not "
            f"those of {base.n_channels} channels. Fit the model again."
        )
    if not np.isfinite([target_mean, target_std]).all() or min(target_std) <= 0:
        raise DataError(
            f"The normalisation of the channels is damaged: mean {list(target_mean)} and deviation {list(target_std)}, "
            "which the pixels are brought to, cannot be reached. Fit the model again."
        )
    return FittedChannelNormalisation(base, target_mean, target_std, mean, spread, n_images=n_images)
