"""Reader of manifests: CSV and Parquet tables with one row per image, or one per image and rater."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.readers import ReadOptions, register_reader

if TYPE_CHECKING:
    from headstart.data.images.source import ImageSource
    from headstart.data.readers.table import DatasetTable


@register_reader(
    "manifest",
    help="a CSV or Parquet manifest",
    suffixes=(".csv", ".tsv", ".txt", ".parquet", ".pq"),
    options=("columns", "root", "votes", "table_columns", "split_folders"),
)
def open_manifest(path: Path, options: ReadOptions) -> tuple[DatasetTable, ImageSource]:
    """Table of the images that a manifest lists, and their files, relative to its own folder or to the root."""
    from headstart.data.images.files import FilePixels
    from headstart.data.readers.dicom import with_dicom_tags
    from headstart.data.readers.manifest.columns import ManifestColumns
    from headstart.data.readers.manifest.read import read_manifest
    from headstart.data.table.request import requested_columns

    columns, outside = ManifestColumns.of(options.columns), options.allow_outside
    table = read_manifest(
        path,
        columns,
        table_columns=requested_columns(options.table_columns or ()),
        root=None if options.root is None else Path(options.root),
        allow_outside=outside,
        votes=options.votes or "majority",
        split_folders=options.split_folders,
    )
    root = path.parent if options.root is None else Path(options.root)
    return with_dicom_tags(table, FilePixels(root.resolve(), confined=not outside))
