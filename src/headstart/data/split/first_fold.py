"""The first outer fold of a split alone: a holdout for a first answer, whose images the whole split judges too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.data.split.scheme import holdout_scheme
from headstart.data.split.split import OUTSIDE, TRAIN_ONLY, Split


def first_fold(split: Split) -> Split:
    """The split with its first outer fold alone to judge, and its first inner fold alone to choose.

    Parameters
    ----------
    split : Split
        Any; a holdout drawn once stays as it is.
    """
    if split.n_outer == split.n_inner == split.repeats == 1:
        return split
    judges = split.fold_of(0) == 0
    inner = split.inner_codes[0, 0]
    chooses = inner == 0
    return replace(
        split,
        scheme=holdout_scheme(chooses, judges),
        repeats=1,
        outer_codes=np.where(judges, 0, TRAIN_ONLY).astype(np.int16)[None],
        inner_codes=np.where(judges, OUTSIDE, np.where(chooses, 0, TRAIN_ONLY)).astype(np.int16)[None, None],
        full_codes=np.where(split.full_codes == 0, 0, TRAIN_ONLY).astype(np.int16),
        rule=f"one holdout, the first fold of {split.scheme}, for a provisional answer",
    )
