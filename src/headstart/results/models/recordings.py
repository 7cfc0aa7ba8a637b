"""``recordings.json``: windows, events and alarms of every recording that a run judged."""

from __future__ import annotations

from typing import ClassVar, Literal

from headstart.results.models.base import Count, Mass, Part, Share
from headstart.results.models.run_file import RunFile

Spans = tuple[tuple[float, float], ...]


class EventFacts(Part):
    """Events found and alarms raised; None for what is not defined.

    Attributes
    ----------
    n_events, n_found : int
    median_delay_s : float
        From the start of an event to its alarm, over the events that were found.
    n_alarms, n_false : int
    normal_hours : float
    normal_hours_in_alarm : float
        Of these, those in which an alarm was on: one alarm that never ends is one false alarm at most.
    false_per_hour : float
    false_per_hour_ci95 : (float, float)
    """

    n_events: Count
    n_found: Count
    median_delay_s: Mass | None
    n_alarms: Count
    n_false: Count
    normal_hours: Mass
    normal_hours_in_alarm: Mass
    false_per_hour: Mass | None
    false_per_hour_ci95: tuple[float, float] | None

    @property
    def words(self) -> str:
        """What was found, how often it was a false alarm, and how long alarms were on for nothing."""
        delay = "" if self.median_delay_s is None else f", half of them within {self.median_delay_s:.0f} s"
        rate = "" if self.false_per_hour is None else f", {self.false_per_hour:.2f} an hour"
        ends = self.false_per_hour_ci95
        between = "" if ends is None else f" (95 % {ends[0]:.2f} to {ends[1]:.2f})"
        return (
            f"Events found: {self.n_found:,} of {self.n_events:,}{delay}. False alarms: {self.n_false:,} in "
            f"{self.normal_hours:.1f} hours of normal running{rate}{between}.{self._on}"
        )

    @property
    def _on(self) -> str:
        if not self.normal_hours:
            return ""
        return f" An alarm was on in {100 * self.normal_hours_in_alarm / self.normal_hours:.0f} % of normal running."


class AffiliationFacts(Part):
    """Affiliation of alarms with events, and that of the same alarms at other times."""

    precision: Share | None
    recall: Share | None
    precision_by_chance: Share | None
    recall_by_chance: Share | None


class AlarmFacts(Part):
    """Windows and alarms judged by labels.

    Attributes
    ----------
    confusion : ((int, int), (int, int))
        Windows: rows normal and anomaly by label, columns predicted normal and not.
    roc_auc : float
        None where there are windows of one kind alone.
    events : EventFacts
    affiliation : AffiliationFacts
    """

    confusion: tuple[tuple[Count, Count], tuple[Count, Count]]
    roc_auc: Share | None
    events: EventFacts
    affiliation: AffiliationFacts


class RecordingFacts(AlarmFacts):
    """One recording, with the course of its scores.

    Attributes
    ----------
    name : str
    time_s : tuple of float
        End of every window, in seconds from the recording's start.
    score : tuple of float
        Probability that the window is not normal, by a model that did not see the recording.
    event_s, alarm_s : tuple of (float, float)
        Starts and ends of events and of alarms.
    """

    name: str
    time_s: tuple[Mass, ...]
    score: tuple[Share, ...]
    event_s: Spans
    alarm_s: Spans


class RecordingsJudged(RunFile):
    """Content of ``recordings.json``: all recordings together, and each."""

    file_name: ClassVar[str] = "recordings.json"
    command: ClassVar[str] = "headstart signals fit DATA"

    format: Literal[1] = 1
    window_s: Mass
    pooled: AlarmFacts
    recordings: tuple[RecordingFacts, ...]
