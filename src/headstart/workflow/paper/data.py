"""Real data that a user has: PH2 and SKAB in one folder, found and checked before anything is computed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headstart.errors import DataError
from headstart.workflow.options.lesions import LesionFitOptions

PH2: Final = "ph2"
SKAB: Final = "skab/valve1"
GRADES: Final = ("common_nevus", "atypical_nevus", "melanoma")


@dataclass(frozen=True)
class PaperData:
    """Folders of real data; None for what is not there.

    Attributes
    ----------
    ph2 : Path or None
        Dermoscopic images with their table.
    skab : Path or None
        Recordings.
    """

    ph2: Path | None = None
    skab: Path | None = None

    @classmethod
    def of(cls, folder: str | os.PathLike[str] | None) -> PaperData:
        """Real data below a folder; none where none is named.

        Raises
        ------
        DataError
            When the folder is not there, or holds neither.
        """
        if folder is None:
            return cls()
        root = Path(folder)
        if not root.is_dir():
            raise DataError(f"{root} is no folder. Give the one that holds {PH2}/ or {SKAB}/.")
        ph2, skab = (root / PH2, root / SKAB)
        found = cls(ph2 if ph2.is_dir() else None, skab if skab.is_dir() else None)
        if found == cls():
            raise DataError(
                f"{root} holds neither {PH2}/ (dermoscopic images with their table, as PH2 comes or as labels.csv) nor "
                f"{SKAB}/ (recordings of SKAB as CSV). Give the folder above them, or leave --data out."
            )
        found.check()
        return found

    def check(self) -> None:
        """Refuse what cannot be read, before hours of work rather than after them.

        Raises
        ------
        InputError
        """
        if self.ph2 is not None:
            _ = lesion_options(self.ph2).read(self.ph2)
        if self.skab is not None:
            from headstart.signals.readers.read import read_recordings

            read_recordings(self.skab)


def lesion_options(ph2: Path) -> LesionFitOptions:
    """How PH2 is read: in its own folders, or from a table whose classes are its three diagnoses."""
    return LesionFitOptions(classes=GRADES) if (ph2 / "labels.csv").is_file() else LesionFitOptions()
