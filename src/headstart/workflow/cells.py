"""`cells`: from micrographs to label images, single cells, and the one `fit` on them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.cells.crops.classes import (
    check_both_classes,
    classes_at_points,
    classes_by_dye,
    classes_by_folder,
    classes_of_labels,
    dye_threshold,
    read_class_points,
)
from headstart.cells.crops.dataset import crop_dataset
from headstart.cells.crops.recipe import CELLS_FILE, plan_crops
from headstart.cells.crops.write import crop_folder, write_crops
from headstart.cells.micrographs.kept import KeptMicrograph
from headstart.cells.micrographs.read import find_micrographs, read_label_image
from headstart.cells.micrographs.search import find_ahead
from headstart.cells.micrographs.segmented import SegmentedMicrograph, label_image_of
from headstart.cells.micrographs.write import SegmentationWriter, check_apart, label_path
from headstart.cells.simulation.write import write_assay
from headstart.errors import InputError, first_few, plural
from headstart.progress import Progress, Silent
from headstart.runtime.machine import available_processors
from headstart.storage import new_folder, write_json
from headstart.workflow.fit import estimate_fit, fit
from headstart.workflow.options.cells import CellCropOptions, CellFindingOptions, SimulationOptions
from headstart.workflow.options.fit import FitOptions

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.workflow.run import Run


@dataclass(frozen=True)
class CellCounts:
    """What was written of some micrographs.

    Attributes
    ----------
    n_micrographs, n_cells : int
    notes : tuple of str
        What is doubtful.
    has_classes : bool
        Whether crops stand beside the classes of their cells.
    """

    n_micrographs: int
    n_cells: int
    notes: tuple[str, ...] = ()
    has_classes: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {"micrographs": self.n_micrographs, "cells": self.n_cells, "notes": list(self.notes)}


def simulate_cells(
    output: str | os.PathLike[str], options: SimulationOptions | None = None, *, progress: Progress | None = None
) -> CellCounts:
    """Write a simulated assay of living and dead cells into a new folder.

    Parameters
    ----------
    output : path
    options : SimulationOptions, optional
    progress : Progress, optional

    Raises
    ------
    InputError
        When the folder holds something already.
    """
    assay = (options or SimulationOptions()).assay()
    with new_folder(Path(output)) as folder:
        return CellCounts(assay.n_micrographs, write_assay(assay, folder, progress or Silent()))


def segment_cells(
    micrographs: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: CellFindingOptions | None = None,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> CellCounts:
    """Find and measure the cells of micrographs: label images, a table, and a preview.

    Parameters
    ----------
    micrographs : path
        A folder of micrographs, or one of them.
    output : path
        New folder.
    options : CellFindingOptions, optional
    n_threads : int, optional
        Threads that find cells. Default: one for each processor.
    progress : Progress, optional

    Raises
    ------
    InputError
        When a micrograph cannot be used, or the folder holds something already; nothing is written then.
    """
    found, asked = find_micrographs(Path(micrographs)), options or CellFindingOptions()
    check_apart((name for name, _ in found), label_path)
    with new_folder(Path(output)) as folder:
        writer = SegmentationWriter(folder, asked.channel)
        for one in _segmented(found, asked, n_threads, progress or Silent()):
            writer.add(one)
        writer.close()
    return CellCounts(len(found), writer.n_cells, tuple(writer.notes))


def crop_cells(
    micrographs: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: CellCropOptions | None = None,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> CellCounts:
    """Cut single cells out of micrographs: pictures, and a manifest that `fit` reads.

    Parameters
    ----------
    micrographs : path
    output : path
        New folder.
    options : CellCropOptions, optional
    n_threads : int, optional
        Threads that find cells. Default: one for each processor.
    progress : Progress, optional

    Raises
    ------
    InputError
        As for `segment_cells`.
    """
    options = options or CellCropOptions()
    check_apart((name for name, _ in find_micrographs(Path(micrographs))), crop_folder)
    data = read_cells(micrographs, options, progress=progress, labelled=_has_classes(options), n_threads=n_threads)
    with new_folder(Path(output)) as folder:
        write_crops(data.dataset, folder)
        write_json(folder / CELLS_FILE, data.document)
    return CellCounts(data.n_micrographs, len(data.dataset), data.notes, _has_classes(options))


def fit_cells(
    micrographs: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: CellCropOptions | None = None,
    fit_options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Run:
    """Find, cut out and label the cells of micrographs, and hand them to `headstart.fit`.

    Parameters
    ----------
    micrographs : path
    output : path
        The run folder; ``cells.json`` in it tells `headstart cells count` how to treat new micrographs.
    options : CellCropOptions, optional
    fit_options : FitOptions, optional
    progress : Progress, optional

    Raises
    ------
    HeadstartError
        When micrographs or classes cannot be used, or whatever `headstart.fit` refuses.
    """
    progress = progress or Silent()
    data = _cells_to_fit(micrographs, options, fit_options, progress)
    return fit(
        data.dataset,
        output,
        fit_options,
        progress=progress,
        before_report=lambda folder: write_json(folder / CELLS_FILE, data.document),
    )


def estimate_cells(
    micrographs: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: CellCropOptions | None = None,
    fit_options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The plan of such a fit and its cost, for which the cells are found; see `headstart.workflow.fit.estimate_fit`.

    Nothing is written.
    """
    progress = progress or Silent()
    data = _cells_to_fit(micrographs, options, fit_options, progress)
    return estimate_fit(data.dataset, output, fit_options, progress=progress)


def _cells_to_fit(
    micrographs: str | os.PathLike[str],
    options: CellCropOptions | None,
    fit_options: FitOptions | None,
    progress: Progress,
) -> CellData:
    n_threads = None if fit_options is None else fit_options.threads
    data = read_cells(micrographs, options or CellCropOptions(), progress=progress, n_threads=n_threads)
    for note in data.notes:
        progress.note(note)
    return data


@dataclass(frozen=True, eq=False)
class CellData:
    """Single cells of some micrographs.

    Attributes
    ----------
    dataset : ImageDataset
    document : dict
        How they were found and cut out, as ``cells.json`` has it.
    n_micrographs : int
    notes : tuple of str
    """

    dataset: ImageDataset
    document: dict[str, Any]
    n_micrographs: int
    notes: tuple[str, ...]


def read_cells(
    micrographs: str | os.PathLike[str],
    options: CellCropOptions,
    *,
    progress: Progress | None = None,
    labelled: bool = True,
    n_threads: int | None = None,
) -> CellData:
    """Data set of the cells of micrographs.

    Parameters
    ----------
    micrographs : path
    options : CellCropOptions
    progress : Progress, optional
    labelled : bool
        Whether cells have classes; those without one are then left out.
    n_threads : int, optional
        Threads that find cells. Default: one for each processor.

    Raises
    ------
    InputError
        When micrographs or classes cannot be used.
    """
    finding = options.finding()
    found = find_micrographs(Path(micrographs))
    files = dict(found)
    segmented = [
        KeptMicrograph.of(one, partial(finding.read, files[one.name], one.name))
        for one in _segmented(found, options, n_threads, progress or Silent())
    ]
    recipe = plan_crops(
        segmented,
        side=options.crop,
        side_um=options.crop_um,
        channels=options.crop_channels,
        masked=options.masked,
    )
    classes, said = _classes(segmented, options) if labelled else (None, [])
    dataset = crop_dataset(
        segmented,
        recipe,
        classes,
        group_by=options.group_by,
        pattern=options.pattern,
        measured=options.measured,
        unmeasured=options.dye if labelled else None,
    )
    document = {
        "version": 1,
        "finding": finding.to_json(),
        "recipe": recipe.to_json(),
        "measured": options.measured,
        "masks": options.masks is not None,
        "in_um": segmented[0].pixel_um is not None if options.measured else None,
        "group_by": options.group_by,
        "pattern": options.pattern,
    }
    notes = [*said, *(f"{one.name}: {note}" for one in segmented for note in one.notes)]
    left_out = sum(len(one.table) for one in segmented) - len(dataset)
    if left_out:
        notes.append(f"Left out, without a class or with two: {plural(left_out, 'cell')}.")
    return CellData(dataset, document, len(segmented), tuple(notes))


def _segmented(
    found: Sequence[tuple[str, Path]], options: CellFindingOptions, n_threads: int | None, progress: Progress
) -> Iterator[SegmentedMicrograph]:
    n_threads = n_threads or available_processors()
    with progress.task("Finding cells", len(found), "micrographs") as done:
        for _, outcome in find_ahead(found, options.finding(), options.masks, n_threads):
            yield outcome.result()
            done(1)


def _has_classes(options: CellCropOptions) -> bool:
    return any(value is not None for value in (options.classes, options.class_images, options.dye))


def _classes(segmented: Sequence[KeptMicrograph], options: CellCropOptions) -> tuple[list[list[str]], list[str]]:
    """Class of every cell of every micrograph, and what is to be said of them."""
    notes = []
    if options.classes is not None:
        points = read_class_points(Path(options.classes))
        known = {one.name for one in segmented}
        strange = sorted(set(points) - known)
        if not known & set(points):
            raise InputError(
                f"{options.classes} names {first_few(strange)}, none of the micrographs ({first_few(known)})."
            )
        if strange:
            names = plural(len(strange), "micrograph that is", "micrographs that are")
            notes.append(f"{options.classes} names {names} not there: {first_few(strange)}.")
        found = [classes_at_points(one, points.get(one.name)) for one in segmented]
    elif options.class_images is not None:
        found = [_from_image(one, Path(options.class_images), options.named_classes) for one in segmented]
    elif options.dye is not None:
        above = dye_threshold(segmented, options.dye) if options.dye_above is None else options.dye_above
        found = [classes_by_dye(one, options.dye, above, options.named_classes) for one in segmented]
        dead = options.named_classes[1]
        notes.append(
            f"Classes come from the dye {options.dye!r}: {dead} above a mean of {above:.4g}, not from an expert."
            + (" Measurements of the dye are left out, as they would tell the class." if options.measured else "")
        )
        if options.crop_channels is None or options.dye in options.crop_channels:
            notes.append(
                f"The crops show the dye {options.dye!r} too, so it is learned; name others with --crop-channels."
            )
    else:
        found = [[classes_by_folder(one.name)] * len(one.table) for one in segmented]
    check_both_classes([name for one in found for name in one])
    return found, notes


def _from_image(one: KeptMicrograph, folder: Path, names: Sequence[str]) -> list[str]:
    path = label_image_of(one.name, folder, ("_classes",))
    return classes_of_labels(one, read_label_image(path, path.name), names, path.name)
