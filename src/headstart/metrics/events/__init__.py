"""Scores of events in time: what was found, how soon, how many false alarms an hour; affiliation and its chance level.

No score here adjusts points: one alarm inside a long event does not turn the whole event into found windows, by which
alarms at random look good (Kim et al., AAAI 2022, DOI 10.1609/aaai.v36i7.20680).
"""

from headstart.metrics.events.affiliation import Affiliation, affiliation, affiliation_by_chance
from headstart.metrics.events.detection import Detection, judge_alarms, pooled
from headstart.metrics.events.spans import spans_of

__all__ = [
    "Affiliation",
    "Detection",
    "affiliation",
    "affiliation_by_chance",
    "judge_alarms",
    "pooled",
    "spans_of",
]
