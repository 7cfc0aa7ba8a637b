"""Folder of explanations: pictures are drawn aside and take their places together, whatever ends the call."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headstart.errors import InputError
from headstart.results.models.explanations import Explanations
from headstart.storage import storage_error
from headstart.study.execution import run_folder as files

_ASIDE: Final = ".unfinished"


@dataclass(frozen=True)
class ExplanationFolder:
    """A new folder, or one of earlier calls, whose pictures are replaced.

    Attributes
    ----------
    path : Path
    ours : frozenset of str
        Pictures in it that earlier calls wrote, also one that was killed while its pictures took their places.
    """

    path: Path
    ours: frozenset[str]

    @classmethod
    def of(cls, path: Path) -> ExplanationFolder:
        """The folder of a path; nothing is written yet.

        Raises
        ------
        InputError
            When the path is a file, a run's folder, or holds something else.
        RunError
            When the document of an earlier call is damaged.
        """
        inside = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
        belongs_to_run = any((place / files.RUN_FILE).is_file() for place in (path, path.parent))
        if path.is_file() or belongs_to_run or (inside and not inside & {Explanations.file_name, _ASIDE}):
            raise InputError(
                f"{path} is no folder for explanations: it is a file, or holds something else. Name a new folder."
            )
        documents = (path / Explanations.file_name, path / _ASIDE / Explanations.file_name)
        return cls(path, frozenset(name for one in documents if one.is_file() for name in _pictures_of(one)))

    @contextmanager
    def drawing(self, names: Iterable[str]) -> Iterator[Path]:
        """Folder to draw pictures of these names into, the document last; they take their places when the block ends.

        Where it ends early, what earlier calls wrote stays as it was; where the process is killed, the next call begins
        anew.

        Raises
        ------
        InputError
            When a file of such a name is there that no call of ours wrote.
        StorageError
            When the disk refuses.
        """
        strangers = [name for name in names if name not in self.ours and (self.path / name).exists()]
        if strangers:
            raise InputError(
                f"{self.path} holds {strangers[0]}, which is no picture of earlier explanations and would be "
                "overwritten. Name a new folder."
            )
        aside = self.path / _ASIDE
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            yield aside
            self._take_places(aside)
        except OSError as error:
            raise storage_error(self.path, error) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _take_places(self, aside: Path) -> None:
        """Replace the old pictures and their document, which is the last to go, by the new ones."""
        for name in (*sorted(self.ours), Explanations.file_name):
            (self.path / name).unlink(missing_ok=True)
        document = aside / Explanations.file_name
        for drawn in sorted(aside.iterdir()):
            if drawn != document:
                drawn.replace(self.path / drawn.name)
        document.replace(self.path / document.name)


def picture_names(stem: str) -> tuple[str, str]:
    """Names of the picture of an image, and of its stages."""
    return f"{stem}.png", f"{stem}-stages.png"


def _pictures_of(document: Path) -> Iterator[str]:
    for one in Explanations.read(document).images:
        if one.picture is not None:
            yield from picture_names(Path(one.picture.file).stem)
