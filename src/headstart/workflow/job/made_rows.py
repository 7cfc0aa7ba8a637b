"""Rows made up before they are pictures: windows between windows of one class, inside one set of training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.balance import SMOTE_WINDOWS, balanced
from headstart.data import ImageDataset
from headstart.data.table.column import TableColumn
from headstart.errors import InputError, plural
from headstart.features.extract import extract_features
from headstart.study.features import MadeRows, MadeUp, row_key, training_rows_of
from headstart.study.folds import final_fold, outer_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.split.split import Split
    from headstart.features.cache import FeatureCache
    from headstart.features.extractor import Extractor
    from headstart.progress import Progress
    from headstart.study.folds import OuterFold
    from headstart.study.plan import StudyPlan

    Integers = NDArray[np.int64]

_LEAST = 2
"""Windows of a class between which a line can be drawn."""


def makes_rows(plan: StudyPlan) -> bool:
    """Whether a candidate is trained on windows that are made up."""
    return any(candidate.training_set.balance == SMOTE_WINDOWS for candidate in plan.candidates)


def check_made_rows(dataset: ImageDataset, split: Split, *, fine_tunes: bool) -> None:
    """Refuse data whose windows cannot be made up in every training fold, before anything is computed.

    Raises
    ------
    InputError
    """
    numbers = dataset.pixels.numbers(np.arange(1))
    if numbers is None:
        raise InputError(
            f"--balance {SMOTE_WINDOWS} makes windows of recordings before they are drawn (headstart signals fit), and "
            "these are pictures. Balance by smote."
        )
    if fine_tunes:
        raise InputError(
            f"--balance {SMOTE_WINDOWS} with fine-tuning: stages are trained on real windows alone. Leave one of the "
            "two out."
        )
    if dataset.soft is not None:
        raise InputError(f"--balance {SMOTE_WINDOWS}: windows whose labels are shares have no class to be made in.")
    _made_columns(dataset, dataset.pixels.of_numbers(numbers)[1])
    labels = dataset.training_labels()
    for fold in (*outer_folds(split), final_fold(split)):
        for rows in training_rows_of(fold):
            counts = np.bincount(labels[rows], minlength=len(dataset.classes))
            if counts.min() < _LEAST:
                name, least = dataset.classes[int(counts.argmin())], int(counts.min())
                raise InputError(
                    f"--balance {SMOTE_WINDOWS}: class {name!r} has {plural(least, 'window')} in a training fold, "
                    f"and a line is drawn between {_LEAST}. Take fewer folds (--split), a shorter "
                    "stride, or --balance weights."
                )


def made_row_counts(dataset: ImageDataset, plan: StudyPlan, split: Split, *, taxed: bool = False) -> tuple[int, int]:
    """Number of windows that are made up in all sets of training rows, and of these sets; 0 where none are.

    As many again are counted where the study runs a second time with the groups ignored.
    """
    if not makes_rows(plan):
        return 0, 0
    outer, labels = outer_folds(split), dataset.training_labels()
    folds = (*outer, *(outer if taxed else ()), final_fold(split))
    counts = [
        np.bincount(labels[rows], minlength=len(dataset.classes)) for fold in folds for rows in training_rows_of(fold)
    ]
    return sum(int((one.max() - one).sum()) for one in counts), len(counts)


class RowMaker:
    """Windows that SMOTE makes in every set of training rows of a fold, with their features from each source.

    Parameters
    ----------
    dataset : ImageDataset
        Windows of recordings.
    cache : FeatureCache
    progress : Progress
    seed : int
    extractors : callable
        From a fold to the extractor of every source in it.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        cache: FeatureCache,
        progress: Progress,
        *,
        seed: int,
        extractors: Callable[[OuterFold], Sequence[Extractor]],
    ) -> None:
        self._dataset, self._cache, self._progress = dataset, cache, progress
        self._seed, self._extractors = seed, extractors

    def of(self, fold: OuterFold) -> tuple[MadeUp, ...]:
        """What is made up in a fold, for each source: no row of its test fold, or of an inner one, has part in it."""
        made: list[dict[bytes, MadeRows]] = []
        drawn = [self._made(rows, fold, number) for number, rows in enumerate(training_rows_of(fold))]
        for extractor in self._extractors(fold):
            made.append({})
            for rows, (windows, facts) in zip(training_rows_of(fold), drawn, strict=True):
                features = np.zeros((0, extractor.row_shape[0]), dtype=np.float32)
                if len(windows):
                    name = f"{fold.key}, made up"
                    features = extract_features(
                        windows, extractor, cache=self._cache, progress=self._progress, fold=name
                    )
                made[-1][row_key(rows)] = replace(facts, features=features)
            extractor.release()
        return tuple(made)

    def _made(self, rows: Integers, fold: OuterFold, number: int) -> tuple[ImageDataset, MadeRows]:
        """Windows made up for some training rows, as a data set, and all of them but their features."""
        dataset, source = self._dataset, self._dataset.pixels
        numbers = source.numbers(rows)
        if numbers is None:
            raise ValueError("these pictures are not drawn from numbers")
        labels = dataset.training_labels()[rows]
        weights = np.ones(len(rows)) if dataset.weights is None else dataset.weights[rows]
        sequence = np.random.SeedSequence([self._seed, fold.repeat, fold.fold + 1, number])
        found = balanced(
            numbers,
            labels,
            n_classes=len(dataset.classes),
            weights=weights,
            method="smote",
            seed=int(sequence.generate_state(1)[0]),
        )
        new = slice(int((weights > 0).sum()), None)  # the given rows come first
        pixels, columns = source.of_numbers(found.features[new])
        names = [f"made up {place}" for place in range(len(found.labels[new]))]
        facts = MadeRows(
            features=np.zeros((0, 0), dtype=np.float32),
            labels=found.labels[new],
            weights=found.weights[new],
            parents=rows[found.parents[new]],
            columns=_made_columns(dataset, columns),
        )
        return ImageDataset.from_source(pixels, names), facts


def _made_columns(dataset: ImageDataset, columns: Mapping[str, NDArray[np.float64]]) -> tuple[TableColumn, ...]:
    """Table columns of made-up rows in the order of the data set's.

    Raises
    ------
    InputError
        When the data set has others, which nobody knows of rows that are made up.
    """
    strange = [column.name for column in dataset.columns if column.name not in columns]
    if strange:
        raise InputError(
            f"--balance {SMOTE_WINDOWS}: the table column {strange[0]!r} is not known of windows that are made up. "
            "Leave it out, or balance by smote."
        )
    return tuple(TableColumn(column.name, columns[column.name]) for column in dataset.columns)
