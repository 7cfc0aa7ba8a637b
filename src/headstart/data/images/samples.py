"""Samples of an image channel by channel: their names, the choice of some, their scale from black to white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.data.images.bit_depth import scale_to_8_bit
from headstart.errors import ChannelError, DataError, ImageError, InputError, first_few, unknown_name

MAX_CHANNELS: Final = 64
BLACK_CHANNEL: Final = "none"
"""Name that stands for a black channel, in a choice of channels."""
Scale = tuple[float, float]
_COLOURS: Final = ("red", "green", "blue")
_USUAL: Final = {1: ("grey",), 2: ("grey", "alpha"), 3: _COLOURS, 4: (*_COLOURS, "alpha")}
_FLOATS: Final = (np.dtype(np.float32), np.dtype(np.float64))
SAMPLE_TYPES: Final = (np.dtype(np.uint8), np.dtype(np.uint16), *_FLOATS)


def are_floats(dtype: np.dtype[Any]) -> bool:
    """Whether samples of this type need a stated scale."""
    return dtype in _FLOATS


def usual_names(n_channels: int) -> tuple[str, ...]:
    """Names of channels that nobody named: of a picture its colours, of more than four their numbers.

    >>> usual_names(2), usual_names(5)
    (('grey', 'alpha'), ('1', '2', '3', '4', '5'))
    """
    return _USUAL.get(n_channels, tuple(str(number + 1) for number in range(n_channels)))


def checked_names(names: Sequence[str] | None, n_channels: int) -> tuple[str, ...] | None:
    """Names of all channels, or None where there are none.

    Raises
    ------
    DataError
        When there are more or fewer than channels, one is empty or stands twice, or means a black channel.
    """
    if names is None:
        return None
    found = tuple(str(name).strip() for name in names)
    if len(found) != n_channels:
        raise DataError(f"There are {len(found)} names for {n_channels} channels ({', '.join(found)}).")
    wrong = [name for name in found if not name or "," in name or name == BLACK_CHANNEL]
    if wrong or len(set(found)) < len(found):
        raise DataError(
            f"The channels are named {', '.join(map(repr, found))}; expected different names without commas, none of "
            f"them {BLACK_CHANNEL!r}, which stands for a black channel."
        )
    return found


def checked_scale(scale: Sequence[float] | None, dtype: np.dtype[Any]) -> Scale | None:
    """Values shown as black and as white of floating-point samples; None for whole numbers.

    Raises
    ------
    DataError
        When floats come without a scale, whole numbers with one, or it is none.
    """
    if not are_floats(dtype):
        if scale is not None:
            raise DataError(f"The images are of type {dtype}, whose scale is fixed; leave the scale out.")
        return None
    if scale is None:
        raise DataError(
            f"The images are of type {dtype}, and nobody states which value is black and which is white. State it: "
            "scale=(0, 1), or an entry scale of two numbers in an archive."
        )
    given = tuple(float(value) for value in scale)
    if len(given) != 2 or not (np.isfinite(given).all() and given[0] < given[1]):
        raise DataError(f"The scale is {given}; expected two numbers, black and then white, the first the lower.")
    return given[0], given[1]


def check_choice(channels: Sequence[str]) -> None:
    """Refuse a choice of channels that is none.

    Raises
    ------
    InputError
        Without a channel but black ones, with an empty name, or with too many.
    """
    if not channels or all(name == BLACK_CHANNEL for name in channels) or not all(name.strip() for name in channels):
        raise InputError(
            f"The channels are {', '.join(map(repr, channels)) or 'none at all'}; expected names separated by single "
            "commas, at least one of them no black channel, as in --channels dapi,gfp,none."
        )
    if len(channels) > MAX_CHANNELS:
        raise InputError(f"{len(channels)} channels were chosen; at most {MAX_CHANNELS} can be.")


def on_scale(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values from 0 to 255 as another type, rounded to whole numbers where that is uint8.

    >>> on_scale(np.array([-0.5, 12.5, 256.0], dtype=np.float32), np.dtype(np.uint8)).tolist()
    [0, 13, 255]
    """
    clipped: NDArray[Any] = values if values.dtype == np.uint8 else np.clip(values, 0, 255)
    if dtype == np.uint8 and clipped.dtype != np.uint8:
        clipped = np.floor(clipped + np.float32(0.5))
    return clipped.astype(dtype, copy=False)


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of one image.

    Attributes
    ----------
    values : ndarray of shape (height, width, n_channels)
        uint8, uint16, float32 or float64.
    names : tuple of str or None
        Names of the channels, where they have any.
    scale : (float, float) or None
        Values of floating-point samples shown as black and as white.
    """

    values: NDArray[Any]
    names: tuple[str, ...] | None = None
    scale: Scale | None = None

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.values.shape[2])

    def check_is_picture(self, image: str) -> None:
        """Refuse what cannot be shown without a choice of channels.

        Raises
        ------
        ChannelError
            For more than four channels, and for a second or fourth that is named and not called alpha.
        """
        known = self.names or usual_names(self.n_channels)
        has_alpha = known[-1].casefold() == "alpha"
        if self.n_channels in (1, 3) or (self.n_channels in (2, 4) and has_alpha):
            return
        raise ChannelError(
            image,
            f"{self.n_channels} channels ({first_few(known)}; in an array they stand last), and nobody says which of "
            f"them to show; choose with --channels, as in --channels {','.join(known[:3])}",
        )

    def chosen(self, channels: Sequence[str], image: str) -> Samples:
        """The channels asked for, in their order; ``none`` gives a black one.

        Parameters
        ----------
        channels : sequence of str
            Names, or numbers from 1.
        image : str
            Name of the image in errors.

        Raises
        ------
        ChannelError
            When the image has no such channel.
        """
        known = self.names or usual_names(self.n_channels)
        black = 0 if self.scale is None else self.scale[0]
        parts = [
            np.full(self.values.shape[:2], black, dtype=self.values.dtype)
            if name == BLACK_CHANNEL
            else self.values[..., _place(name, known, image)]
            for name in channels
        ]
        return replace(self, values=np.stack(parts, axis=2), names=tuple(channels))

    def opaque(self) -> Samples:
        """Floating-point samples as red, green and blue: grey repeated, alpha laid over white."""
        n_colours = self.n_channels - (self.n_channels in (2, 4))
        values = self.values[..., :n_colours]
        if n_colours < self.n_channels and self.scale is not None:
            low, high = self.scale
            share = np.clip((self.values[..., n_colours:] - low) / (high - low), 0, 1)
            values = share * values + (1 - share) * high
        return replace(self, values=np.repeat(values, 3, axis=2) if n_colours == 1 else values, names=None)

    def on_byte_scale(self, white_level: int, image: str) -> NDArray[Any]:
        """Values from 0, black, to 255, white: uint8 of whole numbers, float32 of floats, clipped.

        Raises
        ------
        ImageError
            For NaN and infinite samples.
        """
        if self.values.dtype == np.uint16:
            return scale_to_8_bit(self.values, white_level)
        if self.scale is None:
            return np.ascontiguousarray(self.values)
        if not np.isfinite(self.values).all():
            raise ImageError(image, "holds NaN or infinite pixels; fill them in or leave the image out")
        low, high = self.scale
        scaled = (self.values.astype(np.float64, copy=False) - low) * (255 / (high - low))
        return np.clip(scaled, 0, 255).astype(np.float32)


def _place(name: str, known: Sequence[str], image: str) -> int:
    if name in known:
        return known.index(name)
    if name.isdecimal() and len(name) < 10 and 1 <= int(name) <= len(known):
        return int(name) - 1
    raise ChannelError(image, unknown_name("channel", name, known).rstrip(".").replace("Unknown", "no", 1))


def preview(values: NDArray[Any]) -> Image.Image:
    """RGB picture of samples from 0 to 255: one channel as grey, of others the first three as red, green and blue."""
    n_channels = values.shape[2]
    shown = values[..., [0, 0, 0]] if n_channels == 1 else values[..., :3]
    shown = on_scale(shown, np.dtype(np.uint8))
    if n_channels == 2:
        shown = np.concatenate([shown, np.zeros_like(shown[..., :1])], axis=2)
    return Image.fromarray(np.ascontiguousarray(shown))
