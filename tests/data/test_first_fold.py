"""The first outer fold of a split as a holdout for a provisional answer."""

import numpy as np

from headstart.data.split.first_fold import first_fold
from headstart.data.split.make import make_split
from headstart.data.split.split import check_codes


def test_the_first_fold_judges_and_chooses_as_in_the_whole_split():
    whole = make_split(np.repeat([0, 1], 50), scheme="nested:5x4", repeats=2)
    first = first_fold(whole)
    check_codes(first.outer_codes, first.inner_codes, first.full_codes)
    assert (first.scheme, first.repeats, first.n_outer, first.n_inner) == ("holdout:60.00/20.00/20.00", 1, 1, 1)
    (_, train, test), (_, same_train, same_test) = next(first.outer(0)), next(whole.outer(0))
    assert train.tolist() == same_train.tolist() and test.tolist() == same_test.tolist()
    ((_, chooses),) = first.inner(0, 0)
    assert chooses.tolist() == next(whole.inner(0, 0))[1].tolist()
    assert "the first fold of nested:5x4" in first.rule


def test_a_holdout_stays_as_it_is():
    whole = make_split(np.repeat([0, 1], 50), scheme="holdout:60/20/20")
    assert first_fold(whole) is whole
