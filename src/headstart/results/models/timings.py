"""``timings.json``: what may differ between two equal runs."""

from __future__ import annotations

from typing import ClassVar, Literal

from headstart.results.models.base import Mass, Part
from headstart.results.models.run_file import RunFile


class FeatureSeconds(Part):
    """Seconds that the cache took to read features and to store them."""

    reading: Mass
    storing: Mass


class RunTimings(RunFile):
    """Seconds of each step, speeds of the engines that were tried, machine and versions.

    Attributes
    ----------
    seconds : dict of str to float
        By the name of the step.
    images_per_second : float, or None
        Speed at which features were computed; None where all of them came from the cache.
    engine_trial_images_per_second : dict of str to dict of str to float, or None
        By source of features and engine; None, as `feature_seconds`, where the run is older than this part.
    machine, versions : dict
        The machine in a few words; versions of Python and of the packages that decide the numbers.
    """

    file_name: ClassVar[str] = "timings.json"

    format: Literal[1] = 1
    seconds: dict[str, Mass | None]
    feature_seconds: FeatureSeconds | None = None
    images_per_second: Mass | None
    engine_trial_images_per_second: dict[str, dict[str, Mass]] | None = None
    machine: dict[str, str | int | None]
    versions: dict[str, str]
