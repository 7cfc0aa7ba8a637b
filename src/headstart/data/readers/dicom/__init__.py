"""Data sets with DICOM images: groups and a note from their tags."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from headstart.data.images.formats import find_format, formats_by_suffix
from headstart.errors import ImageError

if TYPE_CHECKING:
    from headstart.data.images.files import FilePixels
    from headstart.data.readers.table import DatasetTable

_BEGIN_BYTES: Final = 1 << 20
_NAME: Final = "DICOM"


def with_dicom_tags(table: DatasetTable, pixels: FilePixels) -> tuple[DatasetTable, FilePixels]:
    """Table with a note on its DICOM images, and pixels that propose their patients as groups; as given without any."""
    suffixes = [_suffix(name) for name in table.names]
    dicom = {suffix for suffix in set(suffixes) if _may_be_dicom(suffix)}
    if not dicom or importlib.util.find_spec("pydicom") is None:
        return table, pixels
    from headstart.data.readers.dicom.facts import DicomFacts, proposed_groups, shown_note

    named = zip(table.names, suffixes, strict=True)
    begins = (_begin(pixels, name) if suffix in dicom else b"" for name, suffix in named)
    facts = [DicomFacts.of(begin) for begin in begins]
    if not any(facts):
        return table, pixels
    noted = replace(table, notes=(*table.notes, shown_note(facts)))
    return noted, replace(pixels, proposal=proposed_groups(facts))


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return f"{dot}{suffix}".lower() if stem else ""


def _may_be_dicom(suffix: str) -> bool:
    known = formats_by_suffix().get(suffix)
    return known is None or known.name == _NAME


def _begin(pixels: FilePixels, name: str) -> bytes:
    """Beginning of a file that declares to be DICOM; empty for others."""
    try:
        begin = pixels.begin(name, _BEGIN_BYTES)
    except ImageError:
        return b""
    found = find_format(begin)
    return begin if found is not None and found.name == _NAME else b""
