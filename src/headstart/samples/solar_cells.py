"""The ELPV solar cells: images with uncertain labels, and three published ways of reading them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from headstart.data import ImageDataset
from headstart.data.categorical import encode_texts
from headstart.data.images.files import FilePixels
from headstart.data.readers.table import DatasetTable
from headstart.errors import DataError, InputError, unknown_name

INPUT_SIZE: Final = 300
CLASSES: Final = ("functional", "defective")

ProtocolName = Literal["A", "B", "C"]


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
        Probability of a defect: 0, 1/3, 2/3 or 1.
    cell_type : ndarray of shape (2624,), str
        ``mono`` or ``poly``.
    """

    folder: Path
    names: tuple[str, ...]
    probability: NDArray[np.float64]
    cell_type: NDArray[np.str_]

    def dataset(
        self,
        defective: NDArray[np.bool_],
        weights: NDArray[np.float64] | None = None,
        *,
        soft: NDArray[np.float64] | None = None,
    ) -> ImageDataset:
        """Data set with a class for every cell, functional or defective, and perhaps weights or soft labels."""
        labels = encode_texts([CLASSES[int(value)] for value in defective], CLASSES)
        table = DatasetTable(names=self.names, labels=labels, weights=weights, soft=soft)
        return ImageDataset.from_table(table, FilePixels(self.folder, confined=True), classes=CLASSES)

    def soft_dataset(self) -> ImageDataset:
        """Data set with soft labels: a cell of probability 1/3 counts as two thirds functional, one third defective.

        Examples
        --------
        >>> cells = solar_cells()  # doctest: +SKIP
        >>> cells.soft_dataset().soft[:2]  # doctest: +SKIP
        array([[0., 1.],
               [0., 1.]])
        """
        return self.dataset(self.probability > 0.5, soft=self.soft_labels())

    def soft_labels(self) -> NDArray[np.float64]:
        """Probability of each class, shape (2624, 2)."""
        return np.stack([1 - self.probability, self.probability], axis=1)

    def certainty(self) -> NDArray[np.float64]:
        """Weights 1, 1/3, 2/3, 1 for probabilities 0, 1/3, 2/3, 1, shape (2624,)."""
        return np.where(self.probability == 0, 1.0, self.probability)

    def strata(self) -> NDArray[np.int64]:
        """Code of probability and type of cell, which every split spreads evenly, shape (2624,)."""
        pairs = np.stack([np.round(self.probability * 3), self.cell_type == "mono"])
        return np.unique(pairs, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Protocol:
    """One reading of the labels: who takes part, who counts as defective, and how much each cell counts.

    Attributes
    ----------
    name : {"A", "B", "C"}
    rows : ndarray of int64
        Cells that take part.
    dataset : ImageDataset
        Data set of these cells; its weights are those of the score.
    strata : ndarray of int64
        Probability and type of each of these cells.
    certainty : ndarray of float64
        Weight of each of these cells by certainty: 1, 1/3, 2/3, 1 for probabilities 0, 1/3, 2/3, 1.
    soft : ndarray of shape (n_cells, 2), float64
        Soft labels of these cells.
    """

    name: ProtocolName
    rows: NDArray[np.int64]
    dataset: ImageDataset
    strata: NDArray[np.int64]
    certainty: NDArray[np.float64]
    soft: NDArray[np.float64]


def protocol(cells: SolarCells, name: ProtocolName) -> Protocol:
    """One of the three protocols that published figures on these images may have used.

    A: defective where p > 1/2, every cell counts alike. B: defective where p > 0, cells weighted by certainty. C: the
    cells of p = 0 and p = 1 alone.

    Parameters
    ----------
    cells : SolarCells
        From `solar_cells`.
    name : {"A", "B", "C"}

    Raises
    ------
    InputError
        For another name.
    """
    if name not in get_args(ProtocolName):
        raise InputError(unknown_name("protocol", name, get_args(ProtocolName)))
    probability, certainty = cells.probability, cells.certainty()
    certain = np.isin(probability, (0, 1))
    rows = np.flatnonzero(certain if name == "C" else np.ones(len(probability), dtype=np.bool_)).astype(np.int64)
    defective = probability > 0 if name == "B" else probability > 0.5
    dataset = cells.dataset(defective, certainty if name == "B" else None).subset(rows)
    return Protocol(name, rows, dataset, cells.strata()[rows], certainty[rows], cells.soft_labels()[rows])


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
