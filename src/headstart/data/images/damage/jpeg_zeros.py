"""Stretches of zeros in the data of a JPEG scan, which libjpeg decodes to something all the same.

The first code of a Huffman table is all zeros. Where it stands for a coefficient and not for the end of a block, a long
run of zeros would mean blocks of nothing but coefficients of -1, which no picture has: those bytes were written over.
Where it stands for the end of a block, as in flat pictures coded by tables of their own, zeros mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from headstart.data.images.damage.jpeg_stream import JpegStream, Segment

_ZEROS: Final = re.compile(rb"\0{32}")
_TABLES, _SCAN = 0xC4, 0xDA
_N_LENGTHS: Final = 16


def has_zeroed_stretch(encoded: bytes, stream: JpegStream, tables: tuple[bytes, JpegStream] | None = None) -> bool:
    """Whether a scan holds zeros that its tables cannot mean.

    Parameters
    ----------
    encoded : bytes
    stream : JpegStream
        Its layout.
    tables : (bytes, JpegStream), optional
        A stream that holds tables alone, as those of TIFF do, which come first.
    """
    first: dict[int, int] = {}  # symbol of the first code by class and number of a table
    for code_bytes, layout in () if tables is None else (tables,):
        for segment in layout.segments:
            first |= dict(_first_symbols(code_bytes, segment))
    scans = iter(stream.scans)
    for segment in stream.segments:
        first |= dict(_first_symbols(encoded, segment))
        if segment.code == _SCAN:
            pieces = next(scans, [])
            if _begins_with_coefficients(encoded[segment.start : segment.end], first) and any(
                _ZEROS.search(encoded, start, end) for start, end in pieces
            ):
                return True
    return False


def _first_symbols(encoded: bytes, segment: Segment) -> Iterator[tuple[int, int]]:
    """Class and number, and first symbol, of every Huffman table of a segment (ITU-T T.81, B.2.4.2)."""
    place = segment.start if segment.code == _TABLES else segment.end
    while place + 1 + _N_LENGTHS < segment.end:
        n_symbols = sum(encoded[place + 1 : place + 1 + _N_LENGTHS])
        if n_symbols:
            yield encoded[place], encoded[place + 1 + _N_LENGTHS]
        place += 1 + _N_LENGTHS + n_symbols


def _begins_with_coefficients(header: bytes, first: dict[int, int]) -> bool:
    """Whether the first code of the AC table of a component of a scan stands for a coefficient."""
    if not header or len(header) < 4 + 2 * header[0]:
        return False
    n_components = header[0]
    last, refined = header[2 + 2 * n_components], header[3 + 2 * n_components] >> 4
    if last == 0 or refined:  # differences of mean levels, or bits that refine what is known, may all be zero
        return False
    tables = (0x10 | (header[2 + 2 * number] & 15) for number in range(n_components))
    return any(first.get(table, 0) & 15 for table in tables)
