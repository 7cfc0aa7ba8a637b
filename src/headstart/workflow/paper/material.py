"""Simulated data of two applications, written once, and the pictures that commands make of all three."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headstart.progress import Progress
from headstart.results.models.explanations import Explanations
from headstart.results.models.paper import PaperPicture, PaperRun
from headstart.signals.simulated_files import write_ring
from headstart.signals.simulated_ring import Ring
from headstart.study.execution import run_folder as files
from headstart.workflow.cells import simulate_cells
from headstart.workflow.cells_count.folder import write_cells_count
from headstart.workflow.lesions import sheet_lesions
from headstart.workflow.options.cells import SimulationOptions
from headstart.workflow.paper.data import PH2, lesion_options
from headstart.workflow.paper.plan import PaperPlan
from headstart.workflow.signals import show_signals

RING: Final = "data/ring"
ASSAY: Final = "data/assay"
PLATE: Final = "data/plate"
COUNTS: Final = "counts"
CELLS_RUN: Final = "runs/cells"
WINDOWS: Final = "windows.png"
LESIONS: Final = "lesions.png"
N_LESIONS: Final = 6
"""Images on the sheet of lesions."""


def simulate(root: Path, plan: PaperPlan, progress: Progress) -> None:
    """Write the ring, the assay and a second plate, where they are not there."""
    if not (root / RING).is_dir():
        ring = Ring(plan.recordings, plan.minutes, seed=plan.seed, strength=plan.strength)
        write_ring(root / RING, ring)
    for place, number, seed in ((ASSAY, plan.micrographs, plan.seed), (PLATE, plan.counted_micrographs, plan.seed + 1)):
        if number and not (root / place).is_dir():
            simulate_cells(root / place, SimulationOptions(micrographs=number, seed=seed), progress=progress)


def pictures(
    root: Path, plan: PaperPlan, ph2: Path | None, runs: list[PaperRun], progress: Progress
) -> Iterator[PaperPicture]:
    """Lesions with their outlines, windows as the network sees them, framed cells, and what spoke for a class.

    Each is drawn where it is not there.
    """
    if ph2 is not None:
        yield _lesions(root, ph2)
    yield _windows(root, plan)
    if plan.counted_micrographs:
        yield _frames(root, plan, progress)
    for run in runs:
        found = _heatmap(root, run)
        if found is not None:
            yield found


def _lesions(root: Path, ph2: Path) -> PaperPicture:
    if not (root / LESIONS).is_file():
        sheet_lesions(ph2, root / LESIONS, lesion_options(ph2), n_images=N_LESIONS)
    return PaperPicture(
        application="lesions",
        file=LESIONS,
        command=f"headstart lesions sheet FOLDER/{PH2} -o {LESIONS}",
        alt="Dermoscopic images with the outline found, and cropped around the lesion",
        caption="Images of every grade with the outline that was found, and cropped around it.",
    )


def _windows(root: Path, plan: PaperPlan) -> PaperPicture:
    if not (root / WINDOWS).is_file():
        show_signals(root / RING, root / WINDOWS, plan.ring_windows)
    return PaperPicture(
        application="signals",
        file=WINDOWS,
        command=f"headstart signals show DIR/{RING} --window {plan.ring_windows.window} -o {WINDOWS}",
        alt="Windows of the simulated ring as pictures, a row for each class",
        caption="Windows of the simulated ring as the network sees them, some of each class.",
    )


def _frames(root: Path, plan: PaperPlan, progress: Progress) -> PaperPicture:
    """Overlay of the first micrograph of a plate that the model has not seen."""
    if not (root / COUNTS).is_dir():
        plate, device = root / PLATE / "micrographs", None if plan.cells.device == "auto" else plan.cells.device
        write_cells_count(
            root / CELLS_RUN, plate, root / COUNTS, device=device, n_threads=plan.cells.threads, progress=progress
        )
    first = min((root / COUNTS / "overlays").glob("*.png"), key=lambda path: path.name)
    return PaperPicture(
        application="cells",
        file=first.relative_to(root).as_posix(),
        command=f"headstart cells count DIR/{CELLS_RUN} DIR/{PLATE}/micrographs -o DIR/{COUNTS}",
        alt="A simulated micrograph with blue frames around living and red frames around dead cells",
        caption="Blue frames: called living; red: called dead. The model had not seen this simulated micrograph.",
    )


def _heatmap(root: Path, run: PaperRun) -> PaperPicture | None:
    """The first sure hit of a run with its map; None where nothing was explained."""
    place = root / run.folder / files.EXPLANATIONS_FOLDER
    if not (place / Explanations.file_name).is_file():
        return None
    for one in Explanations.read(place / Explanations.file_name).images:
        if one.kind == "hit" and one.picture is not None:
            return PaperPicture(
                application=run.application,
                file=f"{run.folder}/{files.EXPLANATIONS_FOLDER}/{one.picture.file}",
                command=f"headstart explain DIR/{run.folder} IMAGES -o FOLDER",
                alt=f"An image of {one.label} and what spoke for {one.target} in it",
                caption=f"What spoke for {one.target} in one image ({run.data}), by a model that had not seen it.",
            )
    return None
