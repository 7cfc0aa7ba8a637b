"""Evidence of a classifier of windows: what its score loses where a channel, or a stretch of it, runs as normal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from headstart.signals.attribution import MAX_NAMED, MIN_SHARE, deviation_evidence

Floats = npt.NDArray[np.float64]
Cover = tuple[int, slice]
"""A channel, and the samples of it that run as normal."""

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

    def covered(self, covers: Sequence[Cover]) -> tuple[npt.NDArray[np.float32], Floats]:
        """The window with each cover on it; standardised and as measured."""
        values = np.repeat(self.values[None], len(covers), axis=0)
        measured = np.repeat(self.measured[None], len(covers), axis=0)
        for row, (channel, samples) in enumerate(covers):
            values[row, samples, channel] = self.normal[channel]
            measured[row, samples, channel] = self.normal_measured[channel]
        return values, measured


Scored = Callable[[npt.NDArray[np.float32], Floats], Floats]
"""From windows, standardised and as measured, to the probability of an anomaly."""


class WindowQuestions:
    """What a model is asked about one window, some at a time, and the evidence that its answers come to.

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
    answers : sequence of float
        Log-odds that were asked for before, in the order in which they are asked for.

    References
    ----------
    M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    arXiv:1311.2901
    """

    def __init__(
        self,
        window: CoveredWindow,
        score: Scored,
        deviations: npt.NDArray[np.floating],
        *,
        answers: Sequence[float] = (),
    ) -> None:
        self._window, self._score, self._deviations = window, score, deviations
        length, n_channels = window.values.shape
        self._steps = _steps(length)
        self._whole: list[Cover] = [(0, slice(0, 0)), *((channel, slice(0, length)) for channel in range(n_channels))]
        self.answers = list(answers)

    @property
    def is_answered(self) -> bool:
        """Whether there is nothing left to ask."""
        return not self._open()

    def ask(self, n_most: int) -> None:
        """Ask at most `n_most` of the questions that are open, which are as many windows for the model."""
        if asked := self._open()[:n_most]:
            self.answers += _log_odds(self._score(*self._window.covered(asked))).tolist()

    def evidence(self) -> Floats:
        """Evidence of every channel at every sample, as the model sees it; what is open is asked.

        Returns
        -------
        ndarray of shape (n_channels, length)
            Sums to 1. By the squared deviation where no channel by itself speaks for an anomaly.
        """
        while not self.is_answered:
            self.ask(len(self._open()))
        shares = self._shares()
        found = deviation_evidence(self._deviations)
        if shares is None:
            return found
        named = _named(shares)
        lost = self._losses(slice(len(self._whole), None)).reshape(len(named), len(self._steps))
        for channel, by_step in zip(named, lost, strict=True):
            if by_step.sum() > 0:
                found[channel] = _spread(by_step, self._steps, found.shape[1])
        sums = found.sum(axis=1, keepdims=True)
        shapes = np.where(sums > 0, found / np.where(sums > 0, sums, 1.0), 1.0 / found.shape[1])
        return np.asarray(shapes * shares[:, None])

    def _open(self) -> list[Cover]:
        """Questions not asked so far: of whole channels first, for they tell which ones are looked at more closely."""
        n_asked, n_whole = len(self.answers), len(self._whole)
        if n_asked < n_whole:
            return self._whole[n_asked:]
        shares = self._shares()
        named = [] if shares is None else _named(shares)
        return [(channel, step) for channel in named for step in self._steps][n_asked - n_whole :]

    def _shares(self) -> Floats | None:
        """Share of every channel; None where none by itself speaks for an anomaly."""
        lost = self._losses(slice(1, len(self._whole)))
        return None if lost.sum() <= 0 else np.asarray(lost / lost.sum())

    def _losses(self, places: slice) -> Floats:
        """What the log-odds lose under some of the covers."""
        return np.maximum(self.answers[0] - np.array(self.answers[places]), 0.0)


def _named(shares: Floats) -> list[int]:
    """Channels that may be named."""
    order = np.argsort(-shares, kind="stable")[:MAX_NAMED].tolist()
    return [channel for channel in order if shares[channel] >= MIN_SHARE] or order[:1]


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
