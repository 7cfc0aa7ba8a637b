"""First steps of every job: read the data set, audit its files, open the backbone, find the twins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.augment import View
from headstart.backbones.registry import DEFAULT_BACKBONE
from headstart.data import ImageDataset
from headstart.data.audit.audit import Audit, audit_dataset
from headstart.data.groups import join_groups
from headstart.data.images.pixels import FilePixels
from headstart.data.readers.table import DatasetTable
from headstart.data.split.checks import check_fold_weights
from headstart.data.split.file import read_split
from headstart.data.split.make import split_dataset
from headstart.data.split.split import Split
from headstart.engines.engine import available_processors
from headstart.errors import DataError
from headstart.features.cache import CacheLimit, FeatureCache, named_limit, parse_size
from headstart.features.near_duplicates import BACKGROUND, RATIO, confirm_twins
from headstart.features.open import ExtractionSettings
from headstart.progress import Progress, Silent
from headstart.storage import default_cache_folder
from headstart.study.execution.tasks import work_groups
from headstart.study.folds import final_fold, outer_folds
from headstart.study.plan import StudyPlan
from headstart.study.search.space import Space
from headstart.workflow.options.data import DataSource, as_source
from headstart.workflow.options.fit import FitOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Data = str | os.PathLike[str] | DataSource | ImageDataset
_LISTED = 20


@dataclass(frozen=True, eq=False)
class AuditedDataset:
    """A data set whose files were looked at.

    Attributes
    ----------
    dataset : ImageDataset
        Readable images only, with their content hashes.
    source : dict or None
        Where it comes from; None for a data set in memory.
    audit : Audit
    warnings : tuple of str
    """

    dataset: ImageDataset
    source: dict[str, Any] | None
    audit: Audit
    warnings: tuple[str, ...]


def audit_data(
    data: Data, *, skip_unreadable: bool, n_threads: int | None, progress: Progress | None = None
) -> AuditedDataset:
    """Read and audit a data set that is to be trained on.

    Raises
    ------
    DataError
        When it cannot be read or trained on, or files are unreadable and `skip_unreadable` is false.
    """
    progress = progress or Silent()
    dataset, source = open_data(data)
    dataset.validate_for_training()
    n_workers = n_threads or available_processors()
    audit = audit_dataset(dataset, n_workers=n_workers, progress=progress)
    warnings = [*dataset.notes, *audit.warnings]
    if audit.unreadable:
        _stop_unless(skip_unreadable, audit, len(dataset))
        warnings.append(f"{len(audit.unreadable):,} unreadable images were left out.")
    readable = readable_part(dataset, audit)
    readable.validate_for_training()
    return AuditedDataset(readable, source, audit, tuple(warnings))


def readable_part(dataset: ImageDataset, audit: Audit) -> ImageDataset:
    """The images that the audit could read, with the content hashes it found."""
    return dataset.with_hashes(audit.hashes).without(audit.unreadable_rows)


def open_data(data: Data) -> tuple[ImageDataset, dict[str, Any] | None]:
    """The data set, and where its pictures lie if that can be said."""
    if isinstance(data, ImageDataset):
        return data, data.pixels.location()
    source = as_source(data)
    dataset = source.open()
    return dataset, dataset.pixels.location() or source.to_json()


def reopen_pictures(source: dict[str, Any] | None, names: Sequence[str]) -> ImageDataset:
    """The pictures of a run, for its report.

    Parameters
    ----------
    source : dict or None
        What `open_data` said of them.
    names : sequence of str
        Names of the images.

    Raises
    ------
    RunError
        When the run does not say where its pictures lie.
    DataError
        When they are no longer there.
    """
    if source is not None and set(source) == {"root", "confined"}:
        root = Path(source["root"])
        if not root.is_dir():
            raise DataError(f"{root}, where the images lay, is gone.")
        return ImageDataset.from_table(DatasetTable(names=names), FilePixels(root, confined=bool(source["confined"])))
    return DataSource.from_json(source).open()


def _stop_unless(skip: bool, audit: Audit, n_images: int) -> None:
    if len(audit.unreadable) == n_images:
        _, name, reason = audit.unreadable[0]
        raise DataError(
            f"None of the {n_images:,} images can be read; the first, {name}: {reason}. If the files are fine, the "
            "paths do not lead to them: those of a table start from its own folder, or from the one named by --root."
        )
    if skip:
        return
    listed = "\n".join(f"  {name}: {reason}" for _, name, reason in audit.unreadable[:_LISTED])
    more = f"\n  ... and {len(audit.unreadable) - _LISTED:,} more" if len(audit.unreadable) > _LISTED else ""
    raise DataError(
        f"{len(audit.unreadable):,} of {n_images:,} images cannot be read:\n{listed}{more}\n"
        "Mend or remove them, or leave them out with --skip-unreadable."
    )


def extraction_settings(options: FitOptions) -> ExtractionSettings:
    """What the options of one source say about feature extraction; the default backbone is never downloaded."""
    side = options.input_size
    return ExtractionSettings(
        backbone=options.backbone or DEFAULT_BACKBONE,
        weights=options.weights,
        input_size=None if not side else (side, side),
        resize=options.resize,
        white_level=options.white_level,
        decode=options.decode,
        device=options.device,
        n_threads=options.n_threads,
        engine=options.engine,
        precision=options.precision,
        batch_size=options.batch_size,
        offline=options.offline or options.backbone is None,
        seed=options.seed,
    )


def open_cache(
    name: str | None, *, fallback: Path | None = None, limit: str | None = None, progress: Progress | None = None
) -> FeatureCache:
    """The feature cache: the user's default one, a folder, or (for None) the fallback; see `FitOptions.cache_limit`."""
    folder = fallback if name is None else default_cache_folder() if name == "default" else Path(name)
    asked = named_limit() if limit is None else CacheLimit(parse_size(limit))  # a limit that is none is said at once
    return FeatureCache(folder, limit=asked, progress=progress)


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """Images that are copies of each other, and the groups once these are joined.

    Attributes
    ----------
    exact, near : list of (str, str)
        Names of the pairs: identical files or pixels, and near duplicates confirmed in feature space.
    n_candidates : int
        Pairs with alike perceptual hashes that were looked at.
    groups : ndarray of shape (n_images,), int64, or None
        The user's groups with twins joined; None where there are neither groups nor twins.
    """

    exact: list[tuple[str, str]]
    near: list[tuple[str, str]]
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
        }


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
    near = [(unique[first], unique[second]) for first, second in confirm_twins(features, candidates, rows=unique)]
    pairs = [*exact, *near]
    joined = dataset.groups if not pairs else join_groups(dataset.groups, pairs, len(dataset))
    return NearDuplicates(_named(dataset, exact), _named(dataset, near), len(candidates), joined)


def exact_pairs(audit: Audit) -> list[tuple[int, int]]:
    """Every exact duplicate with the first of its set, as rows of the readable part."""
    row_of = _readable_rows(audit)
    return [(row_of[first], row_of[second]) for first, second in audit.duplicate_pairs]


def _readable_rows(audit: Audit) -> dict[int, int]:
    """Row in the readable part by row in the audited data set."""
    unreadable = set(audit.unreadable_rows)
    readable = (row for row in range(audit.n_images) if row not in unreadable)
    return {row: number for number, row in enumerate(readable)}


def _named(dataset: ImageDataset, pairs: Sequence[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(dataset.names[first], dataset.names[second]) for first, second in pairs]


def make_run_split(dataset: ImageDataset, options: FitOptions) -> Split:
    """The split asked for: made, or read from the file that holds it."""
    if options.split_file is not None:
        split = read_split(options.split_file, dataset.names, labels=dataset.label_names(), groups=dataset.groups)
    else:
        split = split_dataset(dataset, scheme=options.split, repeats=options.repeats, seed=options.seed)
    check_fold_weights(split, dataset.weights, source=str(options.split_file or "The split"))
    return split


def check_halving(space: Space, split: Split) -> None:
    """Refuse a halving that wants more inner folds than there are.

    Raises
    ------
    InputError
    """
    if space.halving is not None:
        space.halving.check_folds(split.n_inner)


def check_memory(plan: StudyPlan, split: Split, widths: Sequence[int], n_classes: int) -> None:
    """Refuse a head that alone takes more memory than it may, before anything is written or computed.

    Parameters
    ----------
    plan : StudyPlan
    split : Split
    widths : sequence of int
        Features of each source.
    n_classes : int

    Raises
    ------
    InputError
    """
    n_rows = max(len(fold.train) for fold in [*outer_folds(split), final_fold(split)])
    for number, width in enumerate(widths):
        for members in plan.by_training_set(plan.of_source(number)).values():
            heads = [plan.candidates[index].head for index in members]
            work_groups(heads, width, n_classes, plan.rows_of(plan.candidates[members[0]], n_rows))


def check_views(views: Sequence[View], sizes: Sequence[tuple[int, int]]) -> None:
    """Refuse views that do not fit the shape (height, width) of the prepared pixels of some source.

    Raises
    ------
    InputError
    """
    for size in sizes:
        for view in views:
            view.check_takes(size)
