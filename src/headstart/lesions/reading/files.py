"""Image files of a folder by the names that a table of metadata gives them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headstart.data.system_names import is_system_name
from headstart.errors import DataError

MASKS: Final = re.compile(r"masks?|.*_(lesion|roi)", re.IGNORECASE)
"""Folders that hold masks beside the images: those of PH2, or called masks."""
SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class ImageFolder:
    """Image files below a folder.

    Attributes
    ----------
    root : Path
    paths : tuple of str
        Relative to the root, with ``/``, sorted.
    """

    root: Path
    paths: tuple[str, ...]

    @classmethod
    def of(cls, root: Path) -> ImageFolder:
        """Every image file below a folder; hidden ones and folders of masks are left out, links are not followed.

        Raises
        ------
        DataError
            When the folder is missing or cannot be read.
        """
        if not root.is_dir():
            raise DataError(f"{root} is no folder. Give the folder of the images.")
        found: list[str] = []

        def refuse(error: OSError) -> None:
            raise DataError(f"{error.filename} cannot be read ({error.strerror}).") from error

        for folder, folders, files in os.walk(root, onerror=refuse):
            folders[:] = sorted(name for name in folders if not is_system_name(name) and not MASKS.fullmatch(name))
            place = Path(folder).relative_to(root).as_posix()
            prefix = "" if place == "." else f"{place}/"
            found += [prefix + name for name in files if not is_system_name(name) and _suffix(name) in SUFFIXES]
        return cls(root, tuple(sorted(found)))

    def by_name(self, names: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Paths of the images that a table names: by path, by file name, or by file name without its ending.

        Returns
        -------
        mapping of str to tuple of str
            Several paths where the name fits several files, none where it fits none.
        """
        known: dict[str, list[str]] = {}
        for path in self.paths:
            name = path.rpartition("/")[2]
            for key in dict.fromkeys((path, name, name.rpartition(".")[0])):
                known.setdefault(key, []).append(path)
        return {
            name: tuple(known.get(name, known.get(name.replace("\\", "/").removeprefix("./"), ()))) for name in names
        }


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
