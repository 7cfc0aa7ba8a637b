"""Pictures of frequencies over time: spectrogram and scalogram, a tile a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import InputError
from headstart.signals.imaging import register_imaging
from headstart.signals.pictures import TILE, as_colours, mosaic, shares_to_levels, shortened

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_SCALES: Final = 24
_DECADES: Final = 5.0
"""Powers of ten of energy between black and white."""
_LEAST: Final = 1e-3
"""Energy shown as black, of standardised values."""


@register_imaging("spectrogram", "energy by frequency and time, a tile a channel")
def spectrogram(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    """Spectrograms by Hann windows of a quarter of the window that overlap by three quarters; low frequencies below."""
    rows = windows.transpose(0, 2, 1)
    length = rows.shape[2]
    width = min(length, max(8, length // 4))
    step = max(1, width // 4)
    pieces = np.lib.stride_tricks.sliding_window_view(rows, width, axis=2)[:, :, ::step]
    taper = np.hanning(width + 1)[:-1].astype(np.float32)
    energy = np.square(np.abs(np.fft.rfft(pieces * taper, axis=3))) / np.square(taper).sum()
    return _tiles(energy.transpose(0, 1, 3, 2)[:, :, ::-1])


@register_imaging("scalogram", "energy by scale and time (Morlet wavelets; needs PyWavelets), a tile a channel")
def scalogram(windows: NDArray[np.float32], period_s: float) -> NDArray[np.uint8]:
    """Scalograms by Morlet wavelets of 24 scales from two samples to a quarter of the window; long scales below.

    Raises
    ------
    InputError
        Without PyWavelets.
    """
    try:
        import pywt
    except ImportError as error:
        raise InputError('Scalograms need PyWavelets. Install it: pip install "headstart[signals]".') from error
    rows = shortened(windows.transpose(0, 2, 1), 4 * TILE)
    scales = np.geomspace(2, max(4.0, rows.shape[2] / 4), N_SCALES)
    coefficients, _ = pywt.cwt(rows, scales, "morl", axis=2)  # (scales, n, channels, samples)
    energy = np.square(coefficients).transpose(1, 2, 0, 3)
    return _tiles(shortened(energy))


def _tiles(energy: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Energies (n, channels, rows, columns) as one picture, on a logarithmic scale."""
    shares = np.log10(np.maximum(energy, _LEAST) / _LEAST) / _DECADES
    return as_colours(mosaic(shares_to_levels(shares)[..., None])[..., 0])
