"""Groups joined by pairs of images."""

from __future__ import annotations

import numpy as np

from headstart.data import join_groups


def test_joined_groups_are_the_connected_components(rng: np.random.Generator) -> None:
    groups = rng.integers(0, 30, 80)
    pairs = [tuple(pair) for pair in rng.integers(0, 80, (12, 2)).tolist()]
    labels = groups.copy()
    for _ in range(80):
        for left, right in pairs:
            labels[labels == labels[left]] = labels[right]
    joined = join_groups(groups, pairs, 80)
    assert np.array_equal(joined[:, None] == joined, labels[:, None] == labels)
