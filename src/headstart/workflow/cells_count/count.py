"""`count_cells`: the cells of one class in micrographs that are arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.cells.counting.known import KnownCounts, known_counts, likeness_of_fields
from headstart.cells.counting.shares import ClassCount, FieldCount, count_class
from headstart.cells.crops.dataset import SEPARATOR
from headstart.cells.crops.recipe import CELLS_FILE, CropRecipe
from headstart.cells.measure import measure_cells
from headstart.cells.micrographs.plate import plate_position
from headstart.cells.micrographs.read import Micrograph
from headstart.cells.micrographs.segmented import CellFinding, SegmentedMicrograph, find_cells
from headstart.cells.segmentation.segment import checked_plane, given_labels
from headstart.errors import InputError, RunError
from headstart.model import Model, load_model
from headstart.progress import Progress
from headstart.results.read import read_run
from headstart.storage import file_bytes, parsed_json
from headstart.workflow.cells_count.called import CalledMicrograph, call_cells, is_counted

RESULTS_FILE: Final = "results.json"


@dataclass(frozen=True)
class CellsOfRun:
    """How the cells that a run was fitted on were found and cut out.

    Attributes
    ----------
    finding : CellFinding
    recipe : CropRecipe
    pattern : str or None
        By which names tell of plate, well and field.
    in_um : bool or None
        Whether the cells were measured in micrometres, else in pixels. None: they were not measured, or it is not kept.
    masks : bool
        Whether they were those of another tool's label images.
    """

    finding: CellFinding
    recipe: CropRecipe
    pattern: str | None = None
    in_um: bool | None = None
    masks: bool = False

    @classmethod
    def read(cls, path: Path | None) -> CellsOfRun:
        """From ``cells.json`` of a run; `path` is the run's, or that of the model in it.

        Raises
        ------
        InputError
            When there is no such file: the model was fitted on other images, or stands alone.
        RunError
            When it is damaged.
        """
        file = None if path is None else beside_model(path, CELLS_FILE)
        if file is None:
            where = "The model" if path is None else str(path)
            raise InputError(
                f"{where} does not say how cells are to be found and cut out: there is no {CELLS_FILE} beside it. Give "
                "a run of `headstart cells fit`; for pictures of single cells there is `headstart predict`."
            )
        try:
            kept = parsed_json(file_bytes(file).decode())
            finding, recipe = CellFinding.from_json(kept["finding"]), CropRecipe.from_json(kept["recipe"])
            return cls(finding, recipe, kept["pattern"], kept.get("in_um"), bool(kept.get("masks")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise RunError(f"{file} is damaged ({error!r}). Run `headstart cells fit` again.") from error

    def in_its_unit(self, one: SegmentedMicrograph) -> SegmentedMicrograph:
        """The micrograph itself, its cells measured in the unit of the run's.

        Raises
        ------
        InputError
            When they are measured in the other one.
        """
        if self.in_um is None or self.in_um == (one.pixel_um is not None):
            return one
        if self.in_um:
            raise InputError(
                f"{one.name} does not say how large a pixel is, and the model knows cells in micrometres; give "
                "--pixel-um."
            )
        raise InputError(
            f"{one.name} says how large a pixel is, and the model knows cells in pixels, as its own did not. "
            "Fit it again with --pixel-um, or with --no-measured."
        )


def beside_model(path: Path, name: str) -> Path | None:
    """File of a run, where the path is the run's or that of the model in it; None where there is none."""
    places = (path, path.resolve().parent)
    return next((place / name for place in places if (place / name).is_file()), None)


@dataclass(frozen=True, eq=False)
class CellsCount:
    """A count of the cells of one class, with what to look at.

    Attributes
    ----------
    counted : str
        The class.
    micrographs : tuple of CalledMicrograph
        Label image (napari: ``viewer.add_labels(one.labels)``), classes and measured table of every micrograph.
    count : ClassCount
        Shares of every micrograph and every well.
    """

    counted: str
    micrographs: tuple[CalledMicrograph, ...]
    count: ClassCount

    @property
    def images(self) -> list[dict[str, Any]]:
        """One row for each micrograph, as ``pandas.DataFrame`` takes them."""
        return [one.row() for one in self.count.images]

    @property
    def wells(self) -> list[dict[str, Any]]:
        """One row for each well."""
        return [one.row() for one in self.count.wells]

    @property
    def cells(self) -> list[dict[str, Any]]:
        """One row for each cell: micrograph, label, class, place and measurements."""
        return [row for one in self.micrographs for row in one.rows()]


def count_cells(
    model: Model | str | os.PathLike[str],
    images: Mapping[str, Any],
    *,
    dead: str | None = None,
    labels: Mapping[str, NDArray[Any]] | None = None,
    pixel_um: float | None = None,
    pattern: str | None = None,
    how: CellsOfRun | None = None,
    progress: Progress | None = None,
) -> CellsCount:
    """Count the cells of one class in micrographs that are arrays.

    Parameters
    ----------
    model : Model or path
        A run, by whose out-of-fold predictions the model's errors are known; with a model alone nothing is corrected.
    images : mapping of str to array
        Micrographs by name, each of shape (height, width), or a mapping of its channels to such arrays. Plate, well
        and field are told by the names.
    dead : str, optional
        Class that is counted. Default: ``dead``, where the model knows it.
    labels : mapping of str to ndarray of shape (height, width), int, optional
        Label images by the same names, taken instead of a segmentation.
    pixel_um : float, optional
        Side of a pixel in micrometres.
    pattern : str, optional
        As for `headstart.cells.micrographs.plate.plate_position`. Default: that of the run.
    how : CellsOfRun, optional
        How cells are found and cut out. Default: as in the run.
    progress : Progress, optional

    Returns
    -------
    CellsCount

    Raises
    ------
    InputError
        When the model is not of cells or does not know the class, a channel is missing, or a label image is missing or
        of another size.
    """
    fitted = model if isinstance(model, Model) else load_model(model)
    counted = counted_class(fitted, dead)
    if how is None:
        how = CellsOfRun.read(None if isinstance(model, Model) else Path(model))
    known = None if isinstance(model, Model) else counts_of_run(Path(model), fitted, counted, how.pattern)
    finding = how.finding
    segmented = (_found(name, image, finding, labels, pixel_um) for name, image in images.items())
    called = tuple(call_cells(fitted, map(how.in_its_unit, segmented), how.recipe, progress=progress))
    fields = [field_of(one, counted, pattern or how.pattern) for one in called]
    return CellsCount(counted, called, class_count(fields, known))


def class_count(fields: Sequence[FieldCount], known: KnownCounts | None) -> ClassCount:
    """Count of a class by what is known of the model, if anything is."""
    return count_class(fields) if known is None else count_class(fields, known.rates, known.alike)


def counted_class(model: Model, dead: str | None, default: str = "dead") -> str:
    """The class that is to be counted.

    Raises
    ------
    InputError
        When the model does not know it, or none is named and no class has the default name.
    """
    known = ", ".join(map(repr, model.classes))
    if dead is not None and dead not in model.classes:
        raise InputError(f"The model knows no class {dead!r}; it knows {known}. Name one of these with --dead.")
    if dead is None and default not in model.classes:
        raise InputError(f"Which class is to be counted? The model knows {known}; name one with --dead CLASS.")
    return default if dead is None else dead


def counts_of_run(path: Path, model: Model, counted: str, pattern: str | None = None) -> KnownCounts | None:
    """How well a model counts, by the out-of-fold predictions of its run; None where the run is not at hand.

    Parameters
    ----------
    path : Path
        Of the run, or of the model in it.
    model : Model
    counted : str
    pattern : str, optional
        As for `headstart.cells.micrographs.plate.plate_position`.

    Raises
    ------
    RunError
        When the files of the run are damaged.
    InputError
        When they are of another run than the model, or know the class or the others only.
    """
    results = beside_model(path, RESULTS_FILE)
    if results is None:
        return None
    record = read_run(results.parent)
    if record.results.task.data_sha256 != model.facts.get("data_sha256"):
        raise InputError(f"{results} is of another run than the model. Give a whole run, or the model alone.")
    code = record.classes.index(counted)
    table = record.predictions
    _, first, cell = np.unique(np.array(table.images), return_index=True, return_inverse=True)
    calls = np.bincount(cell.ravel(), weights=table.predicted == code) / np.bincount(cell.ravel())
    groups = None if table.groups is None else np.array(table.groups)[first]
    micrographs = [table.images[row].rpartition(SEPARATOR)[0] for row in first]
    alike = likeness_of_fields(calls, micrographs, lambda name: plate_position(name, pattern))
    return known_counts(table.labels[first] == code, calls, groups, alike)


def field_of(called: CalledMicrograph, counted: str, pattern: str | None) -> FieldCount:
    """Number of cells of a micrograph, all and of the class."""
    position = plate_position(called.name, pattern)
    return FieldCount(called.name, position, len(called.classes), sum(is_counted(called, counted)))


def _found(
    name: str, image: Any, finding: CellFinding, labels: Mapping[str, NDArray[Any]] | None, pixel_um: float | None
) -> SegmentedMicrograph:
    planes = dict(image) if isinstance(image, Mapping) else {"1": image}
    side = pixel_um if pixel_um is not None else finding.pixel_um
    micrograph = Micrograph(name, {channel: np.asarray(plane) for channel, plane in planes.items()}, side)
    if labels is None:
        return find_cells(micrograph, finding)
    if name not in labels:
        raise InputError(f"There is no label image for {name}. Give one for each micrograph, or none at all.")
    checked = {
        channel: checked_plane(plane, f"{name}, channel {channel}") for channel, plane in micrograph.planes.items()
    }
    given = given_labels(np.asarray(labels[name]), micrograph.shape, f"label image of {name}")
    return SegmentedMicrograph(micrograph, given, measure_cells(given.labels, checked, pixel_um=side))
