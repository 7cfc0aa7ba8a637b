"""`lesions`: from dermoscopic images and their metadata to a clean folder, a sheet, and the one `fit` on them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.errors import ImageError, InputError, plural
from headstart.lesions.cleaning.clean_up import CROP, parse_clean_up
from headstart.lesions.masks.find import find_lesion
from headstart.lesions.reading.write import write_lesions
from headstart.lesions.sheet import draw_sheet
from headstart.progress import Progress, Silent
from headstart.runtime.machine import available_processors
from headstart.storage import new_folder, write_bytes
from headstart.study.search.builtin import built_in_space
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.workflow.fit import estimate_fit, fit
from headstart.workflow.lesion_card import write_card
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.lesions import LesionFitOptions, LesionReadingOptions
from headstart.workflow.options.search_space import search_space
from headstart.workflow.preflight import check_outside

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.lesions.reading.data import LesionData
    from headstart.workflow.run import Run

SOURCES: Final = (
    FeatureSourceSpec(clean_up=CROP, features="multi"),
    FeatureSourceSpec(resize="pad", clean_up="none", features="lesion"),
)
"""What a fit on lesions looks at: the network at a crop around the lesion, and numbers measured in the whole picture,
its proportions kept."""
AS_PUBLISHED: Final[Mapping[str, Any]] = {"backbone": "vgg19", "grid": "paper", "features": "last"}
"""The paper's way: VGG-19, its adjusted dense classifier (a grid over activation, dropout, optimizer, batch size and
epochs), whole images."""
N_SHOWN: Final = 8


@dataclass(frozen=True)
class ImportedLesions:
    """What an import wrote: counts and notes."""

    account: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return self.account


def import_lesions(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: LesionReadingOptions | None = None,
    *,
    progress: Progress | None = None,
) -> ImportedLesions:
    """Read metadata and images of lesions and write a clean folder that `fit` reads.

    Parameters
    ----------
    data : path
        Folder of images with its table, or the table.
    output : path
        New folder: images, ``lesions.csv``, ``left_out.csv`` and ``import.json``.
    options : LesionReadingOptions, optional
    progress : Progress, optional

    Raises
    ------
    InputError
        When table or images cannot be used, or the folder holds something already; nothing is written then.
    """
    found = (options or LesionReadingOptions()).read(Path(data))
    with new_folder(Path(output)) as folder:
        return ImportedLesions(write_lesions(found, folder, progress))


def fit_lesions(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: LesionFitOptions | None = None,
    fit_options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Run:
    """Read lesions and hand them to `headstart.fit`: the network at the crop, numbers of the lesion, both averaged.

    Where the options name neither a study nor features nor a clean-up, `SOURCES` are tried, with an ensemble of them.
    Beside the report, and in the bundle, stands a model card; ``subgroups.csv`` has scores by sex, age and so on.

    Parameters
    ----------
    data, options
        As for `import_lesions`.
    output : path
        The run folder.
    fit_options : FitOptions, optional
    progress : Progress, optional

    Raises
    ------
    HeadstartError
        When metadata or images cannot be used, or whatever `headstart.fit` refuses.
    """
    progress = progress or Silent()
    found, dataset, chosen = _prepared(data, output, options, fit_options, progress)
    run = fit(dataset, output, chosen, progress=progress)
    sizes, n_missed = looked_at(dataset, chosen, progress)
    if n_missed:
        progress.note(
            f"No lesion was found in {n_missed:,} of {len(dataset):,} images: the whole image is taken there."
        )
    write_card(run, found, sizes, n_missed, seed=chosen.seed)
    return run


def estimate_lesions(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: LesionFitOptions | None = None,
    fit_options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The plan of such a fit and its cost; see `headstart.workflow.fit.estimate_fit`. Nothing is written."""
    progress = progress or Silent()
    _, dataset, chosen = _prepared(data, output, options, fit_options, progress)
    return estimate_fit(dataset, output, chosen, progress=progress)


def with_sources(options: FitOptions) -> FitOptions:
    """The options with what a fit on lesions looks at, unless they name something themselves."""
    named = (options.study, options.features, options.clean_up)
    if any(value is not None for value in named) or options.resize != FitOptions.resize:
        return options
    heads = built_in_space(options.grid or "quick", ordered=options.is_ordinal)
    space = replace(heads, sources=SOURCES, name="lesions")
    can_average = options.strategy == FitOptions.strategy
    return replace(options, grid=None, study=space, ensemble=options.ensemble or can_average)


def as_published(options: FitOptions) -> FitOptions:
    """The options with the paper's way (`AS_PUBLISHED`), what they name themselves left as it is."""
    open_: Mapping[str, Any] = {} if options.study is not None else AS_PUBLISHED
    return replace(options, **{name: value for name, value in open_.items() if getattr(options, name) is None})


def looked_at(
    dataset: ImageDataset, options: FitOptions, progress: Progress
) -> tuple[dict[str, tuple[int, int]], int | None]:
    """Width and height of every readable image by its name, and the number of images in which no lesion is found.

    The number is None where the options ask for no crop around a lesion.
    """
    crops, n_threads = _crops(options), options.threads or available_processors()

    def look(row: int) -> tuple[tuple[int, int], bool] | None:
        try:
            picture = dataset.load(row)
        except ImageError:
            return None
        finally:
            done(1)
        return picture.size, crops and not find_lesion(np.asarray(picture.convert("RGB"))).is_found

    with progress.task("Looking at lesions", len(dataset), "images") as done, ThreadPoolExecutor(n_threads) as pool:
        found = dict(zip(dataset.names, pool.map(look, range(len(dataset))), strict=True))
    readable = {name: one for name, one in found.items() if one is not None}
    n_missed = sum(is_missed for _, is_missed in readable.values())
    return {name: size for name, (size, _) in readable.items()}, n_missed if crops else None


def _crops(options: FitOptions) -> bool:
    named = [options.clean_up, *(source.clean_up for source in search_space(options).sources)]
    return any(CROP in parse_clean_up(text).steps for text in named if text is not None)


def _prepared(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: LesionFitOptions | None,
    fit_options: FitOptions | None,
    progress: Progress,
) -> tuple[LesionData, ImageDataset, FitOptions]:
    """Lesions, the data set of them, and the options that suit them: classes of thickness have an order."""
    options, chosen = options or LesionFitOptions(), fit_options or FitOptions()
    check_outside(data, Path(output))
    found = options.read(Path(data))
    for note in found.notes:
        progress.note(note)
    if found.is_ordered and chosen.ordinal is None and len(found.classes) > 2:
        chosen = replace(chosen, ordinal=found.classes)
    return found, found.dataset(patient_columns=options.patient_columns), with_sources(chosen)


@dataclass(frozen=True)
class LesionSheet:
    """A sheet that was drawn.

    Attributes
    ----------
    path : Path
    n_images : int
    n_missed : int
        Images on it without a lesion found.
    n_unreadable : int
        Images that cannot be read, and are not on it.
    """

    path: Path
    n_images: int
    n_missed: int
    n_unreadable: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        counts = {"images": self.n_images, "no_lesion_found": self.n_missed, "unreadable": self.n_unreadable}
        return {"sheet": str(self.path), **counts}


def sheet_lesions(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: LesionReadingOptions | None = None,
    *,
    clean_up: str = CROP,
    n_images: int = N_SHOWN,
) -> LesionSheet:
    """Draw some lesions before and after a clean-up, with the outlines that were found.

    Parameters
    ----------
    data, options
        As for `import_lesions`.
    output : path
        Picture to write, a PNG.
    clean_up : str
        Steps joined by ``+``.
    n_images : int
        How many images, spread over the classes.

    Raises
    ------
    InputError
        When metadata or images cannot be used, or the picture has another ending; nothing is written then.
    """
    path, steps = Path(output), parse_clean_up(clean_up)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path} is to be a picture. Name a file that ends with .png.")
    found = (options or LesionReadingOptions()).read(Path(data))
    dataset = found.dataset(patient_columns=False)
    pictures, n_unreadable = [], 0
    for row in _spread(found, n_images):
        try:
            pictures.append((dataset.names[row], dataset.load(row)))
        except ImageError:
            n_unreadable += 1
    if not pictures:
        raise InputError(f"Of {plural(n_unreadable, 'image')} looked at none can be read, so there is nothing to draw.")
    content, n_missed = draw_sheet(pictures, steps)
    write_bytes(path, content)
    return LesionSheet(path, len(pictures), n_missed, n_unreadable)


def _spread(found: LesionData, n_images: int) -> Sequence[int]:
    """Rows spread over the classes, and over each of them."""
    rows: list[int] = []
    for place, name in enumerate(found.classes):
        of_class = [row for row, one in enumerate(found.lesions) if one.label == name]
        n_taken = n_images // len(found.classes) + (place < n_images % len(found.classes))
        picks = np.linspace(0, len(of_class) - 1, n_taken if of_class else 0).round().astype(int)
        rows += [of_class[pick] for pick in np.unique(picks).tolist()]
    return rows
