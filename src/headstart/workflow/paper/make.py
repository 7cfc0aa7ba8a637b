"""`paper`: the three applications run one after the other, the document beside them, and the page drawn from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headstart.backbones.registry import find_entry
from headstart.backbones.weights.locate import find_weights
from headstart.progress import Progress, Silent
from headstart.report.paper import PAGE, write_paper_page
from headstart.results.models.paper import NotRun, PaperResults, PaperRun
from headstart.results.writers.paper import paper_run
from headstart.storage import canonical_json, parsed_json
from headstart.study.execution import run_folder as files
from headstart.version import __version__
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.paper.data import PaperData
from headstart.workflow.paper.material import pictures, simulate
from headstart.workflow.paper.plan import PaperPlan
from headstart.workflow.paper.published import DOI, OPEN_POINTS, TITLE, published_tables
from headstart.workflow.paper.runs import PlannedRun, planned_runs
from headstart.workflow.preflight import check_outside

OF_MACHINE: Final = ("device", "threads", "offline", "cache", "cache_limit")
"""Options of a fit that change where work runs, and no result."""


@dataclass(frozen=True)
class Paper:
    """The paper beside what came out here.

    Attributes
    ----------
    folder : Path
    results : PaperResults
        Content of ``paper.json``.
    """

    folder: Path
    results: PaperResults

    @property
    def page(self) -> Path:
        """Path of the page."""
        return self.folder / PAGE


def paper(
    output: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    full: bool = False,
    options: FitOptions | None = None,
    plan: PaperPlan | None = None,
    progress: Progress | None = None,
) -> Paper:
    """Run the applications of the paper on what is at hand, and set their scores beside the published ones.

    A simulated storage ring and a simulated assay of cells are written, fitted with the network that a package ships,
    and judged as by `headstart.fit`; PH2 and SKAB too, where `data` holds them. Called again with the same arguments
    after an interruption it keeps the runs that are finished, with the same results. All scores are of other data than
    the paper's.

    Parameters
    ----------
    output : path
        Folder to write, or to go on with: ``paper.html``, ``paper.json``, ``runs/``, the simulated data.
    data : path, optional
        Folder that holds ``ph2/``, ``skab/valve1/``, or both. Without it they are not run, and the page says so.
    full : bool
        Run the paper's networks (VGG-19, ResNet-50, Xception, DenseNet-121) and its grid of 324 heads, too, as far as
        their weights are on this machine. That takes hours; nothing is downloaded for it.
    options : FitOptions, optional
        Device, threads, cache and whether the network may be touched; its other options are not looked at.
    plan : PaperPlan, optional
        Sizes and options of the runs; ``paper.json`` records them.
    progress : Progress, optional

    Returns
    -------
    Paper

    Raises
    ------
    DataError, InputError, WeightsError
        When `data` holds neither, or cannot be read, or the shipped weights are missing; nothing is written then.
    RunError
        When `output` holds something else.
    StorageError
        When the disk refuses.

    References
    ----------
    A. Brodzicki, M. Piekarski, D. Kucharski, J. Jaworek-Korjakowska, M. Gorgon, 2020. DOI 10.2478/fcds-2020-0010

    Examples
    --------
    >>> import headstart
    >>> made = headstart.paper("paper/", data="real/")  # doctest: +SKIP
    """
    shown, machine = progress or Silent(), options or FitOptions()
    root = Path(output)
    asked = (plan or PaperPlan()).on({name: getattr(machine, name) for name in OF_MACHINE})
    files.check_output_folder(root)
    files.check_same_run(root, _identity(asked))
    if data is not None:
        check_outside(data, root)
    real = PaperData.of(data)
    for name in {fit.backbone for fit in (asked.lesions, asked.signals, asked.cells) if fit.weights is None} - {None}:
        find_weights(find_entry(str(name)), offline=machine.offline, progress=shown)
    with files.claimed(root, _identity(asked), {}):
        planned = [*planned_runs(asked, real, root, full=full)]
        simulate(root, asked, shown)
        runs = _made(root, [one for one in planned if isinstance(one, PlannedRun)], shown)
        results = PaperResults(
            headstart=__version__,
            title=TITLE,
            doi=DOI,
            full=full,
            sizes=asked.sizes(),
            tables=published_tables(),
            runs=tuple(runs),
            not_run=tuple(one for one in planned if isinstance(one, NotRun)),
            pictures=tuple(pictures(root, asked, real.ph2, runs, shown)),
            open_points=OPEN_POINTS,
        )
        results.write(root / PaperResults.file_name)
        write_paper_page(root, results)
    return Paper(root, results)


def _identity(plan: PaperPlan) -> dict[str, Any]:
    """What must be the same for work to go on: the version and the sizes. Data and networks may be added later."""
    identity = {"headstart": __version__, "paper": plan.sizes().to_json()}
    return dict(parsed_json(canonical_json(identity)))


def _made(root: Path, planned: list[PlannedRun], progress: Progress) -> list[PaperRun]:
    """The runs one after the other; of those to come it is said what they take."""
    progress.expect({_stage(one): [one.seconds] for one in planned})
    found = []
    for number, one in enumerate(planned, 1):
        progress.note(f"Run {number} of {len(planned)}: {one.data}.")
        progress.expect({_stage(one): []})  # the fit says it better
        with progress.stage(_stage(one)):
            run = one.made(root, progress)
        found.append(
            paper_run(
                run.results,
                name=one.name,
                application=one.application,
                data=one.data,
                folder=one.folder,
                command=one.command,
            )
        )
    return found


def _stage(one: PlannedRun) -> str:
    return f"run {one.name}"
