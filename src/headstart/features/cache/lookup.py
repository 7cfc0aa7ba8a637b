"""Finding wanted content hashes among those of the shards, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.cache.shard import KEY_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Hits:
    """Which wanted rows lie in one shard.

    Attributes
    ----------
    shard : int
        Number of the shard.
    positions : ndarray of int64
        Positions among the wanted.
    rows : ndarray of int64
        Rows of the shard, one for each position.
    """

    shard: int
    positions: NDArray[np.int64]
    rows: NDArray[np.int64]


def as_keys(hashes: Sequence[str]) -> NDArray[np.uint8]:
    """Hexadecimal SHA-256 hashes as bytes of shape (n, 32).

    Raises
    ------
    ValueError
        When one is no SHA-256.
    """
    raw = bytes.fromhex("".join(hashes))
    if any(len(digest) != 2 * KEY_BYTES for digest in hashes):
        raise ValueError("content hashes must be SHA-256 in hexadecimal, 64 digits each")
    return np.frombuffer(raw, dtype=np.uint8).reshape(len(hashes), KEY_BYTES)


def find(requested: NDArray[np.uint8], kept: Sequence[NDArray[np.uint8]]) -> list[Hits]:
    """Places of the requested keys, shard after shard; one that lies in several shards is taken from the first.

    Sorted by their first eight bytes and then compared in full, so that a million keys take a fraction of a second.
    Of two different keys with the same eight bytes, which nobody is going to see, one would count as not kept.

    Parameters
    ----------
    requested : ndarray of shape (n, 32), uint8
    kept : sequence of ndarray of shape (n_rows, 32), uint8
        Keys of every shard.
    """
    if not len(requested) or not any(len(keys) for keys in kept):
        return []
    every = np.concatenate(list(kept))
    starts = np.cumsum([0, *(len(keys) for keys in kept)])
    prefixes = _prefixes(every)
    order = np.argsort(prefixes, kind="stable")
    places = np.searchsorted(prefixes[order], _prefixes(requested))
    rows = order[np.minimum(places, len(order) - 1)]
    positions = np.flatnonzero((every[rows] == requested).all(axis=1))
    if not len(positions):
        return []
    rows = rows[positions]
    shards = np.searchsorted(starts, rows, side="right") - 1
    by_shard = np.argsort(shards, kind="stable")
    numbers, first = np.unique(shards[by_shard], return_index=True)
    parts = np.split(by_shard, first[1:])
    return [
        Hits(int(number), positions[part], rows[part] - starts[number])
        for number, part in zip(numbers, parts, strict=True)
    ]


def _prefixes(keys: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(keys[:, :8]).view(np.uint64).reshape(-1)
