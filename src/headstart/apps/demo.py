"""The demonstration: 2,624 real electroluminescence images of solar cells, healthy or defective."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data import ImageDataset
from headstart.data.coded import code_texts
from headstart.data.sources import FilePixels
from headstart.data.table import Table
from headstart.errors import DataError
from headstart.progress import Progress
from headstart.workflow.fit import Run, fit
from headstart.workflow.options import FitOptions

INPUT_SIZE = 300
CLASSES = ("functional", "defective")


def run_demo(
    output: str | os.PathLike[str],
    *,
    cache: str | None = "default",
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """Fit on the solar cells with weights that a package ships; nothing is downloaded.

    Protocol A of the benchmark: a cell is defective when its probability of a defect is above one half.

    Parameters
    ----------
    output : path
        The run folder.
    cache, n_threads
        As in `FitOptions`.
    progress : Progress, optional

    Raises
    ------
    DataError
        When the package with the images is not installed.
    """
    cells = solar_cells()
    dataset = cells.dataset(cells.probability > 0.5)
    options = FitOptions(input_size=INPUT_SIZE, positive="defective", cache=cache, n_threads=n_threads, offline=True)
    return fit(dataset, output, options, progress=progress)


@dataclass(frozen=True, eq=False)
class SolarCells:
    """The ELPV data set.

    Attributes
    ----------
    folder : Path
        Root of the image names.
    names : tuple of str
        2,624 images of 300 x 300 pixels.
    probability : ndarray of shape (2624,), float64
        Of a defect: 0, 1/3, 2/3 or 1.
    cell_type : ndarray of shape (2624,), str
        ``mono`` or ``poly``.
    """

    folder: Path
    names: tuple[str, ...]
    probability: NDArray[np.float64]
    cell_type: NDArray[np.str_]

    def dataset(self, defective: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> ImageDataset:
        """Data set with a class for every cell, functional or defective."""
        labels = code_texts([CLASSES[int(value)] for value in defective], CLASSES)
        table = Table(names=self.names, labels=labels, weights=weights)
        return ImageDataset.from_table(table, FilePixels(self.folder, confined=True), classes=CLASSES)


def solar_cells() -> SolarCells:
    """The ELPV data set of the installed package.

    Raises
    ------
    DataError
        When the package ``elpv-dataset`` is not installed.

    References
    ----------
    Deitsch et al. 2019, "Automatic classification of defective photovoltaic module cells in electroluminescence
    images", arXiv 1807.02894. Images under CC BY-NC-SA 4.0.
    """
    spec = importlib.util.find_spec("elpv_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise DataError('The images of the demonstration are not installed. Run: pip install "headstart[demo]"')
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    rows = [line.split() for line in (folder / "labels.csv").read_text(encoding="utf-8").splitlines() if line.strip()]
    probability = np.round(np.array([float(row[1]) for row in rows]) * 3) / 3  # written with 16 digits
    return SolarCells(folder, tuple(row[0] for row in rows), probability, np.array([row[2] for row in rows]))
