"""The runs of the three applications: what each reads, how it is fitted, and the command that does the same alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from headstart.backbones.registry import find_entry
from headstart.backbones.weights.locate import find_local
from headstart.errors import WeightsError, plural
from headstart.progress import Progress
from headstart.results.models.paper import Application, NotRun
from headstart.study.search.builtin import PAPER_BACKBONES
from headstart.workflow.cells import fit_cells
from headstart.workflow.lesions import as_published, fit_lesions
from headstart.workflow.options.cells import CellCropOptions
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.signals import SignalOptions
from headstart.workflow.paper.data import GRADES, PH2, SKAB, PaperData, lesion_options
from headstart.workflow.paper.material import ASSAY, RING
from headstart.workflow.paper.plan import PaperPlan
from headstart.workflow.run import Run, finished_results
from headstart.workflow.signals import fit_signals

RUNS: Final = "runs"
PH2_DATA: Final = "PH2, dermoscopic images of common nevi, atypical nevi and melanomas; another question than thickness"
SKAB_DATA: Final = "SKAB valve1, recordings of a water circuit with a pump"
PUBLISHED_NETWORK: Final = "vgg19"
_WITH_DATA: Final = "headstart paper -o DIR --data FOLDER"
_LESIONS_ALONE: Final = f"headstart lesions fit FOLDER/{PH2} --classes {','.join(GRADES)}"

_Fit = Callable[[Path, Progress], Run]


@dataclass(frozen=True)
class PlannedRun:
    """A run to make, or to go on with.

    Attributes
    ----------
    name : str
        Of its folder below ``runs``.
    application : {"lesions", "signals", "cells"}
    data, command : str
        In words, and as one would ask for it alone.
    seconds : float
        About what it takes on two cores with nothing cached.
    options : FitOptions
    fit : callable
        Makes it in a folder.
    is_simulated : bool
        Whether its data depend on nothing but the plan, so that a finished run need not look at them again.
    """

    name: str
    application: Application
    data: str
    command: str
    seconds: float
    options: FitOptions
    fit: _Fit
    is_simulated: bool = False

    @property
    def folder(self) -> str:
        """Folder of the run relative to that of the paper."""
        return f"{RUNS}/{self.name}"

    def made(self, root: Path, progress: Progress) -> Run:
        """The run, where it is finished already as it is."""
        folder = root / self.folder
        kept = finished_results(folder, self.options, progress) if self.is_simulated else None
        return self.fit(folder, progress) if kept is None else Run(folder, kept)


def planned_runs(plan: PaperPlan, data: PaperData, root: Path, *, full: bool) -> Iterator[PlannedRun | NotRun]:
    """Every run of the plan, in the order of the paper, and what cannot be run for want of data or weights.

    Parameters
    ----------
    plan : PaperPlan
    data : PaperData
    root : Path
        The folder that all is written into.
    full : bool
        Whether the paper's networks and grid are run, too.
    """
    yield _lesions(plan, data)
    yield _ring(plan, root)
    yield _skab(plan, data)
    yield _cells(plan, root)
    if full:
        yield _published_lesions(plan, data)
        yield _published_ring(plan, root)
        yield from _published_cells(plan, root)


def _lesions(plan: PaperPlan, data: PaperData) -> PlannedRun | NotRun:
    if data.ph2 is None:
        return NotRun(
            application="lesions",
            data=PH2_DATA,
            reason="No dermoscopic image comes with headstart: their terms forbid it. PH2 is asked for at its authors.",
            command=_WITH_DATA,
        )
    return _of_ph2("ph2", data.ph2, plan.lesions, PH2_DATA, f"{_LESIONS_ALONE} -o runs/ph2", seconds=150)


def _of_ph2(name: str, ph2: Path, options: FitOptions, data: str, command: str, *, seconds: float) -> PlannedRun:
    def make(folder: Path, progress: Progress) -> Run:
        return fit_lesions(ph2, folder, lesion_options(ph2), options, progress=progress)

    return PlannedRun(name, "lesions", data, command, seconds, options, make)


def _ring(plan: PaperPlan, root: Path) -> PlannedRun:
    return _of_ring("ring", plan, root, plan.signals, _ring_words(plan), seconds=240)


def _of_ring(name: str, plan: PaperPlan, root: Path, options: FitOptions, data: str, *, seconds: float) -> PlannedRun:
    cut = f"{_cut_in_words(plan.ring_windows)} {_fit_in_words(options)}"
    command = f"headstart signals fit DIR/{RING} {cut} -o runs/{name}"
    make = partial(_fit_recordings, root / RING, plan.ring_windows, options)
    return PlannedRun(name, "signals", data, command, seconds, options, make, is_simulated=True)


def _skab(plan: PaperPlan, data: PaperData) -> PlannedRun | NotRun:
    if data.skab is None:
        return NotRun(
            application="signals",
            data=SKAB_DATA,
            reason=f"No folder with {SKAB}/ was named (--data); SKAB is at github.com/waico/SKAB.",
            command=_WITH_DATA,
        )
    make = partial(_fit_recordings, data.skab, plan.skab_windows, plan.signals)
    cut = f"{_cut_in_words(plan.skab_windows)} {_fit_in_words(plan.signals)}"
    command = f"headstart signals fit FOLDER/{SKAB} {cut} -o runs/skab"
    return PlannedRun("skab", "signals", SKAB_DATA, command, 200, plan.signals, make)


def _fit_recordings(
    recordings: Path, windows: SignalOptions, options: FitOptions, folder: Path, progress: Progress
) -> Run:
    return fit_signals(recordings, folder, windows, options, progress=progress)


def _cells(plan: PaperPlan, root: Path) -> PlannedRun:
    return _of_assay("cells", plan, root, plan.cells, seconds=300)


def _of_assay(name: str, plan: PaperPlan, root: Path, options: FitOptions, *, seconds: float) -> PlannedRun:
    folder, classes = root / ASSAY / "micrographs", root / ASSAY / "cells.csv"
    command = (
        f"headstart cells fit DIR/{ASSAY}/micrographs --classes DIR/{ASSAY}/cells.csv {_fit_in_words(options)} "
        f"-o runs/{name}"
    )

    def make(run: Path, progress: Progress) -> Run:
        return fit_cells(folder, run, CellCropOptions(classes=str(classes)), options, progress=progress)

    data = f"simulated assay, cells of {plural(plan.micrographs, 'micrograph')}"
    return PlannedRun(name, "cells", data, command, seconds, options, make, is_simulated=True)


# As published: the paper's networks and its grid of heads -------------------------------------------------------------


def _published_lesions(plan: PaperPlan, data: PaperData) -> PlannedRun | NotRun:
    command = f"{_LESIONS_ALONE} --preset paper --search halving -o runs/ph2_published"
    words = f"{PH2_DATA}; VGG-19 and the paper's grid"
    lacking = _lacking([PUBLISHED_NETWORK])
    if data.ph2 is None or lacking:
        reason = " ".join([*([] if data.ph2 else ["No folder with PH2 was named (--data)."]), *_lack_words(lacking)])
        return NotRun(application="lesions", data=words, reason=reason, command=_fetch(lacking) or _WITH_DATA)
    options = as_published(replace(plan.lesions, backbone=None, search="halving"))
    return _of_ph2("ph2_published", data.ph2, options, words, command, seconds=1800)


def _published_ring(plan: PaperPlan, root: Path) -> PlannedRun | NotRun:
    words = f"{_ring_words(plan)}; VGG-19 and the paper's grid"
    lacking = _lacking([PUBLISHED_NETWORK])
    if lacking:
        reason = " ".join(_lack_words(lacking))
        return NotRun(application="signals", data=words, reason=reason, command=_fetch(lacking))
    options = _with_published_grid(plan.signals, [PUBLISHED_NETWORK])
    return _of_ring("ring_published", plan, root, options, words, seconds=2400)


def _published_cells(plan: PaperPlan, root: Path) -> Iterator[PlannedRun | NotRun]:
    lacking = _lacking(PAPER_BACKBONES)
    there = [name for name in PAPER_BACKBONES if name not in lacking]
    if lacking:
        words = f"simulated assay; {', '.join(lacking)} and the paper's grid"
        reason = " ".join(_lack_words(lacking))
        yield NotRun(application="cells", data=words, reason=reason, command=_fetch(lacking))
    if there:
        options = _with_published_grid(plan.cells, there)
        yield _of_assay("cells_published", plan, root, options, seconds=600 * len(there))


def _with_published_grid(options: FitOptions, networks: Sequence[str]) -> FitOptions:
    return replace(options, backbone=",".join(networks), grid="paper", search="halving", features=None, study=None)


def _lacking(networks: Sequence[str]) -> list[str]:
    """Networks whose weights are not on this machine."""
    return [name for name in networks if not _is_there(name)]


def _is_there(network: str) -> bool:
    try:
        return find_local(find_entry(network)) is not None
    except WeightsError:  # carried here, and damaged
        return False


def _lack_words(lacking: Sequence[str]) -> list[str]:
    return [f"Weights that are not on this machine: {', '.join(lacking)}."] if lacking else []


def _fetch(lacking: Sequence[str]) -> str:
    if not lacking:
        return ""
    return f"headstart backbones fetch {' '.join(lacking)} --to WEIGHTS && headstart backbones add WEIGHTS"


# Commands in words ----------------------------------------------------------------------------------------------------


def _ring_words(plan: PaperPlan) -> str:
    many = plural(plan.recordings, "recording")
    return f"simulated ring, {many} of {plan.minutes:g} minutes, faults of up to {plan.strength:g} decades of pressure"


def _cut_in_words(windows: SignalOptions) -> str:
    return (
        f"--window {windows.window} --stride {windows.stride} --reference {windows.reference} "
        f"--label-rule {windows.label_rule}"
    )


def _fit_in_words(options: FitOptions) -> str:
    named = {
        "--backbone": options.backbone,
        "--features": options.features,
        "--input-size": options.input_size,
        "--grid": options.grid,
        "--search": options.search,
        "--balance": options.balance,
        "--split": options.split,
    }
    return " ".join(f"{flag} {value}" for flag, value in named.items() if value is not None)
