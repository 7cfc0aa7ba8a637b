"""The solar cells as benchmarks use them: features at 300 px, and those of views, from the user's cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.augment import views
from headstart.data import ImageDataset
from headstart.data.audit.audit import audit_dataset
from headstart.data.split.make import split_dataset
from headstart.data.split.split import Split
from headstart.features.extract import extract_features, extract_views
from headstart.features.extractor import Extractor
from headstart.features.open import ExtractionSettings, open_extractor, select_engine
from headstart.samples.solar_cells import INPUT_SIZE, SolarCells, solar_cells
from headstart.workflow.job.near_duplicates import find_near_duplicates
from headstart.workflow.job.sources import open_cache
from headstart.workflow.options.training_set import N_VIEWS


@dataclass(frozen=True, eq=False)
class Cells:
    """Solar cells with their features.

    Attributes
    ----------
    cells : SolarCells
    dataset : ImageDataset
        Defective where the probability is above 1/2, with content hashes.
    extractor : Extractor
    features : ndarray of shape (2624, 1280), float32
    groups : ndarray of shape (2624,), int64, or None
        Sister wafers (near-duplicates) joined.
    """

    cells: SolarCells
    dataset: ImageDataset
    extractor: Extractor
    features: np.ndarray
    groups: np.ndarray | None

    @classmethod
    def read(cls) -> Cells:
        """Frozen EfficientNet-Lite0, by the engine that `fit` would choose."""
        cells = solar_cells()
        plain = cells.dataset(cells.probability > 0.5)
        audit = audit_dataset(plain)
        dataset = plain.with_hashes(audit.hashes)
        extractor = chosen_extractor(dataset)
        features = extract_features(dataset, extractor, cache=open_cache("default"))
        return cls(cells, dataset, extractor, features, find_near_duplicates(dataset, audit, features).groups)

    def views(self, policies: Sequence[str], rows: np.ndarray | None = None) -> Mapping[str, np.ndarray]:
        """Features of the views of every policy, of all cells or of some."""
        some = self.dataset if rows is None else self.dataset.subset(rows)
        cache = open_cache("default")
        return {name: extract_views(some, self.extractor, views(name, N_VIEWS[name]), cache=cache) for name in policies}

    def strata(self) -> np.ndarray:
        """Probability and type of every cell, as one number."""
        both = np.stack([np.round(self.cells.probability * 3), self.cells.cell_type == "mono"], axis=1)
        return np.asarray(np.unique(both, axis=0, return_inverse=True)[1].reshape(-1))

    def split(self, seed: int) -> Split:
        """Nested 5 x 4 folds, stratified by probability and type of cell, near-duplicates on one side."""
        return split_dataset(self.dataset, groups=self.groups, strata=self.strata(), seed=seed)


def chosen_extractor(dataset: ImageDataset) -> Extractor:
    """The network with the fastest engine whose features agree with fp32 on these images."""
    settings = ExtractionSettings(input_size=(INPUT_SIZE, INPUT_SIZE), device="cpu", n_threads=2, offline=True)
    return select_engine(open_extractor(settings), settings, dataset, cache=open_cache("default")).extractor
