"""Data sets in the style of torch: a length, and items of an image and its label."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.errors import DataError


def is_mapped(value: object) -> bool:
    """Whether a value is a data set of torch.

    Raises
    ------
    DataError
        For one without a length, whose pictures come in whatever order once.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.utils.data.Dataset):
        return False
    if isinstance(value, torch.utils.data.IterableDataset) or not hasattr(value, "__len__"):
        raise DataError(
            f"{type(value).__name__} is a data set without a length, whose images can be read once alone. Give one of "
            "the map style, with __len__ and __getitem__."
        )
    return True


@dataclass(frozen=True, eq=False)
class MappedItems:
    """Pictures of such a data set, each fetched when it is asked for."""

    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> Any:
        item = self.dataset[row]
        if isinstance(item, tuple | list):
            return item[0] if item else None
        return item["image"] if isinstance(item, Mapping) and "image" in item else item


def mapped_labels(dataset: Any) -> list[Any] | None:
    """Label of every item, as text where the data set names its classes; None where items have none.

    Torchvision's data sets list them as ``targets``, untouched by a ``target_transform``. Of one that has such a
    transform, and of any other, each item is fetched once, and its image let go.

    Raises
    ------
    DataError
        When an item cannot be fetched, or its label is none of the classes or more than one number.
    """
    is_changed = getattr(dataset, "target_transform", None) is not None
    targets = None if is_changed else getattr(dataset, "targets", None)
    if targets is not None and len(targets) == len(dataset):
        labels = [_plain(label, row) for row, label in enumerate(targets)]
    else:
        labels = [_label_of(dataset, row) for row in range(len(dataset))]
    if labels and all(label is None for label in labels):
        return None
    names = None if is_changed else getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple) or not all(isinstance(label, int) for label in labels):
        return labels
    beyond = [row for row, label in enumerate(labels) if not 0 <= label < len(names)]
    if beyond:
        raise DataError(f"The label of item {beyond[0]} is {labels[beyond[0]]}, and there are {len(names)} classes.")
    return [str(names[label]) for label in labels]


def _label_of(dataset: Any, row: int) -> Any:
    try:
        item = dataset[row]
    except Exception as error:  # whatever a data set of somebody else raises
        raise DataError(
            f"Item {row} of the data set cannot be fetched ({type(error).__name__}: {error!s:.200})."
        ) from error
    if isinstance(item, tuple | list):
        return _plain(item[1], row) if len(item) > 1 else None
    return _plain(item.get("label"), row) if isinstance(item, Mapping) else None


def _plain(label: Any, row: int) -> Any:
    """A label as Python's own value: numbers of numpy and tensors of one number are numbers."""
    try:
        return label.item() if hasattr(label, "item") else label
    except (RuntimeError, ValueError) as error:  # of torch, of numpy
        raise DataError(
            f"The label of item {row} holds several numbers (shape {tuple(label.shape)}), and an image is of one "
            "class. Give the number or name of its class."
        ) from error
