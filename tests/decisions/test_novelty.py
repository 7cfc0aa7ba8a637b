"""Novelty thresholds: answers by hand, the promised rate kept by exchangeable images and by groups."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.decisions import NoveltyThreshold, evaluate_novelty, fit_novelty
from headstart.decisions.novelty import min_groups
from headstart.errors import InputError
from headstart.metrics import OutOfFold


def test_by_hand() -> None:
    """Nine images at 1 to 9: the tenth is flagged at a rate of 0.2 where at most one of them lies as far."""
    found = fit_novelty(np.arange(1.0, 10.0), 0.2)
    judged = found.apply(np.array([0.0, 8.0, 8.5, 9.5]))
    assert judged.p_value.round(12).tolist() == [1.0, 0.3, 0.2, 0.1]
    assert judged.is_novel.tolist() == [False, False, True, True]
    assert found.threshold == 8.0 and found.n_groups == 9 and not found.is_silent


def test_a_group_counts_once() -> None:
    """Ten images of one patient weigh as much as one image of another."""
    distances, groups = [*([5.0] * 10), 1.0, 2.0, 3.0], np.array([*([0] * 10), 1, 2, 3])
    found = fit_novelty(distances, 0.4, groups=groups)
    assert found.n_groups == 4 and found.apply(np.array([4.0])).p_value.round(12).tolist() == [0.4]


def test_too_few_images_flag_nothing() -> None:
    found = fit_novelty(np.arange(98.0), 0.01)
    assert found.is_silent and found.threshold is None and not found.apply(np.array([1e9])).is_novel.any()
    assert fit_novelty(np.arange(99.0), 0.01).threshold == 98.0
    assert [min_groups(rate) for rate in (0.01, 0.05, 0.5)] == [99, 19, 1]


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_the_promised_rate_is_kept_by_exchangeable_images(rate: float) -> None:
    """New images at distances of the same law: flagged at floor(rate (n + 1)) / (n + 1), never more on average."""
    rng, n, flagged = np.random.default_rng(3), 250, []
    for _ in range(600):
        found = fit_novelty(rng.gamma(2.0, size=n), rate)
        flagged.append(found.apply(rng.gamma(2.0, size=200)).is_novel.mean())
    exact = np.floor(rate * (n + 1)) / (n + 1)
    assert abs(np.mean(flagged) - exact) < 3 * np.std(flagged) / np.sqrt(len(flagged))


def test_the_promised_rate_is_kept_by_images_of_new_groups() -> None:
    """Patients differ, some have many images: new patients are flagged at the rate; without groups, at more."""
    rng = np.random.default_rng(5)
    apart: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(1500):
        sizes = np.where(np.arange(60) % 10 == 0, 40, 1)
        shift = np.where(sizes > 1, -1.0, 1.0) + rng.normal(size=60)
        codes = np.repeat(np.arange(60), sizes)
        distances = shift[codes] + 0.1 * rng.normal(size=len(codes))
        new = np.where(rng.random() < 0.1, -1.0, 1.0) + rng.normal() + 0.1 * rng.normal()
        for known in apart:
            found = fit_novelty(distances, 0.1, groups=codes if known else None)
            apart[known].append(float(found.apply(np.array([new])).is_novel[0]))
    assert np.mean(apart[True]) < 0.1 + 3 * np.sqrt(0.09 / 1500)
    assert np.mean(apart[False]) > 0.15


def test_the_share_of_flagged_images() -> None:
    labels, fold = np.arange(40) % 2, np.zeros((1, 40), dtype=np.int64)
    oof = OutOfFold(labels, np.full((1, 40, 2), 0.5), fold, ("a", "b"))
    share = evaluate_novelty(oof, np.arange(40)[None] < 10, seed=0, correction="none")
    assert share.value == 0.25 and share.low < 0.25 < share.high


def test_stored_and_restored() -> None:
    found = fit_novelty([3.0, 1.0, 2.0], 0.3, groups=np.array([0, 0, 1]))
    again = NoveltyThreshold.from_tensors(0.3, found.to_tensors())
    new = np.linspace(0, 4, 9)
    assert again.apply(new).p_value.tobytes() == found.apply(new).p_value.tobytes()
    for name, values in {
        "calibration_distances": np.array([3.0, 2.0, 1.0]),
        "calibration_weights": np.zeros(3),
    }.items():
        with pytest.raises(InputError, match="Distances of the training images"):
            NoveltyThreshold.from_tensors(0.3, {**found.to_tensors(), name: values})


@pytest.mark.parametrize(("rate", "words"), [(5.0, r"For 5 % write 0\.05"), (0.0, "above 0"), (1.0, "below 1")])
def test_a_rate_out_of_range_is_refused(rate: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_novelty([1.0], rate)


def test_distances_that_are_none_are_refused() -> None:
    for distances in ([], [np.nan], [[1.0]]):
        with pytest.raises(InputError, match="finite numbers"):
            fit_novelty(distances, 0.1)
