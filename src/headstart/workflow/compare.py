"""`compare`: two runs on one split against each other, image by image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from headstart.errors import SplitError
from headstart.metrics import compare_paired
from headstart.results.models.evaluation import ComparisonResults, RunDifference
from headstart.results.out_of_fold import out_of_fold
from headstart.results.read import read_run
from headstart.results.writers.estimates import difference_facts, interval_facts


def compare(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    *,
    metrics: Sequence[str] | None = None,
    seed: int = 0,
) -> ComparisonResults:
    """Second run minus first, paired image by image on one split.

    Parameters
    ----------
    first, second : path
        Finished runs on the same images and the same split (``--split FIRST/split.json``).
    metrics : sequence of str, optional
        Default: all that exist for the task.
    seed : int
        Random seed of the resampling.

    Returns
    -------
    ComparisonResults
        For every score that of both, the difference (second minus first), its 95 % interval and the two-sided p value.

    Raises
    ------
    RunError
        When a folder holds no finished run.
    SplitError, InputError
        When the runs do not share images, labels and folds.
    """
    one, other = read_run(Path(first)), read_run(Path(second))
    if one.split.hash != other.split.hash:
        raise SplitError(
            f"{first} and {second} were judged on different splits, so they cannot be compared in pairs. Run one of "
            f"them again with --split {Path(first) / 'split.json'}."
        )
    found = compare_paired(out_of_fold(other), out_of_fold(one), metrics=metrics, seed=seed)
    rows = {}
    for name, difference in found.metrics.items():
        facts = difference_facts(difference)
        rows[name] = RunDifference(
            first=facts.b, second=facts.a, difference=facts.difference, ci95=facts.ci95, p=facts.p
        )
    return ComparisonResults(metrics=rows, interval=interval_facts(found.interval))
