"""Making a split: strata, groups, holdouts, own folds, and what is refused."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from headstart.data import Split, make_split
from headstart.errors import SplitError


def check_contract(split: Split, groups: np.ndarray | None = None) -> None:
    """Partition, disjointness and whole groups on every level, by plain sets."""
    everything = set(range(len(split)))
    for repeat in range(split.repeats):
        tested: list[int] = []
        for fold, train, test in split.outer(repeat):
            assert set(train) | set(test) == everything
            assert not set(train) & set(test)
            tested += test.tolist()
            validated: list[int] = []
            for fit_rows, choose_rows in split.inner(repeat, fold):
                assert set(fit_rows) | set(choose_rows) == set(train)
                assert not set(fit_rows) & set(choose_rows)
                assert len(fit_rows)
                assert len(choose_rows)
                validated += choose_rows.tolist()
                check_whole(groups, fit_rows, choose_rows)
            assert len(validated) == len(set(validated))
            check_whole(groups, train, test)
        assert len(tested) == len(set(tested))
        if split.scheme.startswith("nested"):
            assert set(tested) == everything
    for train, test in split.full_inner():
        assert set(train) | set(test) == everything
        assert not set(train) & set(test)
        check_whole(groups, train, test)


def check_whole(groups: np.ndarray | None, left: np.ndarray, right: np.ndarray) -> None:
    if groups is not None:
        assert not set(groups[left].tolist()) & set(groups[right].tolist())


def counts_by_fold(split: Split, labels: np.ndarray) -> np.ndarray:
    """Images per (class, outer fold)."""
    counts = np.zeros((labels.max() + 1, split.n_outer), dtype=int)
    np.add.at(counts, (labels, split.fold_of(0)), 1)
    return counts


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    counts=st.lists(st.integers(6, 40), min_size=2, max_size=4),
    n_outer=st.integers(2, 6),
    n_inner=st.integers(2, 4),
    repeats=st.integers(1, 2),
    seed=st.integers(0, 10**6),
)
def test_without_groups_every_class_differs_by_one_image(
    counts: list[int], n_outer: int, n_inner: int, repeats: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    split = make_split(labels, scheme=f"nested:{n_outer}x{n_inner}", repeats=repeats, seed=seed)
    check_contract(split)
    table = counts_by_fold(split, labels)
    assert np.ptp(table, axis=1).max() <= 1
    assert np.ptp(table.sum(axis=0)) <= 1
    for repeat, fold in itertools.product(range(repeats), range(n_outer)):
        for _, rows in split.inner(repeat, fold):
            assert set(labels[rows]) == set(range(len(counts)))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(n_groups=st.integers(30, 80), purity=st.booleans(), seed=st.integers(0, 10**6))
def test_groups_stay_whole_and_every_class_reaches_every_fold(n_groups: int, purity: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), rng.integers(1, 9, n_groups))
    labels = (np.arange(n_groups) % 3)[groups] if purity else rng.integers(0, 3, len(groups))
    order = rng.permutation(len(groups))
    split = make_split(labels[order], groups=groups[order], seed=seed)
    check_contract(split, groups[order])
    assert counts_by_fold(split, labels[order]).min() > 0


def test_groups_are_balanced_no_worse_than_by_scikit_learn() -> None:
    ours, theirs = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(60), rng.integers(1, 20, 60))
        labels = (rng.random(len(groups)) < rng.random(60)[groups] * 0.5).astype(int)
        fold_of = np.empty(len(labels), dtype=int)
        for fold, (_, test) in enumerate(
            StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(labels, labels, groups)
        ):
            fold_of[test] = fold
        for folds, spread in ((make_split(labels, groups=groups, seed=seed).fold_of(0), ours), (fold_of, theirs)):
            shares = [np.bincount(folds[labels == code], minlength=5) / (labels == code).sum() for code in (0, 1)]
            spread.append(np.std(shares, axis=1).mean())
    assert np.mean(ours) <= np.mean(theirs)


def test_scarce_class_in_mixed_groups_reaches_every_fold() -> None:
    """Exactly five groups hold the rare class, each drowned in another class and of different size."""
    groups = np.repeat(np.arange(25), 8 + np.arange(25) % 7)
    labels = np.zeros(len(groups), dtype=int)
    labels[[np.flatnonzero(groups == group)[0] for group in (0, 5, 11, 17, 23)]] = 1
    for seed in range(20):
        split = make_split(labels, groups=groups, seed=seed)
        assert counts_by_fold(split, labels)[1].tolist() == [1] * 5


def test_holdout_keeps_shares_classes_and_groups() -> None:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1, 2], [100, 50, 10]))
    split = make_split(labels, scheme="holdout:60/20/20", repeats=3)
    check_contract(split)
    for repeat in range(3):
        ((_, train, test),) = split.outer(repeat)
        ((fit_rows, choose_rows),) = split.inner(repeat, 0)
        assert np.bincount(labels[test]).tolist() == [20, 10, 2]
        assert np.bincount(labels[choose_rows]).tolist() == [20, 10, 2]
        assert np.bincount(labels[fit_rows]).tolist() == [60, 30, 6]
        assert len(train) == 128
    assert (split.fold_of(0) != split.fold_of(1)).any()
    ((_, choose_rows),) = split.full_inner()
    assert len(choose_rows) == 40
    groups = np.arange(160) // 4
    check_contract(make_split(labels, groups=groups, scheme="holdout:60/20/20"), groups)


def test_one_inner_fold_is_a_quarter_of_the_training_images() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [100, 50, 20]))
    split = make_split(labels, scheme="nested:5x1", repeats=2)
    check_contract(split)
    assert (split.n_outer, split.n_inner) == (5, 1)
    for repeat, fold in itertools.product(range(2), range(5)):
        ((fit_rows, choose_rows),) = split.inner(repeat, fold)
        assert np.bincount(labels[choose_rows]).tolist() == [20, 10, 4]
        assert np.bincount(labels[fit_rows]).tolist() == [60, 30, 12]
    ((_, choose_rows),) = split.full_inner()
    assert len(choose_rows) == pytest.approx(170 / 4, abs=2)
    again = Split.from_json(json.loads(json.dumps(split.to_json())))
    assert (again.hash, again.n_inner) == (split.hash, 1)
    groups = np.arange(170) // 4
    check_contract(make_split(labels, groups=groups, scheme="nested:3x1"), groups)
    own = make_split(labels, folds=np.arange(170) % 3, scheme="nested:5x1")
    check_contract(own)
    assert own.scheme == "nested:3x1"


def test_three_images_of_a_class_fill_the_three_parts() -> None:
    split = make_split([0] * 3 + [1] * 30, scheme="holdout:60/20/20")
    ((_, _, test),) = split.outer(0)
    ((fit_rows, choose_rows),) = split.inner(0, 0)
    assert [int((rows < 3).sum()) for rows in (fit_rows, choose_rows, test)] == [1, 1, 1]


def test_split_does_not_depend_on_row_order_or_label_codes() -> None:
    rng = np.random.default_rng(3)
    labels, groups = rng.integers(0, 3, 90), rng.integers(0, 40, 90)
    names = [f"image{row}.png" for row in range(90)]
    split = make_split(labels, groups=groups, names=names, seed=5)
    order = rng.permutation(90)
    moved = make_split(2 - labels[order], groups=1000 - groups[order], names=[names[row] for row in order], seed=5)
    assert np.array_equal(moved.outer_codes, split.outer_codes[:, order])
    assert np.array_equal(moved.inner_codes, split.inner_codes[:, :, order])
    assert moved.hash == split.hash
    assert make_split(labels, groups=groups, names=names, seed=6).hash != split.hash


def test_strata_and_weights_are_spread_within_classes() -> None:
    rng = np.random.default_rng(0)
    labels, kind = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    split = make_split(labels, strata=kind)
    table = counts_by_fold(split, labels * 2 + kind)
    assert np.ptp(table, axis=1).max() <= 1
    assert np.ptp(counts_by_fold(split, labels), axis=1).max() <= 1
    weights = np.where(np.arange(200) < 190, 1.0, 0.0)
    with pytest.raises(SplitError, match="Class '1' has 4 images"):
        make_split([0] * 180 + [1] * 20, weights=np.r_[np.ones(184), np.zeros(16)])
    check_contract(make_split(labels, weights=weights))


@pytest.mark.parametrize(
    ("counts", "scheme", "message"),
    [
        (
            [3, 50],
            "nested:5x4",
            r"Class 'crack' has 3 images but .* at least 5. Use --split nested:3x2 or add 2 images.",
        ),
        (
            [3, 50],
            "nested:2x1",
            r"crack.* but 2 folds with an inner holdout need at least 4. Use --split nested:3x1 or",
        ),
        ([1, 50], "nested:5x4", r"Class 'crack' has 1 image but .* Add 4 images or leave the class out."),
        ([2, 50], "holdout:60/20/20", r"Class 'crack' has 2 images but .* at least 3. Add 1 image or"),
        ([50], "nested:5x4", "of one class"),
    ],
)
def test_too_few_images_say_what_would_work(counts: list[int], scheme: str, message: str) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    with pytest.raises(SplitError, match=message):
        make_split(labels, scheme=scheme, classes=["crack", "sound"])


def test_what_the_message_proposes_works() -> None:
    for n_images, n_outer, n_inner in itertools.product(range(3, 9), range(2, 8), range(1, 6)):
        labels = [0] * n_images + [1] * 40
        try:
            make_split(labels, scheme=f"nested:{n_outer}x{n_inner}")
        except SplitError as error:
            proposed = str(error).split("--split ")[1].split(" ")[0]
            check_contract(make_split(labels, scheme=proposed))


def test_too_few_groups_are_counted_as_groups() -> None:
    labels = np.repeat([0, 1], [40, 40])
    groups = np.r_[np.arange(40) // 10, 100 + np.arange(40)]
    with pytest.raises(SplitError, match=r"has 40 images in 4 groups but .* at least 5 groups. Use --split nested:4x3"):
        make_split(labels, groups=groups)


def test_impossible_mixtures_of_groups_end_in_an_error() -> None:
    """Any two of four groups share a class that has three groups, so no two may stand in one of three parts."""
    groups = np.repeat(np.arange(4), 6)
    labels = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]).repeat(2, axis=1).reshape(-1)
    with pytest.raises(SplitError, match=r"groups mix the classes too unevenly. Use fewer folds"):
        make_split(labels, groups=groups, scheme="holdout:60/20/20")


@pytest.mark.parametrize(
    "scheme", ["nested:5", "nested:1x4", "nested:5x0", "nested:5x4x3", "holdout:50/20/20", "holdout:80/0/20", "5x4"]
)
def test_schemes_are_checked(scheme: str) -> None:
    with pytest.raises(SplitError, match="Split '"):
        make_split([0, 1] * 20, scheme=scheme)


@pytest.mark.parametrize("scheme", ["nested:0of5x4", "nested:6of5x4", "nested:2of1x4", "nested:of5x4", "nested:2of5"])
def test_more_folds_cannot_judge_than_are_drawn(scheme: str) -> None:
    with pytest.raises(SplitError, match=r"cannot judge|there must be|is not known"):
        make_split(np.arange(60) % 2, scheme=scheme)


def test_all_folds_that_the_data_bring_judge() -> None:
    with pytest.raises(SplitError, match=r"all of them judge\. Write nested:5x4"):
        make_split(np.arange(60) % 2, folds=np.arange(60) // 20, scheme="nested:2of5x4")


def test_folds_that_train_only_keep_groups_whole_and_need_as_many_images() -> None:
    labels, groups = np.arange(90) % 3, np.arange(90) // 3 % 10
    split = make_split(labels, groups=groups, scheme="nested:2of5x2", repeats=2, seed=1)
    for repeat in range(2):
        codes = split.fold_of(repeat)
        assert sorted(set(codes.tolist())) == [-2, 0, 1] and len(set(zip(groups, codes, strict=True))) == 10
        for _, train, test in split.outer(repeat):
            assert len(train) + len(test) == 90 and not set(train) & set(test)
    with pytest.raises(SplitError, match="has 4 images but 5 folds with 4 inner folds need at least 5"):
        make_split(np.repeat([0, 1], [4, 60]), scheme="nested:2of5x4")


def test_own_folds_are_kept_and_checked() -> None:
    labels = np.tile([0, 1], 30)
    folds = np.repeat([7, 3, 5], 20)
    split = make_split(labels, folds=folds, scheme="nested:5x4")
    check_contract(split)
    assert split.n_outer == 3
    assert (split.scheme, split.own_folds) == ("nested:3x4", True)
    assert (make_split(labels).scheme, make_split(labels).own_folds) == ("nested:5x4", False)
    again = Split.from_json(json.loads(json.dumps(split.to_json()))).reordered(np.arange(60)[::-1])
    assert (again.scheme, again.own_folds) == ("nested:3x4", True)
    assert not Split.from_json({key: value for key, value in split.to_json().items() if key != "own_folds"}).own_folds
    assert split.fold_of(0).tolist() == np.repeat([2, 0, 1], 20).tolist()
    assert "3 of the fold column" in split.notes[0]
    with pytest.raises(SplitError, match=r"tears 1 group .or set of duplicates. apart, such as those of 000000"):
        make_split(labels, folds=folds, groups=np.r_[99, np.arange(58), 99])
    with pytest.raises(SplitError, match="Class '1' lies in one fold"):
        make_split([0] * 20 + [1] * 20 + [0] * 20, folds=folds)
    with pytest.raises(SplitError, match="nested scheme"):
        make_split(labels, folds=folds, scheme="holdout:60/20/20")
    lacking = make_split([0, 1] * 20 + [0] * 20, folds=folds)
    assert "lack a class" in lacking.notes[1]
