"""`SplitTask`: what is to be split, checked, in an order that does not depend on that of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.groups import number_by_appearance
from headstart.data.split.split import Rows
from headstart.data.split.stratify import Strata, assign_folds
from headstart.errors import SplitError


@dataclass(frozen=True, eq=False)
class SplitTask:
    """Columns to be split, checked and in the order of the image names."""

    order: Rows
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    grouped: bool
    strata: Strata
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        labels: ArrayLike,
        *,
        groups: ArrayLike | None,
        weights: ArrayLike | None,
        strata: ArrayLike | None,
        names: Sequence[str] | None,
        classes: Sequence[str] | None,
    ) -> SplitTask:
        """The task from the arguments of `headstart.data.split.make.make_split`."""
        codes = np.asarray(labels, dtype=np.int64)
        n_images = len(codes)
        if codes.ndim != 1 or n_images == 0 or codes.min() < 0:
            raise SplitError("labels must be class codes from 0 up, one for each of at least one image.")
        named = tuple(f"{row:06d}" for row in range(n_images)) if names is None else tuple(names)
        for kind, column in (("groups", groups), ("weights", weights), ("strata", strata), ("names", named)):
            if column is not None and len(np.asarray(column)) != n_images:
                raise SplitError(f"There are {len(np.asarray(column)):,} {kind} for {n_images:,} images.")
        order = np.arange(n_images) if names is None else np.argsort(np.array(named, dtype=object), kind="stable")
        n_classes = max(int(codes.max()) + 1, len(classes or ()))
        kind_of = codes if weights is None else codes + n_classes * (np.asarray(weights, dtype=np.float64) == 0)
        extra = np.zeros(n_images, dtype=np.int64) if strata is None else codes_of(strata)
        return cls(
            order=order,
            names=tuple(named[row] for row in order.tolist()),
            labels=codes[order],
            groups=np.arange(n_images) if groups is None else number_by_appearance(codes_of(groups)[order]),
            grouped=groups is not None,
            strata=Strata(kind_of * (int(extra.max()) + 1) + extra, kind_of, n_classes).take(order),
            classes=tuple(classes) if classes is not None else tuple(str(code) for code in range(n_classes)),
        )

    def label_names(self) -> tuple[str, ...]:
        """Class name of every image."""
        return tuple(self.classes[code] for code in self.labels.tolist())

    def class_units(self) -> dict[str, tuple[int, int]]:
        """Images and groups of every class that occurs, counting images of positive weight."""
        pairs, sizes = self.class_groups()
        n_images = np.bincount(pairs[:, 0], weights=sizes, minlength=len(self.classes))
        n_groups = np.bincount(pairs[:, 0], minlength=len(self.classes))
        return {
            self.classes[code]: (int(n_images[code]), int(n_groups[code])) for code in np.unique(self.labels).tolist()
        }

    def class_groups(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every class and group (n_pairs, 2) with images of positive weight, and the number of these (n_pairs,)."""
        counted = self.strata.kind < self.strata.n_needed
        width = int(self.groups.max()) + 1
        pairs, sizes = np.unique(self.labels[counted] * width + self.groups[counted], return_counts=True)
        return np.stack(np.divmod(pairs, width), axis=1), sizes

    def draw(
        self, rows: Rows, fractions: Sequence[float], seed: np.random.SeedSequence, kind: str
    ) -> NDArray[np.int64]:
        """Fold of each of `rows`."""
        folds = assign_folds(self.strata.take(rows), self.groups[rows], fractions, seed)
        if folds is None:
            raise SplitError(
                f"No {kind} split into {len(fractions)} parts was found that keeps the groups whole and has every "
                "class in every part: the groups mix the classes too unevenly. Use fewer folds, or smaller groups."
            )
        return folds

    def torn_groups(self, folds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Groups with images in more than one of these folds."""
        low = np.full(int(self.groups.max()) + 1, np.iinfo(np.int64).max)
        high = np.full(len(low), -1)
        np.minimum.at(low, self.groups, folds)
        np.maximum.at(high, self.groups, folds)
        return np.flatnonzero(low != high)

    def members(self, group: int) -> list[str]:
        """Names of the images of a group."""
        return [self.names[row] for row in np.flatnonzero(self.groups == group).tolist()]


def codes_of(values: ArrayLike) -> NDArray[np.int64]:
    """Numbers 0..k-1 for the distinct values, in their order."""
    return np.unique(np.asarray(values), return_inverse=True)[1].reshape(-1).astype(np.int64)
