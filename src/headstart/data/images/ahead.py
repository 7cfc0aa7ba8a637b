"""Memory that a file and its picture will take, judged by the first bytes before the file is read."""

from __future__ import annotations

import io
from typing import BinaryIO, Final

from headstart.data.images.bounds import MAX_DECODED_AT_ONCE, MAX_WORKING_BYTES
from headstart.data.images.formats import find_format
from headstart.data.images.header import working_bytes
from headstart.runtime.warnings import QUIET_PILLOW

SMALL_BYTES: Final = 4 << 20
"""A file that is read without asking for room first; its picture is counted once its header is known."""
_HEAD_BYTES: Final = 1 << 16
_MAX_READ: Final = 1 << 20
_MAX_READS: Final = 2_000


def expected_bytes(handle: BinaryIO, n_encoded: int) -> int:
    """Memory that an image file and all that is made of it will take.

    Where the header does not tell within its first MiB, that is all there is, so that the picture is decoded alone;
    where it declares more than is allowed, only the file, since the picture is refused.

    Parameters
    ----------
    handle : file open for reading
        At its beginning, where it is left.
    n_encoded : int
        Size of the file.
    """
    try:
        with QUIET_PILLOW:
            expected = _expected(handle, n_encoded)
    except Exception:  # whatever Pillow raises for a damaged header; decoding says what is wrong
        expected = None
    handle.seek(0)
    if expected is None:
        return max(n_encoded, MAX_DECODED_AT_ONCE)
    return n_encoded if expected > MAX_WORKING_BYTES else max(n_encoded, expected)


def _expected(handle: BinaryIO, n_encoded: int) -> int | None:
    head = handle.read(_HEAD_BYTES)
    known = find_format(head)
    if known is None or known.install is not None:
        return n_encoded
    if known.expected_bytes is not None:
        return known.expected_bytes(head, n_encoded)
    image = known.open(_FirstBytes(handle, n_encoded))
    return working_bytes(image, known, n_encoded, keep_grey=True, channels=None)


class _FirstBytes(io.BytesIO):
    """A file of which so much may be read that every sound header is found, and no more."""

    def __init__(self, handle: BinaryIO, n_bytes: int) -> None:
        super().__init__()
        self._handle = handle
        self._n_bytes = n_bytes
        self._left = _MAX_READ
        self._n_reads = 0
        handle.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes from the current place on."""
        wanted = self._n_bytes if size is None or size < 0 else size
        self._n_reads += 1
        if wanted > self._left or self._n_reads > _MAX_READS:
            raise OSError("its header is longer than expected")
        self._left -= wanted
        return self._handle.read(wanted)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        """Current place."""
        return self._handle.tell()
