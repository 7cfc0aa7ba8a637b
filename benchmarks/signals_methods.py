"""What the benchmarks of recordings share: features of pictures, heads, tables without a network, figures on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, write_results
from scipy import stats
from sklearn.ensemble import RandomForestClassifier

from headstart.data import ImageDataset
from headstart.features.cache import FeatureCache
from headstart.features.extract import extract_features
from headstart.features.open import ExtractionSettings, open_extractor, select_engine
from headstart.heads import HeadSpec, fit_heads

ALPHAS = (1.0, 100.0, 10_000.0)


@dataclass(frozen=True)
class Recipe:
    """How windows are drawn, seen and judged."""

    image: str
    features: str
    alpha: float

    def __str__(self) -> str:
        return f"{self.image}, {self.features}, {self.alpha:g}"


class Features:
    """Features of pictures, by a network with pretrained or random weights, kept in a folder of the benchmark's own."""

    def __init__(self, folder: Path, *, side: int) -> None:
        self._cache, self._side = FeatureCache(folder), side

    def of(self, dataset: ImageDataset, image: str, features: str, weights: str | None = None) -> np.ndarray:
        """Features of every window drawn in one way."""
        pixels = replace(dataset.pixels, recipe=replace(dataset.pixels.recipe, image=image))
        return self.of_pictures(
            ImageDataset.from_source(pixels, dataset.names, dataset.label_names()), features, weights
        )

    def of_pictures(self, dataset: ImageDataset, features: str, weights: str | None = None) -> np.ndarray:
        """Features of pictures as they are."""
        settings = self.settings(features, weights)
        extractor = select_engine(open_extractor(settings), settings, dataset).extractor
        return np.array(extract_features(dataset, extractor, cache=self._cache))

    def settings(self, features: str, weights: str | None = None) -> ExtractionSettings:
        """Settings of the extraction."""
        size = (self._side, self._side)
        return ExtractionSettings(input_size=size, offline=True, features=features, weights=weights)


def forest(train: np.ndarray, truth: np.ndarray, test: np.ndarray, *, n_trees: int = 300) -> np.ndarray:
    """Probability of an anomaly by a random forest."""
    model = RandomForestClassifier(n_trees, min_samples_leaf=2, class_weight="balanced", random_state=0, n_jobs=2)
    return model.fit(train, truth).predict_proba(test)[:, 1]


def head(spec: HeadSpec, train: np.ndarray, truth: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Probability of an anomaly by a head of the product."""
    (fitted,) = fit_heads([spec], train.astype(np.float32), truth.astype(np.int64), n_classes=2, seed=0)
    return fitted.predict_proba(test.astype(np.float32))[:, 1]


def ridge(train: np.ndarray, truth: np.ndarray, test: np.ndarray, alpha: float) -> np.ndarray:
    """Probability of an anomaly by ridge regression."""
    return head(HeadSpec("ridge", {"alpha": alpha}), train, truth, test)


def without_network(pictures: np.ndarray, n_channels: int) -> np.ndarray:
    """Pictures as a table: every band of a channel averaged over tenths of the time."""
    values = pictures.astype(np.float32)
    bands = values.reshape(len(values), n_channels, -1, *values.shape[2:]).mean(axis=2)
    tenths = np.array_split(bands, 10, axis=2)
    return np.concatenate([part.mean(axis=2) for part in tenths], axis=1).reshape(len(values), -1)


def paired(differences: np.ndarray) -> list[float]:
    """Mean of differences of recordings, with its 95 % interval by Student's t."""
    if len(differences) < 2 or not differences.std():
        return [round(float(differences.mean()), 4)] * 3
    half = stats.t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
    mean = differences.mean()
    return [round(float(value), 4) for value in (mean, mean - half, mean + half)]


class Parts:
    """Figures of a benchmark that is run part by part: each part is written as soon as it is done."""

    def __init__(self, name: str, *, quick: bool) -> None:
        self._name, self._quick = name, quick
        kept = RESULTS / f"{name}.json"
        self.found: dict[str, Any] = {} if quick or not kept.is_file() else json.loads(kept.read_text(encoding="utf-8"))

    def keep(self, part: str, figures: dict[str, Any]) -> None:
        """Put in place of what an earlier run found of this part."""
        self.found[part] = figures
        if not self._quick:
            write_results(self._name, self.found)
