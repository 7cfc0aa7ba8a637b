"""The account of an import in ``import.json``, and how its folder is read by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headstart.errors import DataError
from headstart.storage import file_bytes, parsed_json

if TYPE_CHECKING:
    from headstart.lesions.reading.settings import ReadingSettings

UNDECIDED: Final = "bound of a thickness that lies in more than one class"
WITHOUT_THICKNESS: Final = "melanoma in situ, which has no thickness"


@dataclass(frozen=True)
class ImportAccount:
    """Account of an import, from ``import.json``: its classes in their order, its notes, counts of what it left out."""

    order: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: Mapping[str, int]

    def settings(self, settings: ReadingSettings) -> ReadingSettings:
        """The settings with the classes of the import, so that its folder is read as it was written."""
        return replace(settings, classes_by="label", classes=settings.classes or self.order or None)

    def lost_to(self, settings: ReadingSettings) -> tuple[str, ...]:
        """A note of the images that these settings might have kept, and that are not in the import."""
        reasons = [UNDECIDED, *([WITHOUT_THICKNESS] if settings.in_situ == "class" else [])]
        lost = {reason: self.left_out[reason] for reason in reasons if reason in self.left_out}
        if not lost or settings.classes_by == "label":
            return ()
        listed = "; ".join(f"{count:,}: {reason}" for reason, count in lost.items())
        return (f"The import left images out that may count here ({listed}). Import again with these options.",)


def read_account(path: Path) -> ImportAccount | None:
    """The account of an import; None where there is none.

    Raises
    ------
    DataError
        When it is damaged.
    """
    if not path.is_file():
        return None
    try:
        found = parsed_json(file_bytes(path).decode())
        order, notes = (tuple(str(text) for text in found[key]) for key in ("order", "notes"))
        return ImportAccount(order, notes, {str(reason): int(count) for reason, count in found["left_out"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise DataError(f"{path} is damaged ({error!r}). Run `headstart lesions import` again.") from error
