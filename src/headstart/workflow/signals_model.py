"""The model of a stream opened: a detector of what is not normal, or a classifier with the rate of its alarms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.decisions.alarm_rate import AlarmRate, check_rate, fit_alarm_rate
from headstart.errors import InputError
from headstart.model.bundle import find_bundle, read_json
from headstart.model.detector import MIN_BLOCK_S
from headstart.model.watcher import DetectorWatcher, Watcher, find_detector
from headstart.signals.recipe import RECIPE_FILE
from headstart.signals.recording import NORMAL

if TYPE_CHECKING:
    from headstart.results.read import RunRecord

PREDICTIONS: Final = "predictions.csv"


def open_stream_model(path: Path, *, alarms_per_day: float | None = None) -> Watcher:
    """The model of a stream that lies in a folder.

    Parameters
    ----------
    path : Path
        What ``signals normal`` or ``signals fit`` wrote; of a classifier the bundle alone will do, but then there are
        no probabilities of normal running, so there is no p and no rate.
    alarms_per_day : float > 0, optional
        Alarms a day to keep to. Default: what the detector was learned with; of a classifier none.

    Raises
    ------
    BundleError
        When there is no such model, or it is damaged.
    InputError
        When the normal running is too short for the rate.
    """
    detector = find_detector(path)
    if detector is not None:
        if alarms_per_day is None:
            return DetectorWatcher(detector)
        rate = check_rate(replace(detector.rate, per_day=alarms_per_day))
        return DetectorWatcher(replace(detector, rate=rate))
    from headstart.model.watched_bundle import load_bundle_watcher

    return load_bundle_watcher(path, _rate_of_run(path, alarms_per_day))


def _rate_of_run(path: Path, alarms_per_day: float | None) -> AlarmRate | None:
    """Rate of alarms from the out-of-fold predictions of a run; None of a bundle alone."""
    from headstart.results.read import read_run

    recipe_file = find_bundle(path) / RECIPE_FILE
    if not recipe_file.is_file():
        return None  # refused by name where the bundle is loaded
    if not (path / PREDICTIONS).is_file():
        if alarms_per_day is not None:
            raise InputError(
                f"{path} holds a model alone, without the predictions of its run, so no rate of alarms can be kept. "
                "Give the folder of the run."
            )
        return None
    recipe = read_json(recipe_file)["recipe"]
    return _fitted_rate(read_run(path), recipe["length"] * recipe["period_s"], alarms_per_day)


def _fitted_rate(run: RunRecord, window_s: float, alarms_per_day: float | None) -> AlarmRate | None:
    if NORMAL not in run.classes:
        return None  # refused by name where the bundle is loaded
    code, table = run.classes.index(NORMAL), run.predictions
    rows = np.flatnonzero((table.labels == code) & (table.repeat == 0))
    recordings, _, offsets = zip(*(table.images[row].rpartition("@") for row in rows.tolist()), strict=True)
    return fit_alarm_rate(
        1.0 - table.probabilities[rows, code],
        np.array([float(offset.removesuffix("s")) for offset in offsets]),
        block_s=max(MIN_BLOCK_S, window_s),
        per_day=alarms_per_day,
        recordings=np.array(recordings),
    )
