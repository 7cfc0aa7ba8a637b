"""`read_dataset`: a data set from any path that some reader takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.data.dataset import ImageDataset
from headstart.data.images.files import accepting_damaged
from headstart.data.readers import ReadOptions, find_reader
from headstart.data.readers.manifest.columns import ManifestColumns
from headstart.data.readers.table import DatasetTable


def read_dataset(
    path: str | os.PathLike[str] | ImageDataset,
    *,
    group_from: str | None = None,
    columns: ManifestColumns | Mapping[str, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    classes: Sequence[str] | None = None,
    partition: str | None = None,
    votes: str | None = None,
    table_columns: Sequence[str] | None = None,
    table: str | os.PathLike[str] | None = None,
    feature_array: str | os.PathLike[str] | None = None,
    allow_outside: bool = False,
    split_folders: str | None = None,
    accept_damaged: bool = False,
) -> ImageDataset:
    """Data set from any path that a reader of `headstart.data.readers` takes, or from a data set.

    Parameters
    ----------
    path : path or ImageDataset
        A data set is returned as it is.
    group_from : str, optional
        Regular expression that takes the group from the name; see `ImageDataset.from_folder`.
    columns, root : optional
        For manifests; see `ImageDataset.from_manifest`.
    classes : sequence of str, optional
        Class names in the requested order. Default: natural order.
    partition : str, optional
        For archives; see `ImageDataset.from_npz`.
    votes : {"majority", "shares"}, optional
        For manifests with several raters; see `ImageDataset.from_manifest`. Default: "majority".
    table_columns : sequence of str, optional
        For manifests and archives: further columns that stand beside the pictures, such as ``age`` or
        ``site:category``; see `headstart.data.table.column.TableColumn`.
    table : path, optional
        CSV or Parquet that has the table columns, with the name of each image in a column ``image``; for folders too.
    feature_array : path, optional
        ``.npy`` or ``.npz`` with numbers of your own for each image, which stand beside the pictures too; see
        `headstart.data.table.array_file.read_feature_array`.
    allow_outside : bool
        Let links and paths lead out of the folder.
    split_folders : {"pool", "classes"}, optional
        For folders; see `ImageDataset.from_folder`.
    accept_damaged : bool
        Take pictures of which a part is missing as their decoders fill them, grey or black; the audit names them.

    Returns
    -------
    ImageDataset

    Raises
    ------
    DataError
        When `path` is missing, of a kind that is not read, damaged, or an option does not belong to its kind.
    """
    if isinstance(path, ImageDataset):
        return path
    source = Path(path)
    own_columns = table_columns if table is None else None
    options = ReadOptions(columns, root, partition, votes, own_columns, allow_outside, split_folders)
    reader = find_reader(source)
    reader.check_options(source, options)
    found, pixels = reader.read(source, options)
    if table is not None:
        found = _with_side_table(found, Path(table), table_columns or ())
    if accept_damaged:
        pixels = accepting_damaged(pixels)
    dataset = ImageDataset.from_table(found.grouped(group_from), pixels, classes=classes)
    return dataset if feature_array is None else dataset.with_feature_array(feature_array)


def _with_side_table(found: DatasetTable, path: Path, table_columns: Sequence[str]) -> DatasetTable:
    from headstart.data.readers.manifest.side_table import with_side_table
    from headstart.data.table.request import requested_columns

    return with_side_table(found, path, requested_columns(table_columns))
