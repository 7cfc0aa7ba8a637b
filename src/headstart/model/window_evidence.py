"""Evidence of a classifier of windows: what its score loses where a channel, or a stretch of it, runs as normal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from headstart.signals.attribution import MAX_NAMED, MIN_SHARE, deviation_evidence

Floats = npt.NDArray[np.float64]

N_STEPS: Final = 8
"""Steps of the cover along a channel; it is two steps long."""
_LEAST: Final = 1e-6  # no head gives a class less


@dataclass(frozen=True, eq=False)
class CoveredWindow:
    """A window, and what stands in it where it is covered.

    Attributes
    ----------
    values, measured : ndarray of shape (length, n_channels)
        As `headstart.model.watcher.Watcher.judge` takes them, of one window.
    normal : ndarray of shape (n_channels,)
        Value of every channel in normal running, standardised as the window is.
    normal_measured : ndarray of shape (n_channels,)
        The same as measured.
    """

    values: npt.NDArray[np.float32]
    measured: Floats
    normal: npt.NDArray[np.floating]
    normal_measured: npt.NDArray[np.floating]

    def covered(self, covers: list[tuple[int, slice]]) -> tuple[npt.NDArray[np.float32], Floats]:
        """The window with each cover on it, a channel and its samples; standardised and as measured."""
        values = np.repeat(self.values[None], len(covers), axis=0)
        measured = np.repeat(self.measured[None], len(covers), axis=0)
        for row, (channel, samples) in enumerate(covers):
            values[row, samples, channel] = self.normal[channel]
            measured[row, samples, channel] = self.normal_measured[channel]
        return values, measured


Scored = Callable[[npt.NDArray[np.float32], Floats], Floats]
"""From windows, standardised and as measured, to the probability of an anomaly."""


def occlusion_evidence(window: CoveredWindow, score: Scored, deviations: npt.NDArray[np.floating]) -> Floats | None:
    """Evidence of every channel at every sample, as the model sees it.

    The share of a channel is what the log-odds of an anomaly lose when it runs as normal throughout. Of the channels
    that may be named, it is spread over time by what they lose under a cover of a quarter of the window, moved by an
    eighth; where no place of a channel loses anything, and in other channels, by the squared deviation from what is
    usual.

    Parameters
    ----------
    window : CoveredWindow
    score : callable
    deviations : ndarray of shape (length, n_channels)
        In spreads from the centre of normal running.

    Returns
    -------
    ndarray of shape (n_channels, length), or None
        Sums to 1. None where no channel by itself speaks for an anomaly.

    References
    ----------
    M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    arXiv:1311.2901
    """
    length, n_channels = window.values.shape
    whole = float(_log_odds(score(window.values[None], window.measured[None]))[0])

    def losses(covers: list[tuple[int, slice]]) -> Floats:
        return np.maximum(whole - _log_odds(score(*window.covered(covers))), 0.0)

    by_channel = losses([(channel, slice(0, length)) for channel in range(n_channels)])
    if by_channel.sum() <= 0:
        return None
    found = deviation_evidence(deviations)
    steps = _steps(length)
    shares = by_channel / by_channel.sum()
    order = np.argsort(-shares, kind="stable")[:MAX_NAMED].tolist()
    named = [channel for channel in order if shares[channel] >= MIN_SHARE] or order[:1]
    lost = losses([(channel, step) for channel in named for step in steps]).reshape(len(named), len(steps))
    for channel, by_step in zip(named, lost, strict=True):
        if by_step.sum() > 0:
            found[channel] = _spread(by_step, steps, length)
    sums = found.sum(axis=1, keepdims=True)
    shapes = np.where(sums > 0, found / np.where(sums > 0, sums, 1.0), 1.0 / length)
    return np.asarray(shapes * shares[:, None])


def _log_odds(probabilities: Floats) -> Floats:
    known = np.clip(probabilities, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(known) - np.log1p(-known))


def _steps(length: int) -> list[slice]:
    """Places of the cover; those at the ends lie half outside, so that every sample is covered twice."""
    edges = np.linspace(0, length, min(N_STEPS, length) + 1).round().astype(int).tolist()
    ends = [edges[0], *edges, edges[-1]]
    return [slice(first, stop) for first, stop in zip(ends, ends[2:], strict=False)]


def _spread(by_step: Floats, steps: list[slice], length: int) -> Floats:
    """Loss of every sample: that of the covers on it, each shared out among its samples."""
    found = np.zeros(length)
    for loss, step in zip(by_step.tolist(), steps, strict=True):
        found[step] += loss / (step.stop - step.start)
    return found
