"""Tags of DICOM images that matter to a data set: who belongs together, and how the pictures are shown.

Numbers of patients and studies are compared and forgotten: groups are numbered in the order of the images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headstart.data.images.dicom.levels import WHITE_IS_ZERO, Window
from headstart.data.images.dicom.tags import QUIET_DICOM, read_tags
from headstart.data.images.source import GroupProposal

_SHARED: Final = {"patient": "PatientID", "study": "StudyInstanceUID", "series": "SeriesInstanceUID"}
_TAGS: Final = (
    *_SHARED.values(),
    *("PhotometricInterpretation", "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "NumberOfFrames"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
_NOBODY: Final = frozenset({"", "0", "anon", "anonymous", "anonymized", "anonymised", "unknown", "none", "na", "n/a"})


@dataclass(frozen=True)
class DicomFacts:
    """Tags of one image, as far as a data set needs them.

    Attributes
    ----------
    shared : dict of str to str
        What patient, study and series are called; never shown.
    is_windowed, is_inverted, has_frames : bool
        A window or table of its own; 0 stored as white; several frames.
    """

    shared: dict[str, str]
    is_windowed: bool
    is_inverted: bool
    has_frames: bool

    @classmethod
    def of(cls, begin: bytes) -> DicomFacts | None:
        """Facts from the beginning of a file; None where it is no DICOM or cannot be read."""
        if begin[128:132] != b"DICM":
            return None
        try:
            tags = read_tags(begin, _TAGS, with_pixels=False)
            with QUIET_DICOM:
                return cls(
                    {name: str(tags.get(tag) or "").strip() for name, tag in _SHARED.items()},
                    bool(tags.get("VOILUTSequence")) or Window.of(tags) is not None,
                    tags.get("PhotometricInterpretation") == WHITE_IS_ZERO,
                    int(tags.get("NumberOfFrames") or 1) > 1,
                )
        except Exception:  # whatever foreign values are; the audit will say what is wrong with the file
            return None


def proposed_groups(facts: Sequence[DicomFacts | None]) -> GroupProposal | None:
    """Groups of images of one patient, or where all are of one, of one study or series; None where nothing parts them.

    Parameters
    ----------
    facts : sequence of DicomFacts or None
        One per image; None for other formats, each of which is a group of its own.
    """
    for origin in _SHARED:
        if not any(one is not None and _is_told(one.shared[origin]) for one in facts):
            continue
        keys = [None if one is None else _key(one, origin) for one in facts]
        distinct = {key for key in keys if key is not None}
        if len(distinct) > 1:
            numbers: dict[Any, int] = {}
            named = [f"image {row}" if key is None else key for row, key in enumerate(keys)]
            groups = [f"{origin} {numbers.setdefault(key, len(numbers) + 1)}" for key in named]
            return GroupProposal(groups, f"{origin} (DICOM tags)")
    return None


def _key(facts: DicomFacts, origin: str) -> tuple[str, str] | None:
    """Tag that images of one group share, and its value: patient, else study, else series."""
    names = list(_SHARED)
    for name in names[names.index(origin) :]:
        if _is_told(facts.shared[name]):
            return name, facts.shared[name]
    return None


def _is_told(value: str) -> bool:
    """Whether a number of a patient, study or series is one, no blank in its place."""
    return value.casefold() not in _NOBODY


def shown_note(facts: Iterable[DicomFacts | None]) -> str:
    """Sentence on how the pictures are shown, and that nobody is named."""
    known = [one for one in facts if one is not None]
    n_windowed = sum(one.is_windowed for one in known)
    counts = {
        "shown through the window of their tags": n_windowed,
        "shown over the full range of their bits": len(known) - n_windowed,
        "inverted, as they store 0 as white (MONOCHROME1)": sum(one.is_inverted for one in known),
        "of several frames, of which the first is used": sum(one.has_frames for one in known),
    }
    says = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"DICOM images: {len(known):,}, {says}. No tag that names a patient goes into any result."
