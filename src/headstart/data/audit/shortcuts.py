"""Shortcuts: facts about the files alone that tell the class, so that a model may learn them instead of the subject."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.audit.examine import ImageFacts
from headstart.data.audit.table import bins_of, dealt_folds, told_from_bins
from headstart.data.dataset import ImageDataset
from headstart.data.table.column import TableColumn
from headstart.errors import first_few

ALPHA: Final = 0.01
"""Share of data sets without a shortcut that are warned of one all the same."""
N_PERMUTATIONS: Final = 99
MAX_ROWS: Final = 20_000
_MIN_GAIN: Final = 0.15  # of the way from chance to certainty
_MIN_GAIN_SOFT: Final = 0.6
_OF_NAMES: Final = frozenset({"length of the file name", "number in the file name"})
_SOFT: Final = _OF_NAMES | {"bytes per pixel", "border colour"}
_LAST_NUMBER: Final = re.compile(r"(\d{1,15})\D*$")

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class FileFactsTable:
    """Facts about the files of a data set, one column of bins each.

    Attributes
    ----------
    names : tuple of str
        What the facts are called.
    bins : ndarray of shape (n_facts, n_images), int64
        Number of the bin of every image: values that are equal or, of numbers, of about the same size.
    """

    names: tuple[str, ...]
    bins: Integers

    def take(self, rows: Sequence[int]) -> FileFactsTable:
        """The facts of some images."""
        return FileFactsTable(self.names, self.bins[:, np.asarray(rows, dtype=np.int64)])


@dataclass(frozen=True)
class JudgedFact:
    """How well one fact about the files tells the class by itself.

    Attributes
    ----------
    name : str
    balanced_accuracy : float
        Of the likeliest class of every bin, each image judged by those of the other folds.
    is_shortcut : bool
        Whether it is clearly above chance.
    """

    name: str
    balanced_accuracy: float
    is_shortcut: bool


def file_facts_table(dataset: ImageDataset, records: Sequence[ImageFacts]) -> FileFactsTable | None:
    """Facts of every image that differ between images; None where the pictures lie in no files.

    Parameters
    ----------
    dataset : ImageDataset
    records : sequence of ImageFacts
        One per image.
    """
    if not records or not any(record.file is not None for record in records):
        return None
    columns = dict(_columns(dataset, records))
    varying = {name: bins for name, bins in columns.items() if bins.min() < bins.max()}
    stacked = np.stack(list(varying.values())) if varying else np.zeros((0, len(records)), dtype=np.int64)
    return FileFactsTable(tuple(varying), stacked)


def _columns(dataset: ImageDataset, records: Sequence[ImageFacts]) -> Iterator[tuple[str, Integers]]:
    headers = [record.header for record in records]
    files = [record.file for record in records]
    nan = float("nan")
    widths = np.array([nan if one is None else one.width for one in headers])
    heights = np.array([nan if one is None else one.height for one in headers])
    n_bytes = np.array([nan if one is None else one.n_bytes for one in files])
    yield "width", _binned(widths)
    yield "height", _binned(heights)
    yield "aspect ratio", _binned(np.round(widths / heights, 3))
    yield "bytes per pixel", _binned(n_bytes / (widths * heights))
    yield "file format", _coded([None if one is None else one.format for one in headers])
    yield "colour mode", _coded([None if one is None else one.mode for one in headers])
    yield "compression tables", _coded([None if one is None else one.compression for one in files])
    yield "camera", _coded([None if one is None else one.camera for one in files])
    yield "border colour", _border_bins(np.array([[nan] * 4 if one is None else one.border for one in files]))
    if _in_one_folder(dataset):
        stems = [PurePosixPath(name).stem for name in dataset.names]
        numbers = [_LAST_NUMBER.search(stem) for stem in stems]
        yield "length of the file name", _binned(np.array([float(len(stem)) for stem in stems]))
        yield "number in the file name", _binned(np.array([nan if one is None else float(one[1]) for one in numbers]))


def _in_one_folder(dataset: ImageDataset) -> bool:
    """Whether classes share folders: where each has its own, names and numbers begin anew in each."""
    if dataset.labels is None:
        return False
    folders: dict[str, set[int]] = {}
    for name, label in zip(dataset.names, dataset.labels.tolist(), strict=True):
        folders.setdefault(name.rpartition("/")[0], set()).add(label)
    return any(len(labels) > 1 for labels in folders.values())


def _binned(values: NDArray[Any]) -> Integers:
    return bins_of(TableColumn("fact", values))


def _coded(values: Sequence[str | None]) -> Integers:
    known = {value: number + 1 for number, value in enumerate(sorted({one for one in values if one is not None}))}
    return np.array([0 if one is None else known[one] for one in values], dtype=np.int64)


def _border_bins(border: NDArray[Any]) -> Integers:
    """Bins of brightness and of evenness together: a frame is even, whatever its grey."""
    brightness, spread = border[:, :3].mean(axis=1), border[:, 3]
    level = np.where(np.isnan(brightness), 0, np.nan_to_num(brightness) // 16 + 1).astype(np.int64)
    evenness = np.digitize(np.nan_to_num(spread), [2.0, 8.0, 32.0])
    return np.asarray(level * 4 + evenness, dtype=np.int64)


def judge_facts(
    table: FileFactsTable,
    labels: Integers,
    *,
    n_classes: int,
    groups: Integers | None = None,
    folds: Integers | None = None,
    seed: int = 0,
) -> tuple[JudgedFact, ...]:
    """Every fact by itself, the most telling first.

    A fact is called a shortcut where it lies at least 15 % of the way from chance to certainty (60 % for facts that
    depend on the subject too: bytes per pixel, border, names) and tells more than the best of all facts does in each
    of 99 permutations of the labels, in which those of one group move together. So at most one data set in a hundred
    without a shortcut is warned.

    Parameters
    ----------
    table : FileFactsTable
    labels : ndarray of shape (n_images,), int64
    n_classes : int
    groups : ndarray of shape (n_images,), int64, optional
    folds : ndarray of shape (n_images,), int64, optional
        Fold in which every image is judged. Default: five that keep groups whole.
    seed : int
        Of the permutations.
    """
    rows = np.linspace(0, len(labels) - 1, min(len(labels), MAX_ROWS)).astype(np.int64)
    labels, groups = labels[rows], None if groups is None else groups[rows]
    folds = dealt_folds(labels, groups) if folds is None else folds[rows]
    bins = table.bins[:, rows]
    scores = dict(zip(table.names, _scores(bins, labels, folds, n_classes), strict=True))
    chance = 1.0 / max(1, len(np.unique(labels)))
    left = {name for name, score in scores.items() if score - chance >= _min_gain(name) * (1.0 - chance)}
    generator = np.random.default_rng(seed)
    for _ in range(N_PERMUTATIONS):
        if not left:
            break
        best = max(_scores(bins, _permuted(labels, groups, generator), folds, n_classes))
        left = {name for name in left if scores[name] > best}
    judged = [JudgedFact(name, score, name in left) for name, score in scores.items()]
    return tuple(sorted(judged, key=lambda one: (-one.balanced_accuracy, one.name)))


def _scores(bins: Integers, labels: Integers, folds: Integers, n_classes: int) -> list[float]:
    return [told_from_bins(one, labels, folds, n_classes) for one in bins]


def _min_gain(name: str) -> float:
    return _MIN_GAIN_SOFT if name in _SOFT else _MIN_GAIN


def _permuted(labels: Integers, groups: Integers | None, generator: np.random.Generator) -> Integers:
    """Labels in another order; those of one group stay beside each other."""
    if groups is None:
        return np.asarray(generator.permutation(labels))
    order = np.argsort(groups, kind="stable")
    blocks = np.split(labels[order], np.flatnonzero(np.diff(groups[order])) + 1)
    permuted = np.empty_like(labels)
    permuted[order] = np.concatenate([blocks[place] for place in generator.permutation(len(blocks)).tolist()])
    return permuted


def shortcut_warnings(judged: Sequence[JudgedFact], n_classes: int, said: Sequence[str] = ()) -> Iterator[str]:
    """Warnings that name the facts which tell the class: those of the pictures, and those of their names.

    Parameters
    ----------
    judged : sequence of JudgedFact
    n_classes : int
    said : sequence of str
        Warnings given already: what one of them says of a format, a size or a mode is not said again.
    """
    found = [one for one in judged if one.is_shortcut and not _is_said(one.name, said)]
    in_pictures = [one for one in found if one.name not in _OF_NAMES]
    of_names = [one for one in found if one.name in _OF_NAMES]
    chance = f"{1.0 / n_classes:.2f}"
    if in_pictures:
        yield (
            f"Facts about the files tell the class without a look at the subject, by balanced accuracy (chance is "
            f"{chance}): {_scored(in_pictures)}. A model may learn how the pictures were made, and the scores would "
            "flatter. Bring all classes to one size, format and way of taking, or judge on pictures that agree in them."
        )
    if of_names:
        yield (
            f"The names of the files tell the class, by balanced accuracy (chance is {chance}): {_scored(of_names)}. "
            "The pictures seem to have been taken class by class; light, device or day may differ with the class too."
        )


def _scored(facts: Sequence[JudgedFact]) -> str:
    return first_few(f"{one.name} ({one.balanced_accuracy:.2f})" for one in facts)


def _is_said(name: str, said: Sequence[str]) -> bool:
    trait = "size in pixels" if name in ("width", "height", "aspect ratio") else name
    return any(words.startswith(f"The {trait} alone tells") for words in said)
