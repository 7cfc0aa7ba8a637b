"""The learning rate over the steps of a training, and the batches of its epochs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rate_factor(step: int, *, n_steps: int, n_warmup: int) -> float:
    """The learning rate of a step as a share of its peak: a line up, then a cosine down towards 0.

    Parameters
    ----------
    step : int
        From 0.
    n_steps : int
        Number of steps of the whole training.
    n_warmup : int
        Steps of the rise.

    Examples
    --------
    >>> [round(rate_factor(step, n_steps=6, n_warmup=2), 3) for step in range(6)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    done = (step - n_warmup) / max(n_steps - n_warmup, 1)
    return (1 + math.cos(math.pi * min(done, 1.0))) / 2


def epoch_batches(
    n_rows: int, batch_size: int, generator: np.random.Generator, *, least: int = 1
) -> list[NDArray[np.int64]]:
    """Places of the rows of each step of an epoch: shuffled, every row once, sizes equal to within one row.

    Equal sizes seldom leave a batch of one behind, which batch normalisation could not take statistics of; `least` = 2
    makes sure of it.

    Examples
    --------
    >>> [len(batch) for batch in epoch_batches(65, 32, np.random.default_rng(0))]
    [22, 22, 21]
    """
    order = generator.permutation(n_rows)
    parts = np.array_split(order, n_batches(n_rows, batch_size, least=least))
    return [np.asarray(part, dtype=np.int64) for part in parts]


def n_batches(n_rows: int, batch_size: int, *, least: int = 1) -> int:
    """Steps of an epoch, in equal batches of at most `batch_size` rows, of more where one would hold less than `least`.

    >>> n_batches(5, 2), n_batches(5, 2, least=2)
    (3, 2)
    """
    return max(1, min(-(-n_rows // batch_size), n_rows // least))


def epoch_views(n_rows: int, n_views: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """The view in which each row is seen in an epoch: all of them in turn, from a start of the row's own.

    Over `n_views` epochs every row is seen once in each of its views, and within an epoch all views occur.
    """
    start = np.random.default_rng([seed, n_rows]).integers(n_views, size=n_rows)
    return np.asarray((start + epoch) % n_views, dtype=np.int64)
