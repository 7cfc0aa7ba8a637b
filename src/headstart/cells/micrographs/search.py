"""Cells of many micrographs: several searched at a time, few held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

from headstart.cells.micrographs.segmented import CellFinding, SegmentedMicrograph, read_and_find
from headstart.runtime.ahead import done_ahead


def find_ahead(
    found: Sequence[tuple[str, Path]], finding: CellFinding, masks: str | None, n_threads: int
) -> Iterator[tuple[tuple[str, Path], Future[SegmentedMicrograph]]]:
    """Names and paths of micrographs with the outcome of a search for their cells, in order.

    Parameters
    ----------
    found : sequence of (str, Path)
        As `headstart.cells.micrographs.read.find_micrographs` gives them.
    finding : CellFinding
    masks : str or None
        As for `headstart.cells.micrographs.segmented.read_and_find`.
    n_threads : int
        Micrographs that are searched at a time.
    """
    folder = None if masks is None else Path(masks)

    def search(one: tuple[str, Path]) -> SegmentedMicrograph:
        name, path = one
        return read_and_find(name, path, finding, folder)

    return done_ahead(search, found, max(1, min(n_threads, len(found))))
