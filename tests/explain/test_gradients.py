"""Gradients that maps weigh features by: shares of the score for heads with a path, smooth votes for neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from explained import pictures, small_model

from headstart.errors import InputError
from headstart.explain.methods.gradients import telling_gradients
from headstart.explain.scored_model import ScoredModel
from headstart.heads import HeadSpec

WEIGHTS = np.array([[1.0, -1.0, 0.0], [0.0, -1.0, 1.0]])
DENSE = HeadSpec("dense", {"units": 24, "epochs": 20, "learning_rate": 1e-3})


def scored(spec: HeadSpec) -> tuple[ScoredModel, np.ndarray]:
    """A model with the standardised features of two pictures."""
    model = ScoredModel(small_model(spec))
    return model, model.standardise(model.features(model.pictures(pictures(2))))


@pytest.mark.parametrize(
    ("spec", "tolerance"), [(HeadSpec("svm"), 1e-4), (DENSE, 1e-2), (HeadSpec("lda"), 1e-9)], ids=str
)
def test_times_features_they_are_the_score_beyond_that_of_the_mean(spec: HeadSpec, tolerance: float) -> None:
    model, rows = scored(spec)
    found = (telling_gradients(model, rows, WEIGHTS) * rows).sum(axis=1)
    expected = model.score_rows(rows, WEIGHTS) - model.score_rows(0 * rows, WEIGHTS)
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_of_a_vector_machine_far_from_all_rows_something_is_left() -> None:
    model, rows = scored(HeadSpec("svm"))
    assert model.class_scores.gradient is not None
    far = 10 * rows
    here = np.abs(model.class_scores.gradient(far, WEIGHTS)).max()
    assert np.abs(telling_gradients(model, far, WEIGHTS)).max() > 100 * here


def test_of_neighbours_they_are_those_of_smooth_votes() -> None:
    model, rows = scored(HeadSpec("knn", {"k": 5}))
    assert model.class_scores.smooth_gradient is not None
    expected = model.class_scores.smooth_gradient(rows, WEIGHTS)
    np.testing.assert_array_equal(telling_gradients(model, rows, WEIGHTS), expected)


def test_scores_that_rise_in_steps_have_none() -> None:
    model, rows = scored(HeadSpec("forest", {"trees": 3}))
    with pytest.raises(InputError, match="rise in steps has no gradient"):
        telling_gradients(model, rows, WEIGHTS)
