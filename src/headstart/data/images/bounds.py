"""Bounds on what is decoded: of one picture, and of all that are decoded at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from headstart.errors import ImageError

MAX_PIXELS: Final = 200_000_000
MAX_FILE_BYTES: Final = 1 << 30
MAX_PICTURE_BYTES: Final = 600_000_000
"""Size of a decoded picture: pixels x samples x bytes of a sample; `MAX_PIXELS` of 8-bit colour."""
MAX_DECODED_AT_ONCE: Final = 1_200_000_000
MAX_ENCODED_AT_ONCE: Final = 250_000_000


def check_size(
    name: str, size: tuple[int, int], max_pixels: int = MAX_PIXELS, *, n_samples: int = 1, n_bytes: int = 1
) -> None:
    """Refuse a picture by the size that its header declares.

    Parameters
    ----------
    name : str
        Name of the image in errors.
    size : (int, int)
        Width and height in pixels.
    max_pixels : int
        Larger pictures are refused. Above `MAX_PIXELS` the bound on bytes rises with it.
    n_samples, n_bytes : int
        Samples of a pixel, and bytes of a sample.

    Raises
    ------
    ImageError
    """
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(name, "damaged or truncated (its header declares no pixels)")
    if width * height > max_pixels:
        reason = f"{width:,} x {height:,} pixels, more than the {max_pixels:,} allowed; make it smaller or crop it"
        raise ImageError(name, reason)
    decoded, allowed = width * height * n_samples * n_bytes, max(MAX_PICTURE_BYTES, 3 * max_pixels)
    if decoded > allowed:
        raise ImageError(
            name,
            f"{width:,} x {height:,} pixels of {n_samples} x {8 * n_bytes} bits are {decoded / 1e6:,.0f} MB decoded, "
            f"more than the {allowed / 1e6:,.0f} MB allowed; make it smaller, crop it or save it with 8 bits",
        )


class MemoryBudget:
    """Bytes that threads may hold at once; who asks for more waits until others have given theirs back.

    A thread that holds nothing gets what it asks for when nobody else holds any, however much it is, so nobody waits
    for ever.

    Parameters
    ----------
    n_bytes : int

    Examples
    --------
    >>> budget = MemoryBudget(100)
    >>> with budget.turn():
    ...     budget.claim(60)
    ...     budget.held
    60
    >>> budget.held
    0
    """

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self.held = 0
        self._changed = threading.Condition()
        self._thread = threading.local()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Context at whose end this thread gives back what it claimed in it; only the outermost of several counts."""
        depth = getattr(self._thread, "depth", 0)
        self._thread.depth = depth + 1
        try:
            yield
        finally:
            self._thread.depth = depth
            if depth == 0:
                self._give_back()

    def claim(self, n_bytes: int) -> None:
        """Wait until there is room for so many bytes more, then hold them until this thread's turn ends.

        A thread that holds some already does not wait: others may wait for it.
        """
        own = getattr(self._thread, "own", 0)
        with self._changed:
            if own == 0:
                self._changed.wait_for(lambda: self.held == 0 or self.held + n_bytes <= self.n_bytes)
            self.held += n_bytes
            self._thread.own = own + n_bytes

    def _give_back(self) -> None:
        with self._changed:
            self.held -= getattr(self._thread, "own", 0)
            self._thread.own = 0
            self._changed.notify_all()


_ENCODED: Final = MemoryBudget(MAX_ENCODED_AT_ONCE)
_DECODED: Final = MemoryBudget(MAX_DECODED_AT_ONCE)


@contextmanager
def decoding_turn() -> Iterator[None]:
    """Context in which one thread reads, decodes and uses one picture; its memory counts until the end."""
    with _ENCODED.turn(), _DECODED.turn():
        yield


def claim_encoded(n_bytes: int) -> None:
    """Wait for room for a file, within a `decoding_turn`."""
    with _ENCODED.turn():
        _ENCODED.claim(n_bytes)


def claim_decoded(n_bytes: int) -> None:
    """Wait for room for a picture as it is worked on, within a `decoding_turn`.

    Files are claimed before pictures, and who holds a picture waits for nothing, so nobody waits for ever.
    """
    with _DECODED.turn():
        _DECODED.claim(n_bytes)
