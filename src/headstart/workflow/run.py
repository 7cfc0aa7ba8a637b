"""A finished run: what it holds, whether it is complete, and its report written again."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import HeadstartError, RunError
from headstart.model import Model, load_model
from headstart.progress import Progress, Silent
from headstart.report import write_report
from headstart.results.labels import DOUBTFUL_FILE
from headstart.results.read import read_run as read_record
from headstart.study.candidates_table import CANDIDATES_FILE
from headstart.study.execution import run_folder as files
from headstart.workflow.audit import reopen_pictures
from headstart.workflow.baselines import BASELINES_FILE
from headstart.workflow.options.fit import FitOptions


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder : Path
    results : dict
        Content of ``results.json``.
    """

    folder: Path
    results: dict[str, Any]

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        return str(self.results["headline"]["text"])

    @property
    def report(self) -> Path:
        """Path of the report."""
        return self.folder / files.REPORT_FILE

    def model(self) -> Model:
        """The fitted model."""
        return load_model(self.folder / files.MODEL_FOLDER)


def is_complete(folder: Path, options: FitOptions) -> bool:
    """Whether a run has left everything it leaves, and no unfinished work."""
    names = (
        files.RESULTS_FILE,
        files.PREDICTIONS_FILE,
        DOUBTFUL_FILE,
        CANDIDATES_FILE,
        files.SPLIT_FILE,
        files.TIMINGS_FILE,
    )
    last = (files.REPORT_FILE, f"{files.MODEL_FOLDER}/manifest.json")
    of_rivals = (BASELINES_FILE,) if options.baselines else ()
    there = all((folder / name).is_file() for name in (*names, *of_rivals, *last))
    return there and not (folder / files.WORK_FOLDER).exists()


def read_results(folder: Path) -> dict[str, Any]:
    """Content of ``results.json`` of a finished run.

    Raises
    ------
    RunError
        When the file is damaged.
    """
    path = folder / files.RESULTS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged. Remove the folder and run `headstart fit` again.") from error
    return dict(content)


def rewrite_report(run: str | os.PathLike[str], *, images: bool = True, progress: Progress | None = None) -> Path:
    """Write the report of a finished run again, with pictures where the images are still there.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    RunError
        When the folder holds no finished run.
    """
    folder = Path(run)
    stored = files.read_run(folder)
    source, allowed = stored.get("source") or {}, images and bool(stored.get("images", True))
    dataset = None
    progress = progress or Silent()
    if allowed:
        try:
            dataset = reopen_pictures(source.get("data"), read_record(folder).split["images"])
        except HeadstartError as error:
            progress.note(f"The report is written without pictures: {error}")
    return write_report(folder, dataset=dataset, images=allowed, progress=progress)
