"""Prediction from stored arrays: plain numpy, the same code for out-of-fold scores and for saved models.

Each function takes the arrays and the spec of one kind of head and gives the function that turns a block of
standardised features (BLOCK_ROWS, n_features) into probabilities of the classes seen in training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads.arithmetic import (
    Floats,
    gelu,
    linear_map,
    rbf,
    sigmoid,
    softmax,
    squared_distances,
    squared_norms,
    unit_rows,
)
from headstart.heads.arrays import dense_layers
from headstart.heads.spec import HeadSpec

Arrays = Mapping[str, npt.NDArray[Any]]
BlockPredictor = Callable[[Floats], Floats]

TINY = 1e-12


def standardised(rows: npt.NDArray[Any], arrays: Arrays) -> Floats:
    """Features in units of the training rows' standard deviation; features constant in training become 0."""
    centred = rows.astype(np.float64)
    centred -= arrays["mean"]
    centred *= arrays["inverse_scale"]
    return centred


def block_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Function from a block of standardised features to probabilities (BLOCK_ROWS, n_present)."""
    if np.count_nonzero(arrays["present"]) == 1:
        return lambda block: np.ones((len(block), 1))
    return PREDICTORS[spec.kind](spec, arrays)


def logistic_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Softmax of a linear map."""
    score = linear_map(arrays["coefficients"].T)
    return lambda block: softmax(score(block) + arrays["intercepts"])


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda values: np.maximum(values, 0.0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "gelu": gelu,
    "selu": lambda values: SELU_SCALE * (np.maximum(values, 0.0) + SELU_ALPHA * np.expm1(np.minimum(values, 0.0))),
}


def dense_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Hidden layers and softmax, dropout switched off; weights learned in float32, applied in float64."""
    layers = [
        (linear_map(arrays[weights].T), arrays[bias])  # (inputs, outputs), (outputs,)
        for weights, bias in dense_layers(spec.whole("layers"))
    ]
    *hidden_layers, (to_scores, output_bias) = layers
    activation = ACTIVATIONS[str(spec.settings["activation"])]

    def predict(block: Floats) -> Floats:
        values = block
        for to_hidden, bias in hidden_layers:
            values = activation(to_hidden(values) + bias)
        return softmax(to_scores(values) + output_bias)

    return predict


def knn_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Smoothed votes of the training rows most similar by the cosine of standardised features."""
    similarity = linear_map(unit_rows(standardised(arrays["rows"], arrays)).T)  # (d, n)
    n_classes = int(np.count_nonzero(arrays["present"]))
    count = linear_map(np.eye(n_classes)[arrays["row_classes"]] * arrays["row_weights"][:, None])  # (n, classes)
    votes = {"distance": distance_votes, "uniform": uniform_votes}[str(spec.settings["votes"])]
    k, smoothing = spec.whole("k"), spec.number("smoothing")

    def predict(block: Floats) -> Floats:
        counts = count(votes(similarity(unit_rows(block)), k)) + smoothing
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))

    return predict


def uniform_votes(similarities: Floats, k: int) -> Floats:
    """One vote for each of the `k` most similar; those tied with the k-th vote as well."""
    n_neighbours = similarities.shape[1]
    place = n_neighbours - min(k, n_neighbours)
    kth = np.partition(similarities, place, axis=1)[:, place, None]
    return (similarities >= kth).astype(np.float64)


def distance_votes(similarities: Floats, k: int) -> Floats:
    """Votes that fall from 1 at the most similar row to 0 at the (k+1)-th.

    Dudani's rule [1]_ lets the votes fall to 0 at the k-th; ending one further gives all k a vote. A row that
    enters or leaves the k nearest does so with a vote of 0, so probabilities change without jumps.
    Where all are equally similar, all vote.

    References
    ----------
    .. [1] S. A. Dudani, "The distance-weighted k-nearest-neighbor rule", IEEE Transactions on Systems, Man, and
       Cybernetics SMC-6(4), 1976, 325-327, eq. 1. DOI 10.1109/TSMC.1976.5408784
    """
    n_neighbours = similarities.shape[1]
    place = n_neighbours - 1 - min(k, n_neighbours - 1)
    reference = np.partition(similarities, place, axis=1)[:, place, None]
    span = similarities.max(axis=1, keepdims=True) - reference
    votes = np.maximum(similarities - reference, 0.0) / np.where(span > TINY, span, 1.0)
    return np.where(span > TINY, votes, uniform_votes(similarities, k))


def svm_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Platt-scaled one-vs-rest decision values, normalised over the classes."""
    decide = svm_decisions(arrays)

    def predict(block: Floats) -> Floats:
        scores = sigmoid(decide(block) * arrays["platt_slope"] + arrays["platt_offset"])
        scores = np.maximum(scores, TINY)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    return predict


def svm_decisions(arrays: Arrays) -> BlockPredictor:
    """Function from a block of standardised features to decision values (BLOCK_ROWS, n_present)."""
    rows = standardised(arrays["rows"], arrays)
    norms, gamma = squared_norms(rows), float(arrays["gamma"])
    products, combine = linear_map(rows.T), linear_map(arrays["dual"].T)  # (d, support), (support, classes)

    def decide(block: Floats) -> Floats:
        distances = squared_distances(products(block), squared_norms(block), norms)
        return combine(rbf(distances, gamma)) + arrays["intercepts"]

    return decide


def ridge_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Softmax of scaled and shifted regression values."""
    decide = ridge_decisions(arrays)
    return lambda block: softmax(decide(block) * arrays["slope"] + arrays["offsets"])


def ridge_decisions(arrays: Arrays) -> BlockPredictor:
    """Function from a block of standardised features to regression values (BLOCK_ROWS, n_present)."""
    decide = linear_map(arrays["coefficients"].T)
    return lambda block: decide(block) + arrays["intercepts"]


def majority_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """The classes' shares, whatever the features."""
    return lambda block: np.tile(arrays["shares"], (len(block), 1))


def forest_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Mean over the trees of the shares in the leaf that a row comes to, with one vote more for each class."""
    feature, threshold = arrays["feature"], arrays["threshold"]
    children = np.stack([arrays["left"], arrays["right"]])  # (2, nodes)
    n_trees, n_classes = len(arrays["roots"]), arrays["shares"].shape[1]

    def predict(block: Floats) -> Floats:
        rows, places = block.astype(np.float32), np.tile(arrays["roots"], (len(block), 1))  # (rows, trees)
        below = np.arange(len(block))[:, None]
        while True:
            right = rows[below, feature[places]] > threshold[places]
            further = children[right.astype(np.intp), places]
            if np.array_equal(further, places):
                votes = arrays["shares"][places].sum(axis=1)  # (rows, classes)
                return np.asarray((votes + 1.0) / (n_trees + n_classes))
            places = further

    return predict


PREDICTORS: dict[str, Callable[[HeadSpec, Arrays], BlockPredictor]] = {
    "dense": dense_predictor,
    "logistic": logistic_predictor,
    "knn": knn_predictor,
    "svm": svm_predictor,
    "ridge": ridge_predictor,
    "lda": logistic_predictor,
    "majority": majority_predictor,
    "forest": forest_predictor,
}
