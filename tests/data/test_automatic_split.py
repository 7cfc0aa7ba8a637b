"""The default split: 5 x 4 folds where the interval needs them, fewer where it is narrow anyway."""

import math
from dataclasses import replace

import numpy as np
import pytest

from headstart.data import ImageDataset
from headstart.data.split.automatic import (
    DEAR,
    MIN_CHOOSING,
    MIN_INDEPENDENT,
    MIN_OF_A_CLASS,
    NARROW,
    SINGLE,
    USUAL,
    VERY_DEAR,
    automatic_scheme,
    half_width,
)
from headstart.data.split.make import make_split, split_dataset
from headstart.data.split.split import Split
from headstart.data.split.task import SplitTask
from headstart.errors import SplitError

FEWER, ONE_CHOOSES, TWO_JUDGE = "nested:5x2", "nested:5x1", "nested:2of5x2"


def labels_of(*sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def test_the_usual_split_of_few_images_is_the_named_one_but_for_the_rule():
    labels = labels_of(30, 50)
    automatic, named = make_split(labels, scheme="auto", seed=3), make_split(labels, scheme=USUAL, seed=3)
    assert (automatic.hash, automatic.scheme, named.rule) == (named.hash, USUAL, "")
    assert "the smallest ('0') counting as 30 images" in automatic.rule and "may reach 11 points" in automatic.rule
    content = automatic.to_json()
    assert content.pop("rule") == automatic.rule and content == named.to_json()


def scheme_of(labels, groups=None):
    task = SplitTask.of(labels, groups=groups, weights=None, strata=None, names=None, classes=None)
    return automatic_scheme(task)


@pytest.mark.parametrize(
    ("n_classes", "n_each", "scheme", "share"),
    [
        (2, 4_800, USUAL, 1),
        (2, 4_810, FEWER, 1),
        (10, 2_390, FEWER, 1),
        (10, 2_410, TWO_JUDGE, 0.4),
        (10, 4_790, TWO_JUDGE, 0.4),
        (10, 4_810, SINGLE, 0.2),
        (194, 124, FEWER, 1),
        (194, 125, TWO_JUDGE, 0.4),
    ],
)
def test_as_many_folds_judge_as_the_interval_needs(n_classes, n_each, scheme, share):
    found = scheme_of(labels_of(*[n_each] * n_classes))
    assert found.scheme == scheme
    judged = half_width([n_each] * n_classes, share)
    assert (judged > NARROW) == (scheme == USUAL)
    assert f"{100 * judged:.2g} point" in found.rule
    assert ("2 of 5 outer folds judge" in found.rule) == (scheme == TWO_JUDGE)


def test_every_class_counts_as_its_own_size_does():
    """Of one class of 1,133 and nine of 4,400 two fifths tell the mean recall to .84 points; ten of 1,133 would not."""
    uneven, even = scheme_of(labels_of(1_133, *[4_400] * 9)), scheme_of(labels_of(*[1_133] * 10))
    assert (uneven.scheme, even.scheme) == (TWO_JUDGE, USUAL.replace("4", "2"))
    assert "the smallest ('0') counting as 1,133 images" in uneven.rule and "at most 0.84 points" in uneven.rule


def test_fifty_of_the_smallest_class_have_to_judge():
    large = [3_000] * 100
    assert scheme_of(labels_of(250, *large)).scheme == SINGLE
    assert scheme_of(labels_of(249, *large)).scheme.startswith("nested:2of5")
    assert scheme_of(labels_of(124, *large)).scheme.startswith("nested:5x")


def test_two_of_five_folds_judge_and_the_others_train_only():
    labels = labels_of(60, 40)
    part, whole = (make_split(labels, scheme=scheme, seed=3) for scheme in ("nested:2of5x4", "nested:5x4"))
    assert (part.n_outer, part.n_inner, whole.n_outer) == (2, 4, 5)
    assert np.array_equal(part.outer_codes, np.where(whole.outer_codes < 2, whole.outer_codes, -2))
    assert np.array_equal(part.inner_codes, whole.inner_codes[:, :2])
    assert np.array_equal(part.full_codes, whole.full_codes)
    assert Split.from_json(part.to_json()).hash == part.hash != whole.hash
    trained = [len(train) for _, train, _ in part.outer(0)]
    assert trained == [80, 80]


def test_two_inner_folds_choose_where_images_times_classes_are_many():
    few, many = scheme_of(labels_of(*[8] * 249)), scheme_of(labels_of(*[8] * 250))
    assert 8 * 249 * 249 < DEAR <= 8 * 250 * 250 and (few.scheme, many.scheme) == (USUAL, FEWER)
    assert "heads of 2,000 images in 250 classes take long to fit" in many.rule
    assert "the same with both, may reach 2.2 points" in many.rule


def test_one_inner_holdout_chooses_where_they_are_more_still():
    few, many = scheme_of(labels_of(*[6] * 912)), scheme_of(labels_of(*[6] * 913))
    assert 6 * 912 * 912 < VERY_DEAR <= 6 * 913 * 913 and (few.scheme, many.scheme) == (FEWER, ONE_CHOOSES)
    assert "an inner holdout instead of four inner folds, since heads of 5,478 images in 913 classes" in many.rule


def test_the_smallest_class_decides_however_large_another_is():
    found = scheme_of(labels_of(5, 50_000))
    assert found.scheme == USUAL and "counting as 5 images" in found.rule


@pytest.mark.parametrize(("share", "scheme", "fewer"), [(0.2, ONE_CHOOSES, FEWER), (0.8, FEWER, USUAL)])
def test_fewer_inner_folds_choose_where_so_many_images_are_enough(share, scheme, fewer):
    n_images, n_small = math.ceil(MIN_CHOOSING / share), math.ceil(MIN_OF_A_CLASS / share)
    found = scheme_of(labels_of(n_images - n_small, n_small))
    part = "a fifth of 48,020 images is enough" if share == 0.2 else "four fifths of 12,005 images are enough"
    assert found.scheme == scheme and f"since {part} to choose by; with 2 classes, the smallest ('1')" in found.rule
    assert "the same with both, may reach" in found.rule
    assert scheme_of(labels_of(n_images - n_small - 1, n_small)).scheme == fewer
    assert scheme_of(labels_of(n_images, n_small - 1)).scheme == fewer


def test_so_many_images_tell_a_share_to_one_point():
    assert half_width([MIN_CHOOSING]) == pytest.approx(NARROW) == half_width([MIN_INDEPENDENT]) / 2
    labels = labels_of(48_020 - 300, 300)
    split = make_split(labels, scheme="auto")
    assert (split.scheme, split.n_outer, split.n_inner) == (ONE_CHOOSES, 5, 1)
    ((_, choosing),) = split.inner(0, 0)
    assert len(choosing) == MIN_CHOOSING and (labels[choosing] == 1).sum() == 60


@pytest.mark.parametrize(
    ("n_groups", "scheme"), [(12_000, FEWER), (12_010, ONE_CHOOSES), (3_000, USUAL), (3_005, FEWER)]
)
def test_images_that_choose_count_as_their_groups_do(n_groups, scheme):
    n_images = n_groups * (48_020 // n_groups + 1)
    labels = (np.arange(n_images) % n_groups < n_groups // 20).astype(int)
    found = scheme_of(labels, np.arange(n_images) % n_groups)
    assert found.scheme == scheme
    assert (f"{n_images:,} images that count as {n_groups:,} groups" in found.rule) == (scheme != USUAL)


def test_images_of_weight_0_do_not_count_among_those_that_choose():
    labels = labels_of(25_000, 25_000)
    weights = (np.arange(50_000) % 25_000 < 300).astype(float)
    task = SplitTask.of(labels, groups=None, weights=weights, strata=None, names=None, classes=None)
    assert automatic_scheme(task).scheme == USUAL


def test_groups_count_as_their_effective_number():
    labels = labels_of(5_000, 5_000)
    groups = np.concatenate([np.zeros(2_500), np.arange(1, 7_501)])  # half of the first class is one group
    assert scheme_of(labels).scheme == FEWER
    found = scheme_of(labels, groups)
    assert found.scheme == USUAL and "counting as 4 groups" in found.rule


def test_folds_of_the_data_and_repeats_keep_the_usual_scheme():
    labels = labels_of(20, 20)
    own = make_split(labels, folds=np.arange(40) % 3, scheme="auto")
    assert (own.scheme, own.rule, own.own_folds) == ("nested:3x4", "", True)
    repeated = make_split(labels, scheme="auto", repeats=2)
    assert (repeated.scheme, repeated.rule) == (USUAL, "the folds are drawn 2 times")


def test_parts_of_the_data_are_taken_as_they_are():
    dataset = ImageDataset.from_arrays(np.zeros((8, 4, 4, 3), np.uint8), ["a", "b"] * 4)
    parted = replace(dataset, parts=np.array([0, 0, 0, 0, 1, 1, 2, 2]))
    assert split_dataset(parted, scheme="auto").rule == ""
    with pytest.raises(SplitError, match="--repeats 2 asks for another"):
        split_dataset(parted, scheme="auto", repeats=2)


def test_a_class_that_is_too_small_is_refused_as_before():
    with pytest.raises(SplitError, match="Class '0' has 3 images but 5 folds with 4 inner folds need at least 5"):
        make_split(labels_of(3, 50), scheme="auto")


def test_images_and_groups_of_classes_count_those_of_positive_weight():
    labels, groups = np.array([0, 0, 0, 1, 1, 2]), np.array([5, 5, 7, 7, 9, 9])
    weights = np.array([1, 1, 1, 1, 0, 1])
    task = SplitTask.of(labels, groups=groups, weights=weights, strata=None, names=None, classes=("a", "b", "c", "d"))
    assert task.class_units() == {"a": (3, 2), "b": (1, 1), "c": (1, 1)}
