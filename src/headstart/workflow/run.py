"""A finished run: what it holds, whether it is complete, and its report written again."""

from __future__ import annotations

import functools
import os
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import BundleError, HeadstartError, RunError
from headstart.model.bundle import BUNDLE_FORMAT, check_file_list
from headstart.progress import Progress, Silent
from headstart.report import drawn_figures, write_report
from headstart.report.locale.catalogues import find_language
from headstart.results import RunResults
from headstart.results.exports import exports_of
from headstart.results.frames import candidate_frame, metric_frame, prediction_frame
from headstart.results.models.explanations import Explanations
from headstart.results.read import RunRecord
from headstart.results.read import read_run as read_record
from headstart.runtime.notebook import html_card
from headstart.study.execution import run_folder as files
from headstart.workflow.job.run_images import reopen_pictures
from headstart.workflow.options.fit import FitOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headstart.model import Model
    from headstart.report.write import ReportFormat


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run.

    Attributes
    ----------
    folder : Path
    results : RunResults
        Content of ``results.json``.
    """

    folder: Path
    results: RunResults

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        return self.results.headline.text

    @property
    def report(self) -> Path:
        """Path of the report."""
        return self.folder / files.REPORT_FILE

    def model(self) -> Model:
        """The fitted model."""
        from headstart.model import load_model

        return load_model(self.folder / files.MODEL_FOLDER)

    @functools.cached_property
    def record(self) -> RunRecord:
        """The run's files, read and checked."""
        return read_record(self.folder)

    @property
    def predictions(self) -> Any:
        """Out-of-fold predictions as a data frame; see `headstart.results.frames.prediction_frame`."""
        return prediction_frame(self.record)

    @property
    def metrics(self) -> Any:
        """Scores with their intervals as a data frame; see `headstart.results.frames.metric_frame`."""
        return metric_frame(self.results)

    @property
    def candidates(self) -> Any:
        """Every candidate of every outer fold as a data frame; see `headstart.results.frames.candidate_frame`."""
        return candidate_frame(self.record)

    @property
    def figures(self) -> dict[str, Figure]:
        """The figures of the report by name, drawn anew as matplotlib figures; names are those in ``figures/``."""
        return drawn_figures(self.record)

    def show(self) -> Path:
        """Open the report in the browser of this machine; returns its path.

        Raises
        ------
        RunError
            When the report is not there.
        """
        if not self.report.is_file():
            raise RunError(f"{self.report} is missing. `headstart report {self.folder}` writes it again.")
        webbrowser.open(self.report.resolve().as_uri())
        return self.report

    def __repr__(self) -> str:
        task = self.results.task
        return f"<Run {self.folder}: {task.n_images:,} images, {len(task.classes)} classes. {self.headline}>"

    def _repr_html_(self) -> str:
        return html_card(f"Run {self.folder}", self._facts())

    def _facts(self) -> dict[str, object]:
        """Facts by name as a notebook shows them."""
        results = self.results
        counts = ", ".join(f"{name} {count:,}" for name, count in results.task.class_counts.items())
        chosen = results.metrics[results.headline.metric]
        return {
            "result": self.headline,
            "images": f"{results.task.n_images:,} ({counts})",
            "groups": results.task.n_groups,
            results.headline.metric.replace("_", " "): chosen,
            "backbone": results.backbone.name,
            "final model": results.final_model.label,
            "warnings": len(results.warnings) or None,
            "report": self.report,
        }


def finished_results(folder: Path, options: FitOptions, progress: Progress) -> RunResults | None:
    """Results of a run that has left everything it leaves, and no unfinished work; None where something is to be done.

    A run whose ``results.json`` or model is damaged is not finished: it is gone through again, from what the cache
    holds. Of the model the manifest is checked, and that its files are there; their content is when it is loaded.

    Raises
    ------
    RunError, BundleError
        When a newer version of headstart wrote the results or the model.
    """
    last = (files.REPORT_FILE, f"{files.MODEL_FOLDER}/manifest.json")
    names = (files.RESULTS_FILE, files.SPLIT_FILE, files.TIMINGS_FILE, *last)
    if (folder / files.WORK_FOLDER).exists() or not all((folder / name).is_file() for name in names):
        return None
    explained = folder / files.EXPLANATIONS_FOLDER
    if explained.is_dir() and not (explained / Explanations.file_name).is_file():
        return None
    path = folder / files.RESULTS_FILE
    written = RunResults.format_in(path)
    try:
        results = RunResults.read(path)
    except RunError as error:
        if written is not None and written > RunResults.current_format():
            raise
        progress.note(f"{error} This is done now.")
        return None
    if written != RunResults.current_format():  # tables of an older version had other names
        return results
    try:
        check_file_list(folder / files.MODEL_FOLDER)
    except BundleError as error:
        if (RunResults.format_in(folder / last[1]) or 0) > BUNDLE_FORMAT:
            raise
        progress.note(f"{error} The model is fitted again now.")
        return None
    tables = (export.file_name for export in exports_of(baselines=options.baselines))
    return results if all((folder / name).is_file() for name in tables) else None


def rewrite_report(
    run: str | os.PathLike[str],
    *,
    images: bool = True,
    to: ReportFormat = "html",
    lang: str = "en",
    catalogues: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the report of a finished run again, with pictures where the images are still there.

    Parameters
    ----------
    run : str or path
    images : bool
        False leaves pictures and image names out.
    to : {"html", "pdf", "md"}
        Format; see `headstart.report.write_report`.
    lang : str
        Code of the report's language; see `headstart.report.locale.catalogues.find_language`.
    catalogues : str or path, optional
        Folder of catalogues of translations, looked into before the package's own.
    progress : Progress, optional

    Returns
    -------
    Path
        The report.

    Raises
    ------
    InputError
        When a PDF is asked for and no browser is installed, or there is no catalogue of the language.
    RunError
        When the folder holds no finished run.
    """
    language = find_language(lang, None if catalogues is None else Path(catalogues))
    folder = Path(run)
    stored = files.read_run(folder)
    source, allowed = stored.get("source") or {}, images and bool(stored.get("images", True))
    dataset, record = None, read_record(folder)
    progress = progress or Silent()
    if allowed:
        try:
            dataset = reopen_pictures(source.get("data"), record.split.images)
        except HeadstartError as error:
            progress.note(f"The report is written without pictures: {error}")
    return write_report(record, dataset=dataset, images=allowed, to=to, language=language, progress=progress)
