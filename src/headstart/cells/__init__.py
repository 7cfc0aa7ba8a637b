"""Micrographs: cells found in them, measured and cut out as a data set of images.

Nothing is trained here: what classifies the crops is trained by `headstart.fit` as on any other images. What needs
heavy libraries is imported only when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from headstart.cells.cell_table import CellTable
    from headstart.cells.crops.cut import cut_crops
    from headstart.cells.crops.dataset import crop_dataset
    from headstart.cells.crops.recipe import CropRecipe, plan_crops
    from headstart.cells.measure import measure_cells
    from headstart.cells.micrographs.read import Micrograph, read_micrograph
    from headstart.cells.micrographs.segmented import CellFinding, SegmentedMicrograph, find_cells
    from headstart.cells.segmentation.segment import Segmentation, given_labels, segment
    from headstart.cells.simulation.assay import SimulatedAssay

__all__ = [
    "CellFinding",
    "CellTable",
    "CropRecipe",
    "Micrograph",
    "Segmentation",
    "SegmentedMicrograph",
    "SimulatedAssay",
    "crop_dataset",
    "cut_crops",
    "find_cells",
    "given_labels",
    "measure_cells",
    "plan_crops",
    "read_micrograph",
    "segment",
]

_HOMES = {
    "CellFinding": "micrographs.segmented",
    "CellTable": "cell_table",
    "CropRecipe": "crops.recipe",
    "Micrograph": "micrographs.read",
    "Segmentation": "segmentation.segment",
    "SegmentedMicrograph": "micrographs.segmented",
    "SimulatedAssay": "simulation.assay",
    "crop_dataset": "crops.dataset",
    "cut_crops": "crops.cut",
    "find_cells": "micrographs.segmented",
    "given_labels": "segmentation.segment",
    "measure_cells": "measure",
    "plan_crops": "crops.recipe",
    "read_micrograph": "micrographs.read",
    "segment": "segmentation.segment",
}

__getattr__ = lazy_names(__name__, _HOMES)
