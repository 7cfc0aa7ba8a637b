"""The files of a finished run, read and checked before anything is drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headstart.errors import RunError
from headstart.results.damage import damaged
from headstart.results.models.run_results import RunResults
from headstart.results.models.split import RunSplit
from headstart.results.models.timings import RunTimings
from headstart.results.prediction_table import PredictionTable, read_predictions


@dataclass(frozen=True)
class RunRecord:
    """A run as it lies on disk.

    Attributes
    ----------
    folder : Path
    results : RunResults
        ``results.json``, typed and brought up to date.
    predictions : PredictionTable
    split : RunSplit
        ``split.json``.
    timings : RunTimings
        ``timings.json``.
    """

    folder: Path
    results: RunResults
    predictions: PredictionTable
    split: RunSplit
    timings: RunTimings

    @property
    def n_judged(self) -> int:
        """Number of images that were judged; fewer than the data set holds after a holdout split."""
        return len(set(self.predictions.images))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in their order."""
        return tuple(self.results.task.classes)

    @property
    def positive(self) -> int | None:
        """Code of the positive class of a two-class task, else None."""
        name = self.results.task.positive
        return None if name is None else self.classes.index(name)


def read_run(run: Path) -> RunRecord:
    """Read ``results.json``, ``predictions.csv``, ``split.json`` and ``timings.json`` of a run.

    Raises
    ------
    RunError
        When the folder is no run, or a file is missing, damaged, from a newer version or of another run;
        the message names the file and the remedy.
    """
    if not run.is_dir():
        raise RunError(f"{run} is not a folder. Give the folder that `headstart fit DATA -o RUN` wrote.")
    results = RunResults.read(run / RunResults.file_name)
    split = RunSplit.read(run / RunSplit.file_name)
    if split.hash != results.protocol.split_hash:
        damaged(run / RunSplit.file_name, "its hash is not the one results.json names, so it belongs to another run")
    timings = RunTimings.read(run / RunTimings.file_name)
    predictions = read_predictions(run / "predictions.csv", results.task.classes, split)
    return RunRecord(run, results, predictions, split, timings)
