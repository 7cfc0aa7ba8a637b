"""The out-of-fold predictions that a run is judged on, rebuilt from its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_run import make_run

from headstart.metrics import evaluate
from headstart.results.out_of_fold import out_of_fold
from headstart.results.read import read_run


def test_out_of_fold_rebuilds_what_was_judged(tmp_path: Path) -> None:
    make_run(tmp_path, repeats=2, n=90, weighted=True)
    record = read_run(tmp_path)
    oof = out_of_fold(record)
    results = record.results
    again = evaluate(oof, n_resamples=100)
    for name, entry in results.metrics.items():
        assert again.metrics[name].value == pytest.approx(entry.value, abs=1e-9)
    np.testing.assert_allclose(again.confusion, results.confusion)
    assert oof.groups is None


def test_groups_of_the_split_file_are_resampled_whole(tmp_path: Path) -> None:
    names = make_run(tmp_path, n=60, groups=[row // 4 for row in range(60)])
    record = read_run(tmp_path)
    oof = out_of_fold(record)
    assert oof.groups is not None
    assert oof.n_units == 15
    order = sorted(range(60), key=lambda row: names[row])
    assert [int(group) for group in np.unique([row // 4 for row in order], return_inverse=True)[1]] == [
        list(dict.fromkeys(oof.groups.tolist())).index(group) for group in oof.groups
    ]
