"""Files that a user names one by one, by their folders or by patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headstart.data.readers.folder.companions import companion_words
from headstart.data.readers.folder.walk import files_to_answer
from headstart.errors import DataError
from headstart.progress import Progress

WILDCARDS: Final = "*?["
"""Signs that make an input a pattern of names."""


@dataclass(frozen=True)
class NamedFiles:
    """Files that somebody expects an answer on.

    Attributes
    ----------
    names : list of str
        In order and each once; a missing file stays, to be reported in its row.
    companions : dict of str to str
        Those among them that look like the mask or thumbnail of another one, each with that one, and were found in a
        folder, not named.
    """

    names: list[str]
    companions: dict[str, str]

    @property
    def images(self) -> list[str]:
        """The names without masks and thumbnails."""
        return [name for name in self.names if name not in self.companions]

    @property
    def note(self) -> str | None:
        """Sentence on masks and thumbnails; None where there are none."""
        if not self.companions:
            return None
        return (
            f"{companion_words(self.companions)} {'is' if len(self.companions) == 1 else 'are'} left out. "
            "Name such files themselves to take them as images."
        )


def named_files(inputs: Sequence[str], progress: Progress | None = None, *, allow_outside: bool = False) -> NamedFiles:
    """Files that inputs name: files, folders, which are searched for images, and patterns.

    Parameters
    ----------
    inputs : sequence of str
    progress : Progress, optional
        Is told what of a folder looks like no picture, and of masks and thumbnails.
    allow_outside : bool
        Follow links that lead out of a folder.

    Raises
    ------
    DataError
        When an input that is a folder or a pattern has no images, or a folder holds links that are refused.
    """
    found: dict[str, None] = {}
    companions: dict[str, str] = {}
    named: set[str] = set()
    for item in inputs:
        if os.path.isdir(item):  # noqa: PTH112 (pathlib raises for names that no file system takes)
            folder, files = Path(item), files_to_answer(Path(item), allow_outside=allow_outside)
            names = [str(folder / name) for name in files.names]
            companions |= {str(folder / name): str(folder / owner) for name, owner in files.companions.items()}
            if files.note is not None and progress is not None:
                progress.note(files.note)
        elif any(sign in item for sign in WILDCARDS) and not os.path.lexists(item):
            names = sorted(glob.glob(item, recursive=True))  # noqa: PTH207 (absolute and relative patterns alike)
            named.update(names)
        else:
            names = [item]
            named.add(item)
        if not names:
            raise DataError(f"{item}: no images there. Give image files, a folder that holds some, or a glob.")
        found.update(dict.fromkeys(names))
    files_found = NamedFiles(list(found), {name: one for name, one in companions.items() if name not in named})
    if files_found.note is not None and progress is not None:
        progress.note(files_found.note)
    return files_found
