"""Integrated gradients: the gradient with respect to pixels, averaged on the way from a blank image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from headstart.errors import InputError
from headstart.explain.attribution import Attribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.explain.scored_model import Pictures, ScoredModel

    Floats = NDArray[np.float64]

N_POINTS = 32
"""Gauss-Legendre points on the way."""
_AT_ONCE = 8


def integrated_gradient_maps(model: ScoredModel, pictures: Pictures, weights: Floats) -> Attribution:
    """Maps of integrated gradients, pixel by pixel, summed over colours.

    The way begins at an image of one colour, the mean of the images that the network was trained on. Descriptors and
    table columns stay those of the image.

    Parameters
    ----------
    model : ScoredModel
        Its head has a gradient.
    pictures : Pictures
    weights : ndarray of shape (n, P)

    References
    ----------
    M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep networks", ICML 2017, eq. 1. arXiv:1703.01365
    """
    images = model.images(pictures.pixels)
    n_pixels = images.shape[2] * images.shape[3]
    maps = np.stack([_one_map(model, images[row], pictures.fixed[row], weights[row]) for row in range(len(pictures))])
    blank = model.features_of(torch.zeros_like(images)) + pictures.fixed
    return Attribution(
        maps=(maps * n_pixels).astype(np.float32),
        scores=model.scores(pictures, weights),
        references=model.score_rows(model.standardise(blank), weights),
        elsewhere=np.zeros(len(pictures)),
        attributed=maps.sum(axis=(1, 2)),
    )


def _one_map(model: ScoredModel, image: torch.Tensor, fixed: Floats, weights: Floats) -> Floats:
    """Share of the score (height, width) that the pixels of one image, (channels, height, width), have."""
    gradient = model.class_scores.gradient
    if gradient is None:
        raise InputError("A head whose scores rise in steps has no gradient. Use the method 'occlusion'.")
    points, shares = np.polynomial.legendre.leggauss(N_POINTS)
    found = torch.zeros_like(image)
    for start in range(0, N_POINTS, _AT_ONCE):
        some = torch.from_numpy((points[start : start + _AT_ONCE] + 1) / 2).float().to(image)
        traced = model.traced(some[:, None, None, None] * image, None)
        standard = model.standardise(traced.rows.detach().cpu().double().numpy() + fixed)
        pulls = gradient(standard, np.tile(weights, (len(standard), 1))) * model.inverse_scale
        pulls *= shares[start : start + _AT_ONCE, None] / 2
        found += traced.gradients(pulls)[None].sum(dim=0)
    return np.asarray((found * image).sum(dim=0).cpu().double().numpy())
