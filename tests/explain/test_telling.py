"""The images that tell most: kinds share the places, classes take turns, and too few of one kind are made up for."""

from __future__ import annotations

import numpy as np

from headstart.explain.telling import telling_images


def shares(first: list[float]) -> np.ndarray:
    return np.column_stack([first, 1 - np.array(first)])


def test_kinds_share_the_places() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 200)
    labels = np.random.default_rng(1).integers(0, 3, 200)
    found = telling_images(labels, probabilities)
    assert [one.kind for one in found] == ["hit"] * 4 + ["miss"] * 4 + ["doubtful"] * 4
    assert len({one.row for one in found}) == 12
    for one in found:
        order = np.argsort(-probabilities[one.row])
        assert (one.predicted, one.runner_up) == (order[0], order[1])
        assert one.probability == probabilities[one.row].max()
        assert one.kind == "doubtful" or (one.kind == "hit") == (one.label == one.predicted)
    doubtful = [one.row for one in found if one.kind == "doubtful"]
    margins = np.diff(np.sort(probabilities, axis=1)[:, -2:], axis=1)[:, 0]
    assert doubtful == np.argsort(margins, kind="stable")[:4].tolist()


def test_classes_take_turns() -> None:
    first = [0.99, 0.98, 0.97, 0.96, 0.95, 0.4, 0.3]
    labels = np.array([0, 0, 0, 0, 0, 1, 1])
    found = telling_images(labels, shares(first), limit=2)
    assert [(one.row, one.kind) for one in found] == [(0, "hit"), (5, "doubtful")]
    hits = [one.row for one in telling_images(labels, shares(first), limit=6) if one.kind == "hit"]
    assert hits[:2] == [0, 6]


def test_where_nothing_is_missed_hits_and_doubts_fill_the_places() -> None:
    first = np.linspace(0.6, 0.99, 20).tolist()
    found = telling_images(np.zeros(20, dtype=np.int64), shares(first))
    assert [one.kind for one in found] == ["hit"] * 6 + ["doubtful"] * 6


def test_fewer_images_than_places_are_each_told_once() -> None:
    found = telling_images(np.array([0, 1]), shares([0.9, 0.8]))
    assert sorted(one.row for one in found) == [0, 1]
