"""JPEG files whose picture breaks off, though libjpeg fills what is missing with grey and only counts a warning.

Pillow hands those warnings to nobody. What it does hand out is how many bytes libjpeg took: a decoder that still wants
data of a scan keeps its place, one that has the last block of it passes over whatever follows, up to the next marker.
So every piece of a scan is fed alone. A few bytes before its end the decoder must still want more, else blocks were
left out; at its end, with some padding that it may look ahead into, it must be done, else blocks are missing.
"""

from __future__ import annotations

from typing import Any, Final

from PIL import Image, ImageFile

from headstart.data.images.damage import HalfPictureError
from headstart.data.images.damage.jpeg_stream import missing_from_scans, read_stream
from headstart.data.images.damage.jpeg_zeros import has_zeroed_stretch

_CODEC: Final = "headstart whole jpeg"
_PADDING: Final = b"\xff\0" * 8  # 64 bits, what libjpeg looks ahead; no Huffman code is all ones
_MARGIN: Final = 8
_PORTION: Final = 1 << 22
_MAX_PIECES: Final = 5_000
_USUAL_SCANS: Final = 20
_MAX_SCANNED: Final = 400_000_000
_BREAKS_OFF: Final = "its picture breaks off before the last row"
_LEFT_OVER: Final = "data in the middle of its picture are damaged"

Pieces = tuple[tuple[int, int, bytes], ...]
"""Start and end of each, and behind the last of a scan the marker that would begin another piece of it."""


def guard_jpeg(image: ImageFile.ImageFile, encoded: bytes) -> None:
    """Let an opened JPEG image refuse to load when a part of its picture is missing.

    Raises
    ------
    HalfPictureError
        When its markers tell already.
    """
    stream = read_stream(encoded)
    if stream is None or not stream.is_huffman_coded:
        return
    if stream.end is None:
        raise HalfPictureError("the file ends before its picture does")
    n_scans = len(stream.scans)
    if n_scans > _USUAL_SCANS and n_scans * image.width * image.height > _MAX_SCANNED:
        raise OSError(f"{n_scans} scans of {image.width:,} x {image.height:,} pixels would take too long")
    if (missing := missing_from_scans(encoded, stream)) is not None:
        raise HalfPictureError(missing)
    if has_zeroed_stretch(encoded, stream):
        raise HalfPictureError(_LEFT_OVER)
    for codes in stream.restarts:
        if any(code != 0xD0 + number % 8 for number, code in enumerate(codes)):
            raise HalfPictureError(_LEFT_OVER)
    scans = stream.scans
    if sum(map(len, scans)) > _MAX_PIECES:
        scans = [[(scan[0][0], scan[-1][1])] for scan in scans]
    pieces = [
        (*piece, bytes((0xFF, 0xD0 + len(codes) % 8)) if piece == scan[-1] else b"")
        for scan, codes in zip(scans, stream.restarts, strict=True)
        for piece in scan
    ]
    image.tile = [tile._replace(codec_name=_CODEC, args=(*_arguments(tile), tuple(pieces))) for tile in image.tile]
    image.decodermaxblock = len(encoded) + 1


def _arguments(tile: Any) -> tuple[Any, ...]:
    return tile.args if isinstance(tile.args, tuple) else (tile.args,)


class _WholeJpegDecoder:
    """Pillow's JPEG decoder, fed piece by piece; Pillow makes one for each picture."""

    pulls_fd = False

    def __init__(self, mode: str, raw_mode: str, jpeg_mode: str, pieces: Pieces, *options: Any) -> None:
        self._decoder = Image.core.jpeg_decoder(mode, raw_mode, jpeg_mode, *options)  # type: ignore[attr-defined]
        self._pieces = pieces
        self._waiting = b""
        self._result = (0, 0)

    def setimage(self, image: Any, extents: tuple[int, int, int, int] | None = None) -> None:
        self._decoder.setimage(image, extents)

    def cleanup(self) -> None:
        self._decoder.cleanup()

    def decode(self, encoded: bytes) -> tuple[int, int]:
        """Decode the whole file, given at once; Pillow's answer, (-1, 0) at the end of a sound picture."""
        place, data = 0, memoryview(encoded)
        for start, end, restart in self._pieces:
            middle = max(place, end - _MARGIN)
            if end - start > 4 * _MARGIN:
                self._feed(data[place:middle])
                if self._is_done():
                    raise HalfPictureError(_LEFT_OVER)
                place = middle
            self._feed(data[place:end], _PADDING)
            if self._result[0] < 0:
                return self._result
            if not self._is_done():
                raise HalfPictureError(_BREAKS_OFF)
            if restart:
                self._feed(memoryview(restart + _PADDING))
                if not self._is_done():
                    raise HalfPictureError(_BREAKS_OFF)
            place = end
        self._feed(data[place:])
        return self._result

    def _feed(self, data: memoryview, more: bytes = b"") -> None:
        """Hand on data, and a few bytes behind them, in portions: joined to what waits they are copied."""
        for start in range(0, len(data) or 1, _PORTION):
            portion = data[start : start + _PORTION]
            is_last = start + _PORTION >= len(data)
            self._decode(b"".join((self._waiting, portion, more if is_last else b"")))

    def _decode(self, given: bytes) -> None:
        if self._result[0] >= 0:
            self._result = self._decoder.decode(given)
            self._waiting = given[max(0, self._result[0]) :]

    def _is_done(self) -> bool:
        """Whether the last block of the piece is decoded: one byte more is then passed over."""
        return self._result[0] >= 0 and not self._waiting and self._decoder.decode(b"\0")[0] == 1


Image.register_decoder(_CODEC, _WholeJpegDecoder)  # type: ignore[arg-type]  # what Pillow calls of its own is here
