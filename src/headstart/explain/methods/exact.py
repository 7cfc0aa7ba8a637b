"""Exact maps: the score of a class divided among the places of the stage maps that features are pooled from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.explain.attribution import Attribution
from headstart.explain.input_grid import on_input_grid
from headstart.explain.methods.gradients import path_gradient
from headstart.explain.methods.placed_features import PlacedFeatures, placed_features
from headstart.explain.methods.shapley import shapley_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.explain.scored_model import Pictures, ScoredModel

    Floats = NDArray[np.float64]


def exact_maps(model: ScoredModel, pictures: Pictures, weights: Floats) -> Attribution:
    """Exact maps of some images: what every place adds to the score, beyond that of the training images' mean.

    Linear heads give every place its features' coefficients times what it adds to them; nothing is left over. SVM and
    dense heads take the gradient averaged along the straight path from the mean, as integrated gradients do [1]_. kNN
    and forests, whose scores have no such path, take Shapley values of the places [2]_; all blocks are then looked at
    on the grid of the coarsest.

    Parameters
    ----------
    model : ScoredModel
    pictures : Pictures
    weights : ndarray of shape (n, P)
        Weights of the classes.

    Raises
    ------
    InputError
        When the features are no pooled map.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep networks", ICML 2017, eq. 1.
       arXiv:1703.01365
    .. [2] L. S. Shapley, "A value for n-person games", 1953. DOI 10.1515/9781400881970-018
    """
    by_path = model.class_scores.gradient is not None and model.class_scores.is_continuous
    one_map = _along_path if by_path else _by_shapley
    parts = [one_map(model, placed, row) for placed, row in zip(placed_features(model, pictures), weights, strict=True)]
    return Attribution.joined(parts)


def _along_path(model: ScoredModel, placed: PlacedFeatures, weights: Floats) -> Attribution:
    total = placed.total
    mean_gradient = path_gradient(model, total, weights)
    return _attribution(
        model, placed.weighted(mean_gradient), total, weights, elsewhere=float(mean_gradient @ placed.beside)
    )


def _by_shapley(model: ScoredModel, placed: PlacedFeatures, weights: Floats) -> Attribution:
    grid = placed.coarsest

    def value(rows: Floats) -> Floats:
        return model.score_rows(rows, np.tile(weights, (len(rows), 1)))

    values = shapley_values(placed.on_cells(grid), placed.beside, value)
    without_places, mean = value(np.stack([placed.beside, np.zeros_like(placed.beside)]))
    return _attribution(model, [values.reshape(grid)], placed.total, weights, elsewhere=float(without_places - mean))


def _attribution(
    model: ScoredModel, maps: list[Floats], standard: Floats, weights: Floats, *, elsewhere: float
) -> Attribution:
    both = model.score_rows(np.stack([standard, np.zeros_like(standard)]), np.tile(weights, (2, 1)))
    shown = sum(on_input_grid(one[None] * one.size, model.size) for one in maps)
    return Attribution(
        maps=np.asarray(shown, dtype=np.float32),
        scores=both[:1],
        references=both[1:],
        elsewhere=np.array([elsewhere]),
        attributed=np.array([sum(float(one.sum()) for one in maps)]),
    )
