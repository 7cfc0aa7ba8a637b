"""Judges of the windows of a stream, and their verdicts; a detector of what is not normal running is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from headstart.decisions.alarm_rate import AlarmRate
from headstart.model.detector import Detector, is_detector, load_detector
from headstart.signals.attribution import deviation_evidence
from headstart.signals.recipe import SignalRecipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.model.window_evidence import WindowQuestions


@dataclass(frozen=True, eq=False)
class Judged:
    """Judgement of some windows.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        Higher is stranger.
    probabilities : ndarray of shape (n,), or None
        Probability that the window is not normal; None of a model that knows normal running alone.
    p_values : ndarray of shape (n,), or None
        Share of normal running that scores as high; None where no scores of it are at hand.
    beyond : ndarray of shape (n,), bool
        Whether the window is beyond the threshold of an alarm.
    unlike_anything_seen : ndarray of shape (n,), bool
        Whether it scores above all of normal running.
    deviations : ndarray of shape (n, length, n_channels)
        Samples in spreads from the centre of normal running, by which channels are named.
    """

    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None
    p_values: NDArray[np.float64] | None
    beyond: NDArray[np.bool_]
    unlike_anything_seen: NDArray[np.bool_]
    deviations: NDArray[np.float64]


class Watcher(Protocol):
    """Judge of the windows of a stream."""

    @property
    def recipe(self) -> SignalRecipe:
        """How the stream is cut and standardised."""
        ...

    @property
    def identity(self) -> str:
        """Hash of the model, by which alarms and kept states know it."""
        ...

    @property
    def sizes(self) -> Sequence[float]:
        """Typical size of every channel as measured; 0 where it is not known."""
        ...

    @property
    def sentence(self) -> str:
        """One line on what raises an alarm."""
        ...

    @property
    def threshold(self) -> float:
        """Score above which an alarm is raised."""
        ...

    @property
    def score_label(self) -> str:
        """Words for the score on an axis."""
        ...

    def judge(self, windows: NDArray[np.float32], measured: NDArray[np.float64]) -> Judged:
        """Judgement of windows (n, length, n_channels), given standardised and as measured."""
        ...

    def questions(
        self,
        window: NDArray[np.float32],
        measured: NDArray[np.float64],
        deviations: NDArray[np.float64],
        *,
        answers: Sequence[float] = (),
    ) -> WindowQuestions | None:
        """What the model is asked about a window to tell the evidence; None where the squared deviation tells it.

        Parameters
        ----------
        window, measured : ndarray of shape (length, n_channels)
            As `judge` takes them.
        deviations : ndarray of shape (length, n_channels)
            As `judge` gives them.
        answers : sequence of float
            Answers that were given before.
        """
        ...


@dataclass(frozen=True, eq=False)
class DetectorWatcher:
    """Windows judged by their distance from normal running.

    Attributes
    ----------
    detector : Detector
    """

    detector: Detector

    @property
    def recipe(self) -> SignalRecipe:
        """See `Watcher.recipe`."""
        return self.detector.recipe

    @property
    def identity(self) -> str:
        """See `Watcher.identity`."""
        return self.detector.identity

    @property
    def sizes(self) -> Sequence[float]:
        """See `Watcher.sizes`."""
        return self.detector.sizes

    @property
    def sentence(self) -> str:
        """See `Watcher.sentence`."""
        return self.detector.rate.sentence

    @property
    def threshold(self) -> float:
        """See `Watcher.threshold`."""
        return self.detector.rate.threshold

    @property
    def score_label(self) -> str:
        """See `Watcher.score_label`."""
        return "distance from normal running"

    def judge(self, windows: NDArray[np.float32], measured: NDArray[np.float64]) -> Judged:
        """See `Watcher.judge`."""
        rate, scores = self.detector.rate, self.detector.scores(windows)
        return Judged(
            scores=scores,
            probabilities=None,
            p_values=rate.p_values(scores),
            beyond=beyond_threshold(rate, scores),
            unlike_anything_seen=rate.unlike_anything_seen(scores),
            deviations=(windows - self.detector.centre) / self.detector.spread,
        )

    def questions(
        self,
        window: NDArray[np.float32],
        measured: NDArray[np.float64],
        deviations: NDArray[np.float64],
        *,
        answers: Sequence[float] = (),
    ) -> None:
        """See `Watcher.questions`: the squared deviation from normal running is what it goes by."""


def model_evidence(
    watcher: Watcher, window: NDArray[np.float32], measured: NDArray[np.float64], deviations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Evidence (n_channels, length) for an anomaly in one window as the model sees it, which sums to 1.

    Parameters are as for `Watcher.questions`; all of them are asked at once.
    """
    questions = watcher.questions(window, measured, deviations)
    return deviation_evidence(deviations) if questions is None else questions.evidence()


def beyond_threshold(rate: AlarmRate, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether scores raise an alarm."""
    return np.asarray(rate.p_values(scores) <= rate.p_threshold)


def find_detector(path: Path) -> Detector | None:
    """The detector that lies in a folder; None where there is none.

    Raises
    ------
    BundleError
        When it is damaged.
    """
    return load_detector(path) if is_detector(path) else None
