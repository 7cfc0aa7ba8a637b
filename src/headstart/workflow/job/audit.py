"""The data set of a job: read, and its files audited."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.data import ImageDataset
from headstart.data.audit.audit import Audit, audit_dataset
from headstart.data.table.array_column import ARRAY
from headstart.errors import ChannelError, DataError, ImageError, InputError, first_few, plural
from headstart.progress import Progress, Silent
from headstart.runtime.machine import available_processors
from headstart.workflow.options.data import DataSource, as_source

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
    data: Data,
    *,
    skip_unreadable: bool,
    n_threads: int | None,
    channels: Sequence[str] | None = None,
    check: Callable[[ImageDataset], None] | None = None,
    progress: Progress | None = None,
) -> AuditedDataset:
    """Read and audit a data set that is to be trained on; `check` may refuse it before any image is decoded.

    Raises
    ------
    ChannelError
        When the first image lacks a channel that is asked for, or shows that some must be chosen.
    DataError
        When it cannot be read or trained on, or files are unreadable and `skip_unreadable` is false.
    """
    progress = progress or Silent()
    dataset, source = open_data(data)
    _check_trainable(dataset)
    if check is not None:
        check(dataset)
    n_workers = n_threads or available_processors()
    if channels is not None:
        check_channels(dataset, channels)
    audit = audit_dataset(dataset, channels=channels, n_workers=n_workers, progress=progress)
    warnings = [*dataset.notes, *audit.warnings]
    if len(audit.unreadable) == len(dataset):
        check_channels(dataset, channels)
    if audit.unreadable:
        _stop_unless(skip_unreadable, audit, len(dataset))
        warnings.append(f"{len(audit.unreadable):,} unreadable images were left out.")
    readable = readable_part(dataset, audit)
    readable.validate_for_training()
    return AuditedDataset(readable, source, audit, tuple(warnings))


def _check_trainable(dataset: ImageDataset) -> None:
    """Refuse what no classifier can be trained on, with what reading noted: the table that has the labels, say."""
    try:
        dataset.validate_for_training()
    except DataError as error:
        if not dataset.notes:
            raise
        raise DataError(f"{error} Reading found: {' '.join(dataset.notes)}") from error


def check_channels(dataset: ImageDataset, channels: Sequence[str] | None) -> None:
    """Look at the channels of the first image, before all of them are read.

    Raises
    ------
    ChannelError
        When it lacks one that is asked for, or has more than can be shown without a choice.
    """
    try:
        dataset.stored(0).decoded(channels=channels)
    except ChannelError:
        raise
    except ImageError:
        return  # for the audit to list


def readable_part(dataset: ImageDataset, audit: Audit) -> ImageDataset:
    """The images that the audit could read, with the content hashes it found."""
    return dataset.with_hashes(audit.hashes).without(audit.unreadable_rows)


def open_data(data: Data) -> tuple[ImageDataset, dict[str, Any] | None]:
    """The data set, and where its pictures lie where that is known."""
    if isinstance(data, ImageDataset):
        return data, data.pixels.location()
    source = as_source(data)
    dataset = source.open()
    return dataset, dataset.pixels.location() or source.to_json()


def table_columns_in(data: Data) -> list[str]:
    """Names of the table columns and the feature array that a data set has, or is to be read with."""
    if isinstance(data, ImageDataset):
        return [column.name if column.kind != ARRAY else f"the feature array {column.name}" for column in data.columns]
    source = as_source(data)
    array = [] if source.feature_array is None else [f"the feature array {source.feature_array}"]
    return [*(source.table_columns or ()), *array]


def require_feature_array(data: Data) -> None:
    """Refuse data without an array of the user's own, for heads that see nothing else.

    Raises
    ------
    InputError
    """
    if isinstance(data, ImageDataset):
        has_array = any(column.kind == ARRAY for column in data.columns)
    else:
        has_array = as_source(data).feature_array is not None
    if not has_array:
        raise InputError(
            "--features array takes an array of your own, and none is given. Add --feature-array FILE (in Python "
            "feature_array=, or dataset.with_feature_array), a row of numbers for each image, or name other features."
        )


def refuse_table_columns(data: Data, reason: str) -> None:
    """Refuse table columns and a feature array in a job that shows a network pictures alone.

    Parameters
    ----------
    data : path, DataSource or ImageDataset
    reason : str
        Who sees pictures alone: ``"A fine-tuned network"``.

    Raises
    ------
    InputError
    """
    names = table_columns_in(data)
    if names:
        raise InputError(f"{reason} sees pictures alone, not table columns ({first_few(names)}). Leave them out.")


def _stop_unless(skip: bool, audit: Audit, n_images: int) -> None:
    if len(audit.unreadable) == n_images:
        _, name, reason = audit.unreadable[0]
        raise DataError(
            f"Of {plural(n_images, 'image')} none can be read; the first, {name}: {reason}. If the files are fine, the "
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
