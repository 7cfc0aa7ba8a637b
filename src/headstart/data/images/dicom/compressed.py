"""Bounds on compressed frames: what a frame says of its own size must be what the tags say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_SIZE_MARKERS: Final = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_RLE_HEADER: Final = 64
_BOX_BYTES: Final = 4096


def check_frame(tags: FileDataset) -> None:
    """Refuse a first frame that would decode to more than its tags declare.

    Parameters
    ----------
    tags : pydicom.FileDataset
        Of a picture whose frames are encapsulated.

    Raises
    ------
    ValueError
    """
    from pydicom.encaps import get_frame
    from pydicom.uid import RLELossless

    n_frames = max(1, int(tags.get("NumberOfFrames") or 1))
    frame = get_frame(tags.PixelData, 0, number_of_frames=n_frames)
    width, height = int(tags.Columns), int(tags.Rows)
    if tags.file_meta.TransferSyntaxUID == RLELossless:
        n_bytes = width * height * int(tags.SamplesPerPixel) * (int(tags.BitsAllocated) // 8)
        _check_rle(frame, n_bytes)
    elif declared_size(frame) != (width, height):
        raise ValueError("a compressed frame of another size than its tags say")


def declared_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a JPEG, JPEG-LS or JPEG 2000 stream; None where it has none.

    >>> declared_size(bytes.fromhex("ffd8 ffc0 0011 08 0007 0005 03"))
    (5, 7)
    """
    start = frame.find(b"\xff\x4f\xff\x51")
    if 0 <= start < _BOX_BYTES and len(frame) >= start + 24:  # JPEG 2000, perhaps in its boxes
        right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
        return right - left, bottom - top
    place = 2
    while place + 9 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker in _SIZE_MARKERS:
            height, width = struct.unpack_from(">HH", frame, place + 5)
            return width, height
        length = 0 if marker in _ALONE or marker == 0xFF else struct.unpack_from(">H", frame, place + 2)[0]
        place += (1 if marker == 0xFF else 2) + length
    return None


def _check_rle(frame: bytes, n_bytes: int) -> None:
    """Refuse runs that are longer than the picture (PS3.5, annex G)."""
    n_segments = struct.unpack_from("<I", frame)[0]
    starts = struct.unpack_from("<15I", frame, 4)[: min(n_segments, 15)]
    if not starts or min(starts) < _RLE_HEADER:
        raise ValueError("an RLE frame without segments")
    left = n_bytes + 2 * len(starts)  # a segment may be padded
    for start, end in zip(starts, (*starts[1:], len(frame)), strict=True):
        place = start
        while place < min(end, len(frame)):
            control = frame[place]
            count = control + 1 if control < 128 else 257 - control if control > 128 else 0
            place += 1 + (count if control < 128 else 1 if control > 128 else 0)
            left -= count
            if left < 0:
                raise ValueError("an RLE frame that is longer than its tags say")
