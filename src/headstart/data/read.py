"""`read_dataset`: the one entry for everything a user may point at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.data.dataset import ImageDataset
from headstart.data.readers.manifest.columns import ManifestColumns
from headstart.errors import DataError

_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")


def read_dataset(
    path: str | os.PathLike[str] | ImageDataset,
    *,
    group_from: str | None = None,
    columns: ManifestColumns | Mapping[str, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    classes: Sequence[str] | None = None,
    partition: str | None = None,
    votes: str | None = None,
    allow_outside: bool = False,
) -> ImageDataset:
    """Data set from whatever `path` is: a folder, a CSV or Parquet manifest, a ``.npz`` archive, or a data set.

    Parameters
    ----------
    path : path or ImageDataset
        A data set is returned as it is.
    group_from : str, optional
        Regular expression that takes the group from the name; see `ImageDataset.from_folder`.
    columns, root : optional
        For manifests; see `ImageDataset.from_manifest`.
    classes : sequence of str, optional
        Class names in the order wanted. Default: natural order.
    partition : str, optional
        For archives; see `ImageDataset.from_npz`.
    votes : {"majority", "shares"}, optional
        For manifests with several raters; see `ImageDataset.from_manifest`. Default: "majority".
    allow_outside : bool
        Let links and paths lead out of the folder.

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
    kind = _kind(source)
    _check_options(source, kind, {"columns": columns, "root": root, "partition": partition, "votes": votes})
    if kind == "folder":
        return ImageDataset.from_folder(source, group_from=group_from, classes=classes, allow_outside=allow_outside)
    if kind == "archive":
        return ImageDataset.from_npz(source, partition=partition, group_from=group_from, classes=classes)
    return ImageDataset.from_manifest(
        source,
        columns=columns,
        root=root,
        group_from=group_from,
        classes=classes,
        votes=votes or "majority",
        allow_outside=allow_outside,
    )


def _kind(path: Path) -> str:
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder of class folders, a CSV or Parquet manifest, or a .npz.")
    if path.is_dir():
        return "folder"
    if path.suffix.lower() == ".npz":
        return "archive"
    if path.suffix.lower() in _TABLES:
        return "manifest"
    raise DataError(
        f"{path} is neither a folder nor a file headstart reads as a data set (.csv, .tsv, .parquet, .npz). For one "
        "picture there is `headstart predict`."
    )


def _check_options(path: Path, kind: str, options: Mapping[str, object]) -> None:
    belongs = {"columns": "manifest", "root": "manifest", "partition": "archive", "votes": "manifest"}
    for name, value in options.items():
        if value is not None and belongs[name] != kind:
            raise DataError(f"{path} is read as a {kind}, for which there is no option {name!r}; leave it out.")
