"""Alarms that a model is still asked about: a few questions with every window, so that no line waits for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from headstart.signals.attribution import ChannelEvidence, to_blame
from headstart.signals.live.grid import packed, unpacked

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from headstart.model.watcher import Watcher
    from headstart.model.window_evidence import WindowQuestions

MAX_WAITING: Final = 4
"""Most alarms that wait for their evidence; a further one keeps that of its own line."""
PER_SECOND: Final = 8
"""Questions for every second from one window to the next; each takes as long as a window."""
FEWEST: Final = 4
"""Least number of questions with a window."""


@dataclass(frozen=True, eq=False)
class AlarmWindow:
    """The window that raised an alarm.

    Attributes
    ----------
    record : dict
        The line that was written of it.
    start_s : float
    values : ndarray of shape (length, n_channels), float32
    measured, deviations : ndarray of shape (length, n_channels)
        As `headstart.model.watcher.Watcher.questions` takes them.
    """

    record: dict[str, Any]
    start_s: float
    values: npt.NDArray[np.float32]
    measured: npt.NDArray[np.float64]
    deviations: npt.NDArray[np.float64]


class AlarmQuestions:
    """Alarms in the order in which they were raised, and what the model answered about them so far.

    How much is asked with a window follows from the stream alone and never from a clock, so that the same stream gives
    the same lines in the same order.

    Parameters
    ----------
    watcher : Watcher
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._n_at_once = max(FEWEST, round(PER_SECOND * watcher.recipe.stride * watcher.recipe.period_s))
        self._waiting: deque[tuple[AlarmWindow, WindowQuestions]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, window: AlarmWindow) -> None:
        """Ask about an alarm from the next turn on; nothing where the model has no more to tell, or too many wait."""
        if len(self._waiting) < MAX_WAITING:
            self._put(window)

    def ask(self) -> list[tuple[AlarmWindow, list[ChannelEvidence]]]:
        """The turn of one window: an alarm whose last question is answered now, with its channels to blame."""
        if not self._waiting:
            return []
        questions = self._waiting[0][1]
        questions.ask(self._n_at_once)
        return [self._taken()] if questions.is_answered else []

    def ask_all(self) -> list[tuple[AlarmWindow, list[ChannelEvidence]]]:
        """All alarms that wait, whatever it costs: the stream has ended."""
        return [self._taken() for _ in range(len(self._waiting))]

    def state(self) -> list[dict[str, Any]]:
        """Plain values by which new ones go on."""
        return [
            {
                "record": window.record,
                "start_s": window.start_s,
                "arrays": [packed(one) for one in (window.values.astype(float), window.measured, window.deviations)],
                "answers": questions.answers,
            }
            for window, questions in self._waiting
        ]

    def restore(self, state: Sequence[dict[str, Any]]) -> None:
        """Go on from `state`; KeyError, TypeError or ValueError for something else."""
        shape = (self._watcher.recipe.length, len(self._watcher.recipe.channels))
        for one in state:
            values, measured, deviations = (unpacked(array, shape) for array in one["arrays"])
            window = AlarmWindow(
                dict(one["record"]), float(one["start_s"]), values.astype("float32"), measured, deviations
            )
            self._put(window, [float(answer) for answer in one["answers"]])

    def _put(self, window: AlarmWindow, answers: Sequence[float] = ()) -> None:
        questions = self._watcher.questions(window.values, window.measured, window.deviations, answers=answers)
        if questions is not None:
            self._waiting.append((window, questions))

    def _taken(self) -> tuple[AlarmWindow, list[ChannelEvidence]]:
        window, questions = self._waiting.popleft()
        return window, to_blame(questions.evidence(), self._watcher.recipe.channels)
