"""Segments and scans of a JPEG file (ITU-T T.81, annex B), found without decoding."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_SCANS: Final = 100
"""Scans of a file; progressive encoders write about ten, and each costs a pass over the whole picture."""
_MAX_METADATA: Final = 1 << 20
_MAX_METADATA_SEGMENTS: Final = 64
_MAX_SEGMENTS: Final = 10_000
_FILL: Final = re.compile(rb"\xff*")
_FILL_PIECE: Final = 1 << 16
_END, _SCAN, _EXIF, _ADOBE, _COMMENT = 0xD9, 0xDA, 0xE1, 0xEE, 0xFE
_BULK: Final = (*(code for code in range(0xE1, 0xF0) if code != _ADOBE), _COMMENT)
_HUFFMAN_FRAMES: Final = (0xC0, 0xC1, 0xC2)
_OTHER_FRAMES: Final = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_PROGRESSIVE: Final = 0xC2
_MISSING_SCANS: Final = "scans of its progressive picture are missing"


@dataclass(frozen=True)
class Segment:
    """One marker segment: code of the marker, and where marker, body and end of the segment lie."""

    code: int
    marker: int
    start: int
    end: int


@dataclass(frozen=True)
class JpegStream:
    """Layout of the first picture of a JPEG file.

    Attributes
    ----------
    segments : list of Segment
        All of them up to the end marker, scans' headers too.
    scans : list of lists of (int, int)
        Start and end of the entropy-coded pieces of every scan, parted by restart markers.
    restarts : list of lists of int
        Codes of the restart markers of every scan.
    end : int or None
        Place behind the end marker; None where there is none.
    n_fill : int
        Fill bytes before markers.
    """

    segments: list[Segment]
    scans: list[list[tuple[int, int]]] = field(default_factory=list)
    restarts: list[list[int]] = field(default_factory=list)
    end: int | None = None
    n_fill: int = 0

    @property
    def frame(self) -> Segment | None:
        """The segment that declares size and components of the picture."""
        return next((one for one in self.segments if one.code in (*_HUFFMAN_FRAMES, *_OTHER_FRAMES)), None)

    @property
    def is_huffman_coded(self) -> bool:
        """Whether the picture is coded as nearly all are: baseline, extended or progressive, by Huffman codes."""
        return self.frame is not None and self.frame.code in _HUFFMAN_FRAMES


def read_stream(encoded: bytes) -> JpegStream | None:
    """Layout of a JPEG file, or None where its markers make no sense; decoders say why.

    >>> found = read_stream(bytes.fromhex("ffd8 fffe0004 4142 ffffd9"))
    >>> [(hex(one.code), one.end) for one in found.segments], found.end, found.n_fill
    ([('0xfe', 8)], 11, 1)
    """
    stream, place = _read_segments(encoded, 2)
    if stream is None or not stream.segments or stream.segments[-1].code != _SCAN:
        return stream
    markers = _marker_places(encoded)
    while stream is not None and stream.end is None and stream.segments[-1].code == _SCAN:
        if len(stream.scans) == MAX_SCANS:
            raise OSError(f"more than the {MAX_SCANS} scans allowed")
        pieces, codes, place = _scan_pieces(encoded, markers, place)
        more, place = _read_segments(encoded, place)
        if more is None:
            return None
        stream = JpegStream(
            [*stream.segments, *more.segments],
            [*stream.scans, pieces],
            [*stream.restarts, codes],
            more.end,
            stream.n_fill + more.n_fill,
        )
        if not more.segments:
            break
    return stream


def _read_segments(encoded: bytes, place: int) -> tuple[JpegStream | None, int]:
    """Segments from a marker on, up to and with the header of the next scan or the end, and the place behind them."""
    segments: list[Segment] = []
    n_fill, n_bytes = 0, len(encoded)
    while place + 1 < n_bytes:
        if encoded[place] != 0xFF:
            return None, place
        behind_fill = _behind_fill(encoded, place + 1)
        n_fill += behind_fill - place - 1
        if behind_fill >= n_bytes:
            break
        code, body = encoded[behind_fill], behind_fill + 1
        if code == _END:
            return JpegStream(segments, end=body, n_fill=n_fill), body
        if code == 0x01 or 0xD0 <= code <= 0xD8:
            place = body
            continue
        stop = body + int.from_bytes(encoded[body : body + 2], "big")
        if code == 0 or stop < body + 2:
            return None, place
        if len(segments) == _MAX_SEGMENTS:
            raise OSError(f"more than the {_MAX_SEGMENTS:,} segments allowed")
        segments.append(Segment(code, behind_fill - 1, body + 2, min(stop, n_bytes)))
        place = stop
        if code == _SCAN:
            break
    return JpegStream(segments, n_fill=n_fill), place


def _marker_places(encoded: bytes) -> NDArray[np.int64]:
    """Places of 0xFF before anything but the zero that marks it as data, or another 0xFF."""
    data = np.frombuffer(encoded, np.uint8)
    places = np.flatnonzero(data[:-1] == 0xFF)
    following = data[places + 1]
    found: NDArray[np.int64] = places[(following != 0) & (following != 0xFF)].astype(np.int64, copy=False)
    return found


def _behind_fill(encoded: bytes, place: int) -> int:
    """First place from `place` on that holds no fill byte; runs of megabytes are passed in one step."""
    found = _FILL.match(encoded, place)
    return place if found is None else found.end()


def _scan_pieces(
    encoded: bytes, markers: NDArray[np.int64], start: int
) -> tuple[list[tuple[int, int]], list[int], int]:
    """Pieces of a scan's data between restart markers, these markers' codes, and the place of the next marker."""
    pieces: list[tuple[int, int]] = []
    codes: list[int] = []
    for place in range(int(np.searchsorted(markers, start)), len(markers)):
        marker = int(markers[place])
        data_end = _before_fill(encoded, marker)
        pieces.append((start, max(start, data_end)))
        if not 0xD0 <= encoded[marker + 1] <= 0xD7:
            return pieces, codes, max(start, data_end)
        codes.append(encoded[marker + 1])
        start = marker + 2
    pieces.append((start, max(start, len(encoded))))
    return pieces, codes, len(encoded)


def _before_fill(encoded: bytes, marker: int) -> int:
    """Place of the first of the 0xFF that lead to a marker."""
    while marker > 0:
        piece = encoded[max(0, marker - _FILL_PIECE) : marker]
        n_fill = len(piece) - len(piece.rstrip(b"\xff"))
        marker -= n_fill
        if n_fill < _FILL_PIECE:
            break
    return marker


def missing_from_scans(encoded: bytes, stream: JpegStream) -> str | None:
    """Why the scans, were each of them whole, would not make up the whole picture; None where they do."""
    frame = stream.frame
    if frame is None or not stream.scans:
        return "it holds no scan"
    n_components = encoded[frame.start + 5]
    known = [encoded[frame.start + 6 + 3 * number] for number in range(n_components)]
    n_coefficients = 64 if frame.code == _PROGRESSIVE else 1
    undecided = {component: [14] * n_coefficients for component in known}
    for scan in (one for one in stream.segments if one.code == _SCAN):
        body = encoded[scan.start : scan.end]
        n_listed = body[0]
        first, last, precisions = body[1 + 2 * n_listed], body[2 + 2 * n_listed], body[3 + 2 * n_listed]
        for component in (body[1 + 2 * number] for number in range(n_listed)):
            bits = undecided.setdefault(component, [0] * n_coefficients)
            for place in range(first, min(last + 1, n_coefficients)) if n_coefficients > 1 else (0,):
                refined = precisions >> 4
                if n_coefficients > 1 and refined and bits[place] != refined:
                    return _MISSING_SCANS
                bits[place] = precisions & 15 if n_coefficients > 1 else 0
    if any(any(bits) for bits in undecided.values()):
        return _MISSING_SCANS if n_coefficients > 1 else "colours of it are missing"
    return None


def without_bulk(encoded: bytes) -> bytes:
    """The same picture without metadata and fill bytes, where there are so many that reading them would take long.

    The first EXIF segment, which may hold the orientation, and Adobe's, which names the colours, stay.
    """
    header, place = _read_segments(encoded, 2)
    if header is None:
        return encoded
    bulk = [one for one in header.segments if one.code in _BULK]
    n_bytes = sum(one.end - one.start for one in bulk) + header.n_fill
    if n_bytes <= _MAX_METADATA and len(bulk) <= _MAX_METADATA_SEGMENTS:
        return encoded
    exif = next((one for one in bulk if one.code == _EXIF and encoded[one.start : one.start + 4] == b"Exif"), None)
    left_out = {one.marker for one in bulk if one is not exif}
    kept = [encoded[one.marker : one.end] for one in header.segments if one.marker not in left_out]
    return encoded[:2] + b"".join(kept) + (encoded[place:] if header.end is None else b"\xff\xd9")
