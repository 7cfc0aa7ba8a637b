"""Where the time of a fit goes, and what would halve it."""

import numpy as np

from headstart.data.split.make import make_split
from headstart.workflow.job.time_saving import time_words

SPLIT = make_split(np.repeat([0, 1], 50), scheme="nested:5x4")


def test_a_short_job_needs_no_advice():
    assert time_words({"features": 60.0, "heads": 50.0}, SPLIT) == ""


def test_the_largest_parts_are_named_with_what_would_halve_the_time():
    words = time_words({"features": 30.0, "heads": 60.0, "baselines": 110.0}, SPLIT)
    assert (
        words
        == "Where the time goes: baselines 55 %, heads 30 %, the network 15 %; --no-baselines would about halve it."
    )
    words = time_words({"features": 30.0, "heads": 240.0, "baselines": 30.0}, SPLIT)
    assert words == "Where the time goes: heads 80 %; --split holdout:60/20/20 would about halve it."
    words = time_words({"features": 300.0, "heads": 30.0}, SPLIT)
    assert words == "Where the time goes: the network 91 %; half the --input-size would about halve it."


def test_one_holdout_cannot_be_halved_by_another():
    holdout = make_split(np.repeat([0, 1], 50), scheme="holdout:60/20/20")
    assert time_words({"heads": 300.0}, holdout) == "Where the time goes: heads 100 %."
