"""The paper's head and its relatives: fully connected layers, an activation, dropout, softmax; cross-entropy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.decisions.scaling import softmax
from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats, gelu, gelu_derivative, linear_map, sigmoid
from headstart.heads.batched.plan import OUTPUT_NAMES, Shape, batch_rows, layer_names, plan_chunks
from headstart.heads.kinds import FitCost, FitSize, HeadKind, HeadSpec, Layout, Scalar, Setting, register_head
from headstart.heads.scores import ClassScores
from headstart.heads.training_rows import TrainingRows
from headstart.storage import canonical_json

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda values: np.maximum(values, 0.0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "gelu": gelu,
    "selu": lambda values: SELU_SCALE * (np.maximum(values, 0.0) + SELU_ALPHA * np.expm1(np.minimum(values, 0.0))),
}

DERIVATIVES: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda values: (values > 0).astype(np.float64),
    "sigmoid": lambda values: sigmoid(values) * sigmoid(-values),
    "tanh": lambda values: 1.0 - np.tanh(values) ** 2,
    "gelu": gelu_derivative,
    "selu": lambda values: SELU_SCALE * np.where(values > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(values, 0.0))),
}
"""Derivative of every activation."""

PAPER_RATES = {"momentum": 3e-3, "rmsprop": 1e-4, "adam": 1e-4, "adamax": 5e-4}
"""Learning rates of the grid "paper", which the paper does not give.

Measured on ELPV (docs/heads.md): with these, every optimizer comes to about its least log loss within 10 to 30 epochs
at batches of 32 as well as of 256, so that the grid's epochs have something to choose between.
"""


def fit_dense(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a dense head for every spec; all nan for one that diverged.

    Specs that differ in `epochs` alone are snapshots of one trajectory: nothing in it depends on where it ends.

    References
    ----------
    A. Brodzicki et al., "Transfer Learning Methods as a New Approach in Computer Vision Tasks with Small Datasets",
    2020, section 3. DOI 10.2478/fcds-2020-0010. We depart from it in the default learning rate and number of
    epochs, measured on standardised features (docs/heads.md).
    """
    from headstart.heads.batched.train import train_chunk

    arrays: list[dict[str, npt.NDArray[Any]]] = [{} for _ in specs]
    n_rows, n_features = rows.standardised.shape
    for chunk in plan_chunks(specs, n_features=n_features, n_classes=rows.n_present, n_rows=n_rows):
        (trained,) = train_chunk(chunk, [rows], precision=precision)
        for index, learned in zip(chunk.indices, trained.arrays, strict=True):
            arrays[index] = learned
    return arrays


def dense_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Hidden layers and softmax, dropout switched off; weights learned in float32, applied in float64."""
    score = dense_logits(spec, arrays)
    return lambda block: softmax(score(block))


def dense_logits(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    """Function from a block of standardised features to what softmax makes probabilities of."""
    layers = [
        (linear_map(arrays[weights].T), arrays[bias])  # (inputs, outputs), (outputs,)
        for weights, bias in layer_names(spec.whole("layers"))
    ]
    *hidden_layers, (to_scores, output_bias) = layers
    activation = ACTIVATIONS[str(spec.settings["activation"])]

    def score(block: Floats) -> Floats:
        values = block
        for to_hidden, bias in hidden_layers:
            values = activation(to_hidden(values) + bias)
        return to_scores(values) + output_bias

    return score


def dense_scores(spec: HeadSpec, arrays: Arrays) -> ClassScores:
    """Logits, with the gradient by backpropagation."""
    *hidden, (to_scores, _) = layer_names(spec.whole("layers"))
    activation, derivative = (table[str(spec.settings["activation"])] for table in (ACTIVATIONS, DERIVATIVES))
    matrices = {names: arrays[names[0]].astype(np.float64) for names in hidden}  # (outputs, inputs)

    def gradient(block: Floats, weights: Floats) -> Floats:
        slopes, values = [], block
        for names in hidden:
            summed = values @ matrices[names].T + arrays[names[1]]
            slopes.append(derivative(summed))
            values = activation(summed)
        found = weights @ arrays[to_scores].astype(np.float64)
        for names, slope in zip(reversed(hidden), reversed(slopes), strict=True):
            found = (found * slope) @ matrices[names]
        return np.asarray(found)

    return ClassScores(dense_logits(spec, arrays), gradient, is_linear=not hidden)


def dense_layout(spec: HeadSpec) -> Layout:
    """Weights and bias of every layer; u hidden units."""
    layout: dict[str, tuple[str, str]] = {}
    inputs = "d"
    for names in layer_names(spec.whole("layers")):
        weights, bias = names
        outputs = "P" if names == OUTPUT_NAMES else "u"
        layout |= {weights: ("float32", outputs + inputs), bias: ("float32", outputs)}
        inputs = "u"
    return layout


def _cost(spec: HeadSpec, size: FitSize) -> FitCost:
    """One trajectory, shared by all heads that differ in the number of epochs alone.

    The constants are fitted to timings of d = 1024, n = 3,667, batches of 32, 128 and 256.
    """
    settings = canonical_json({name: value for name, value in spec.settings.items() if name != "epochs"})
    return FitCost(0.0, spec.number("epochs") * _epoch_seconds(spec, size), settings)


def _epoch_seconds(spec: HeadSpec, size: FitSize) -> float:
    """Seconds of one epoch: products, activations, updates and what every step costs."""
    shape = Shape.of(spec, size.n_features, size.n_classes)
    first = shape.matrices[0][0] * shape.n_columns
    products = (1.2e-11 if size.precision == "bf16" else 4.4e-11) * first + 4.4e-11 * (shape.n_parameters - first)
    activations = 2.5e-9 * shape.n_units * shape.n_layers
    steps = math.ceil(size.n_rows / batch_rows(spec.whole("batch_size"), size.n_rows))
    return size.n_rows * (products + activations) + steps * (8e-10 * shape.n_parameters + 3e-5)


def _n_products(spec: HeadSpec, size: FitSize) -> float:
    n_layers, units = spec.whole("layers"), spec.number("units")
    if n_layers == 0:
        return float(size.n_features * size.n_classes)
    return size.n_features * units + (n_layers - 1) * units**2 + units * size.n_classes


def _paper_grid() -> Iterator[dict[str, Scalar]]:
    """The paper's search over the head, with values of ours: it gives only the winner.

    References
    ----------
    A. Brodzicki et al., 2020, section 4.3 and Table 3. DOI 10.2478/fcds-2020-0010
    """
    for activation, dropout, optimizer, batch_size, epochs in itertools.product(
        ("relu", "sigmoid", "tanh"), (0.3, 0.5, 0.7), PAPER_RATES, (32, 128, 256), (10, 20, 30)
    ):
        yield {
            "activation": activation,
            "dropout": dropout,
            "optimizer": optimizer,
            "learning_rate": PAPER_RATES[optimizer],
            "batch_size": batch_size,
            "epochs": epochs,
        }


register_head(
    HeadKind(
        name="dense",
        title="Dense",
        headline="dense {units} {activation}, dropout {dropout}, {epochs} epochs",
        settings={
            "layers": Setting(1, high=4, may_be_low=True),
            "units": Setting(256),
            "activation": Setting("relu", choices=tuple(ACTIVATIONS)),
            "dropout": Setting(0.5, high=1.0, may_be_low=True),
            "optimizer": Setting("adam", choices=("sgd", "momentum", "rmsprop", "adam", "adamw", "adamax", "nadam")),
            "learning_rate": Setting(1e-4),
            "weight_decay": Setting(0.0, may_be_low=True),
            "batch_size": Setting(128),
            "epochs": Setting(20),
            "label_smoothing": Setting(0.0, high=1.0, may_be_low=True),
            "class_weight": Setting("none", choices=("none", "balanced")),
        },
        layout=dense_layout,
        lengths={"u": "units"},
        fit=fit_dense,
        predictor=dense_predictor,
        scores=dense_scores,
        cost=_cost,
        n_products=_n_products,
        grids={
            "quick": [{"epochs": epochs} for epochs in (10, 20)],
            "wide": [
                {"activation": activation, "learning_rate": rate, "epochs": epochs}
                for activation in ("relu", "sigmoid")
                for rate in (1e-4, 3e-4)
                for epochs in (5, 10, 20, 40)
            ],
            "paper": list(_paper_grid()),
        },
        order=1,
    )
)
