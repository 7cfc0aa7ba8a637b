"""Evidence for a class carried back to channel and time: from a heatmap over a window to a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError

Floats = npt.NDArray[np.float64]

STRETCH: Final = 0.8
"""Part of a channel's evidence that the stretch of time named with it holds, as short as it can be."""

MAX_NAMED: Final = 3
MIN_SHARE: Final = 0.1
"""Most channels that are named, and the least share of the evidence that one of them has."""


@dataclass(frozen=True)
class ChannelEvidence:
    """Evidence that one channel gives.

    Attributes
    ----------
    channel : str
    share : float
        Its share of the evidence of the window.
    first, last : int
        Samples of the window between which `STRETCH` of it lies.
    """

    channel: str
    share: float
    first: int
    last: int


def evidence_by_sample(heatmap: npt.NDArray[np.floating], n_channels: int, length: int) -> Floats:
    """Evidence of every channel at every sample, from a heatmap in which channels are bands of rows, in their order.

    Pixels that two channels or samples share are divided between them by area, so that the sum is that of the heatmap.

    Parameters
    ----------
    heatmap : ndarray of shape (height, width)
        Evidence by pixel of the picture; what is below 0 speaks against the class and counts as none.
    n_channels, length : int

    Returns
    -------
    ndarray of shape (n_channels, length)
        Sums to 1; all 0 where the heatmap holds no evidence.

    Examples
    --------
    >>> evidence_by_sample(np.array([[0.0, 3.0], [1.0, 0.0]]), 2, 2).tolist()
    [[0.0, 0.75], [0.25, 0.0]]
    """
    values = np.asarray(heatmap, dtype=np.float64)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise InputError(f"A heatmap is a table of finite numbers, not of shape {values.shape}.")
    evidence = np.maximum(values, 0.0)
    found = _shares(n_channels, len(evidence)) @ evidence @ _shares(length, evidence.shape[1]).T
    total = found.sum()
    return np.asarray(found / total if total > 0 else found)


def by_channel(evidence: Floats, channels: Sequence[str]) -> list[ChannelEvidence]:
    """Channels by their share of the evidence, the largest first; those without any are left out.

    Parameters
    ----------
    evidence : ndarray of shape (n_channels, length)
        As `evidence_by_sample` gives it.
    channels : sequence of str
    """
    shares = evidence.sum(axis=1)
    order = np.argsort(-shares, kind="stable")
    return [
        ChannelEvidence(channels[place], float(shares[place]), *_shortest_stretch(evidence[place]))
        for place in order.tolist()
        if shares[place] > 0
    ]


def to_blame(evidence: Floats, channels: Sequence[str]) -> list[ChannelEvidence]:
    """The few channels that give most of the evidence, the largest share first.

    Parameters
    ----------
    evidence : ndarray of shape (n_channels, length)
        As `evidence_by_sample` or `deviation_evidence` gives it.
    channels : sequence of str

    Returns
    -------
    list of ChannelEvidence
        At most `MAX_NAMED`, with a share of `MIN_SHARE` at least; the first one always.
    """
    found = by_channel(evidence, channels)
    return [one for one in found[:MAX_NAMED] if one.share >= MIN_SHARE] or found[:1]


def sentence(one: ChannelEvidence, time_text: Callable[[int], str]) -> str:
    """Channel, time and share as a person reads them.

    Parameters
    ----------
    one : ChannelEvidence
    time_text : callable
        From a sample of the window to its time.

    Examples
    --------
    >>> sentence(ChannelEvidence("Pressure", 0.71, 10, 55), lambda sample: f"10:42:{sample:02d}")
    'Pressure, 10:42:10 to 10:42:55, 71 % of the evidence'
    """
    return f"{one.channel}, {time_text(one.first)} to {time_text(one.last)}, {100 * one.share:.0f} % of the evidence"


def deviation_evidence(window: npt.NDArray[np.floating]) -> Floats:
    """Evidence of every channel at every sample by its squared deviation from what is usual: no network is asked.

    Parameters
    ----------
    window : ndarray of shape (length, n_channels)
        Standardised: in spreads from the centre of normal running.

    Returns
    -------
    ndarray of shape (n_channels, length)
        Sums to 1.
    """
    squares = np.asarray(window, dtype=np.float64).T ** 2
    total = squares.sum()
    return np.asarray(squares / total if total > 0 else squares)


def _shares(n_parts: int, n_pixels: int) -> Floats:
    """Part of every pixel that lies in each of equal parts of the picture, shape (n_parts, n_pixels)."""
    edges, pixels = np.arange(n_parts + 1) * (n_pixels / n_parts), np.arange(n_pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    return np.asarray(np.maximum(high - np.maximum(edges[:-1, None], pixels), 0.0))


def _shortest_stretch(evidence: Floats) -> tuple[int, int]:
    """First and last sample of the shortest stretch that holds `STRETCH` of the evidence; of several the first."""
    sums = np.concatenate([[0.0], np.cumsum(evidence)])
    wanted = STRETCH * sums[-1] * (1 - 1e-12)
    lasts = np.searchsorted(sums, sums[:-1] + wanted, side="left")  # first edge by which enough is there
    firsts = np.flatnonzero(lasts < len(sums))
    lengths = lasts[firsts] - firsts
    best = int(lengths.argmin())
    return int(firsts[best]), int(lasts[firsts[best]]) - 1
