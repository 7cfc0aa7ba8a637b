"""Reader of folders with one folder of images per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.readers import ReadOptions, register_reader

if TYPE_CHECKING:
    from headstart.data.images.source import ImageSource
    from headstart.data.readers.table import DatasetTable


@register_reader("folder", help="a folder of class folders", recognises=Path.is_dir, options=("split_folders",))
def open_folder(path: Path, options: ReadOptions) -> tuple[DatasetTable, ImageSource]:
    """Table of the images of a folder, and their files; the options are those of `read_folder`."""
    from headstart.data.images.files import FilePixels
    from headstart.data.readers.dicom import with_dicom_tags
    from headstart.data.readers.folder.read import read_folder

    root = path.resolve()
    table = read_folder(root, given=path, split_folders=options.split_folders, allow_outside=options.allow_outside)
    return with_dicom_tags(table, FilePixels(root, confined=not options.allow_outside))
