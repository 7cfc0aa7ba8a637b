"""Images that are copies of each other, which must stay in one group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.data.groups import join_groups
from headstart.errors import SplitError, first_few, plural
from headstart.features.near_duplicates import BACKGROUND, RATIO, confirm_near_duplicates
from headstart.progress import Progress
from headstart.workflow.job.audit import AuditedDataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.data.audit.audit import Audit


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """Images that are copies of each other, and the groups once these are joined.

    Attributes
    ----------
    exact, near : list of (str, str)
        Names of the pairs: identical files or pixels, and near duplicates confirmed in feature space.
    turned : list of (str, str)
        Names of the pairs of which one is the other mirrored or turned.
    cropped : list of (str, str)
        Names of the further pairs of which one is a crop of the other, or the other turned by a few degrees.
    n_candidates : int
        Pairs with alike perceptual hashes that were looked at.
    groups : ndarray of shape (n_images,), int64, or None
        The user's groups with near-duplicates joined; None where there are neither.
    """

    exact: list[tuple[str, str]]
    near: list[tuple[str, str]]
    turned: list[tuple[str, str]]
    cropped: list[tuple[str, str]]
    n_candidates: int
    groups: NDArray[np.int64] | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for results.json."""
        return {
            "exact_pairs": len(self.exact),
            "candidates_by_perceptual_hash": self.n_candidates,
            "confirmed_in_feature_space": len(self.near),
            "ratio": RATIO,
            "background_neighbour": BACKGROUND,
            "near_pairs": [f"{first} = {second}" for first, second in self.near],
            "mirrored_or_turned": [f"{first} = {second}" for first, second in self.turned],
            "cropped_or_rotated": [f"{first} = {second}" for first, second in self.cropped],
        }

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names of all pairs that are joined."""
        return [*self.exact, *self.near, *self.turned, *self.cropped]


def find_near_duplicates(dataset: ImageDataset, audit: Audit, features: NDArray[np.float32]) -> NearDuplicates:
    """Near-duplicates of a data set, each set of them joined with the user's groups.

    Exact copies are found by the audit; candidates with alike perceptual hashes are confirmed in feature space, where
    one of each set of exact copies stands for all.

    Parameters
    ----------
    dataset : ImageDataset
        The readable part of what was audited.
    audit : Audit
    features : ndarray of shape (n_images, n_features), float32
        One row per image of `dataset`.
    """
    exact = exact_pairs(audit)
    copies = {second for _, second in exact}
    unique = [row for row in range(len(dataset)) if row not in copies]
    place = {row: number for number, row in enumerate(unique)}
    row_of = _readable_rows(audit)
    candidates = [
        (place[row_of[first]], place[row_of[second]], bits)
        for first, second, bits in audit.candidates
        if row_of[first] in place and row_of[second] in place
    ]
    near = [
        (unique[first], unique[second]) for first, second in confirm_near_duplicates(features, candidates, rows=unique)
    ]
    turned = turned_pairs(audit)
    known = {*near, *turned}
    cropped = [pair for pair in cropped_pairs(audit) if pair not in known]
    pairs = [*exact, *near, *turned, *cropped]
    joined = dataset.groups if not pairs else join_groups(dataset.groups, pairs, len(dataset))
    named = [_named(dataset, found) for found in (exact, near, turned, cropped)]
    return NearDuplicates(named[0], named[1], named[2], named[3], len(candidates), joined)


def exact_pairs(audit: Audit) -> list[tuple[int, int]]:
    """Every exact duplicate with the first of its set, as rows of the readable part."""
    return _readable_pairs(audit, audit.duplicate_pairs)


def turned_pairs(audit: Audit) -> list[tuple[int, int]]:
    """Every image and its mirrored or turned copy, as rows of the readable part."""
    return _readable_pairs(audit, audit.copies)


def cropped_pairs(audit: Audit) -> list[tuple[int, int]]:
    """Every image and a crop of it or the image turned by a few degrees, as rows of the readable part."""
    return _readable_pairs(audit, audit.cropped)


def _readable_pairs(audit: Audit, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    row_of = _readable_rows(audit)
    return [(row_of[first], row_of[second]) for first, second in pairs]


def _readable_rows(audit: Audit) -> dict[int, int]:
    """Row in the readable part by row in the audited data set."""
    unreadable = set(audit.unreadable_rows)
    readable = (row for row in range(audit.n_images) if row not in unreadable)
    return {row: number for number, row in enumerate(readable)}


def _named(dataset: ImageDataset, pairs: Sequence[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(dataset.names[first], dataset.names[second]) for first, second in pairs]


def join_near_duplicates(
    audited: AuditedDataset, features: NDArray[np.float32], labels: Sequence[str], progress: Progress
) -> tuple[ImageDataset, NearDuplicates]:
    """The data set with near-duplicates joined to groups (as it was where there are none), and what was found.

    Parameters
    ----------
    audited : AuditedDataset
    features : ndarray of shape (n_images, n_features), float32
        Those of the first source, which confirm.
    labels : sequence of str
        Names of all sources.
    progress : Progress
        Told which features confirm where there are several.
    """
    if len(labels) > 1 and audited.audit.candidates:
        progress.note(f"Near duplicates are confirmed by the features of {labels[0]}.")
    dataset = audited.dataset
    found = find_near_duplicates(dataset, audited.audit, features)
    if found.groups is None or not found.pairs:
        return dataset, found
    return dataset.with_groups(found.groups), found


def join_copies(audited: AuditedDataset) -> ImageDataset:
    """The data set with the copies that the audit found joined to groups, before features can tell of others."""
    pairs = _pairs_of_audit(audited)
    dataset = audited.dataset
    return dataset if not pairs else dataset.with_groups(join_groups(dataset.groups, pairs, len(dataset)))


def copy_names(audited: AuditedDataset) -> list[tuple[str, str]]:
    """Names of the pairs of copies that the audit found."""
    return _named(audited.dataset, _pairs_of_audit(audited))


def _pairs_of_audit(audited: AuditedDataset) -> list[tuple[int, int]]:
    audit = audited.audit
    return [*exact_pairs(audit), *turned_pairs(audit), *cropped_pairs(audit)]


@contextmanager
def named_as_copies(dataset: ImageDataset, pairs: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Say of a split that cannot be drawn where its groups come from, where the data named none.

    Parameters
    ----------
    dataset : ImageDataset
        The data as they were given, before copies were joined.
    pairs : sequence of (str, str)
        Names of the copies that were joined.
    """
    try:
        yield
    except SplitError as error:
        if dataset.groups is not None or not pairs:
            raise
        listed = first_few(f"{first} = {second}" for first, second in pairs)
        raise SplitError(
            f"{error} No groups were given: these are near-duplicates, which stay on one side of every split "
            f"({plural(len(pairs), 'pair')}: {listed})."
        ) from error
