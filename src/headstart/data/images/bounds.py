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
MAX_WORKING_BYTES: Final = 1_450_000_000
"""Memory that a picture may take while it is decoded: its file, what the decoder holds, and copies."""
MAX_DECODED_AT_ONCE: Final = 1_200_000_000
LARGE_BYTES: Final = 1 << 27
"""A picture that took more than this gives its memory back to the system at once."""


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


def check_working_bytes(name: str, n_bytes: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a picture by the memory that decoding it takes, beyond `MAX_PIXELS` in proportion to `max_pixels`.

    Raises
    ------
    ImageError
    """
    allowed = MAX_WORKING_BYTES * max(MAX_PIXELS, max_pixels) // MAX_PIXELS
    if n_bytes > allowed:
        raise ImageError(
            name,
            f"its file and the memory to decode it take {n_bytes / 1e6:,.0f} MB, more than the {allowed / 1e6:,.0f} MB "
            "allowed; make it smaller, crop it or save it as PNG",
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
    ...     budget.claim(40)
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
        """Wait until there is room for so many bytes in all, then hold them until this thread's turn ends.

        A thread that holds some already does not wait for the rest: others may wait for it.
        """
        own = getattr(self._thread, "own", 0)
        more = n_bytes - own
        if more <= 0:
            return
        with self._changed:
            if own == 0:
                self._changed.wait_for(lambda: self.held == 0 or self.held + more <= self.n_bytes)
            self.held += more
            self._thread.own = n_bytes

    def _give_back(self) -> None:
        own = getattr(self._thread, "own", 0)
        if own == 0:
            return
        if own >= LARGE_BYTES:
            from headstart.data.images.free_memory import give_back_freed

            give_back_freed()
        with self._changed:
            self.held -= own
            self._thread.own = 0
            self._changed.notify_all()


_WORKING: Final = MemoryBudget(MAX_DECODED_AT_ONCE)
_LIMIT: Final = threading.local()


class LargeClaimError(Exception):
    """A picture takes more memory than one may where it was to be decoded; see `claims_up_to`."""


@contextmanager
def claims_up_to(n_bytes: int) -> Iterator[list[int]]:
    """Context in which this thread is refused room for a picture that takes more, by `LargeClaimError`.

    For worker processes, none of which knows what the others hold.

    Yields
    ------
    list of int
        What was refused, in bytes.
    """
    before = getattr(_LIMIT, "value", None)
    refused: list[int] = []
    _LIMIT.value = (n_bytes, refused)
    try:
        yield refused
    finally:
        _LIMIT.value = before


@contextmanager
def decoding_turn() -> Iterator[None]:
    """Context in which one thread reads, decodes and uses one picture, which should be gone when it ends.

    Its memory counts until then.
    """
    with _WORKING.turn():
        yield


def claim_working(n_bytes: int) -> None:
    """Wait for room for one picture: its file and all that is made of it, within a `decoding_turn`."""
    limit = getattr(_LIMIT, "value", None)
    if limit is not None and n_bytes > limit[0]:
        limit[1].append(n_bytes)
        raise LargeClaimError
    with _WORKING.turn():
        _WORKING.claim(n_bytes)
