"""`read_dataset`: a data set from any path that some reader takes, or from what a caller has in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.dataset import ImageDataset
from headstart.data.images.files import accepting_damaged
from headstart.data.readers import ReadOptions, find_reader
from headstart.data.readers.manifest.columns import ManifestColumns
from headstart.data.readers.table import DatasetTable

if TYPE_CHECKING:
    from headstart.data.images.source import ImageSource
    from headstart.data.memory.collection import Pictures
    from headstart.data.memory.form import PictureForm


def read_dataset(
    path: str | os.PathLike[str] | ImageDataset | Pictures,
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
    """Data set from any path that a reader of `headstart.data.readers` takes, or from what a caller has in memory.

    Parameters
    ----------
    path : path, ImageDataset, table, data set of torch or Hugging Face, or pictures
        An ImageDataset is returned as it is. A frame of pandas or polars and a data set of Hugging Face are read by the
        rules of a manifest, with its names of columns; a data set of torch gives items of an image and its label.
        Pictures alone have no labels: `ImageDataset.from_images` takes both.
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
        For folders, see `ImageDataset.from_folder`; for manifests with a column that names parts of a split: pool.
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
    own_columns = table_columns if table is None else None
    options = ReadOptions(columns, root, partition, votes, own_columns, allow_outside, split_folders)
    if isinstance(path, str | os.PathLike):
        found, pixels = _read_path(Path(path), options)
    else:
        found, pixels = _read_memory(path, options, accept_damaged=accept_damaged)
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


def as_dataset(pictures: Pictures, form: PictureForm | None = None) -> ImageDataset:
    """Pictures of any kind as a data set with a row for each, in their order; labels they bring along are not read.

    Parameters
    ----------
    pictures : ImageDataset, path, Pillow image, array, tensor, sequence of these, data set, or table
        See docs/data.md. A path may occur more than once: its rows share its name.
    form : PictureForm, optional
        How they are read, and what messages call them.

    Raises
    ------
    DataError
        When it is none of these, naming the row.
    """
    from headstart.data.memory.collection import collected
    from headstart.data.memory.form import PictureForm

    if isinstance(pictures, ImageDataset):
        return pictures
    found = collected(pictures, form or PictureForm())
    place = {name: number for number, name in enumerate(dict.fromkeys(found.names))}
    distinct = ImageDataset.from_table(DatasetTable(names=tuple(place)), found.source)
    return distinct if len(place) == len(found.names) else distinct.subset([place[name] for name in found.names])


def _read_path(path: Path, options: ReadOptions) -> tuple[DatasetTable, ImageSource]:
    reader = find_reader(path)
    reader.check_options(path, options)
    return reader.read(path, options)


def _read_memory(data: Pictures, options: ReadOptions, *, accept_damaged: bool) -> tuple[DatasetTable, ImageSource]:
    from headstart.data.memory.form import PictureForm
    from headstart.data.memory.labelled import labelled_pictures

    return labelled_pictures(data, options, PictureForm("data", damage={} if accept_damaged else None))
