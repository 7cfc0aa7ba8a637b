"""The paper's head: fully connected, ReLU, dropout, fully connected, softmax; cross-entropy and Adam."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from headstart.heads.spec import HeadSpec
from headstart.heads.training import TrainingRows
from headstart.storage import canonical_json

ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
NAMES = ("hidden_weights", "hidden_bias", "output_weights", "output_bias")

STEPS_PER_EPOCH = 8
LEAST_BATCH = 8


def fit_dense(specs: Sequence[HeadSpec], rows: TrainingRows) -> list[dict[str, npt.NDArray[Any]]]:
    """Arrays of a dense head for every spec.

    Specs that differ in `epochs` alone are snapshots of one trajectory: nothing in it depends on where it ends.

    References
    ----------
    A. Brodzicki et al., "Transfer Learning Methods as a New Approach in Computer Vision Tasks with Small Datasets",
    2020, section 3. DOI 10.2478/fcds-2020-0010. We depart from it in the default learning rate and number of
    epochs, measured on standardised features (docs/heads.md).
    """
    last: dict[str, int] = {}
    for spec in specs:
        last[_trajectory(spec)] = max(last.get(_trajectory(spec), 0), spec.whole("epochs"))
    wanted = {(_trajectory(spec), spec.whole("epochs")) for spec in specs}
    snapshots: dict[tuple[str, int], dict[str, npt.NDArray[Any]]] = {}
    for spec in {_trajectory(spec): spec for spec in specs}.values():
        key = _trajectory(spec)
        for epoch, parameters in enumerate(_epochs(spec, rows, last[key]), start=1):
            if (key, epoch) in wanted:
                arrays = [parameter.detach().numpy().copy() for parameter in parameters]
                snapshots[key, epoch] = dict(zip(NAMES, arrays, strict=True))
    return [snapshots[_trajectory(spec), spec.whole("epochs")] for spec in specs]


def batch_rows(batch_size: int, n_rows: int) -> int:
    """Rows of a batch: `batch_size`, less where fewer than about 8 batches would make an epoch, but 8 at least.

    >>> batch_rows(128, 60), batch_rows(128, 200), batch_rows(128, 2000)
    (8, 25, 128)
    """
    return min(batch_size, max(LEAST_BATCH, n_rows // STEPS_PER_EPOCH))


def _trajectory(spec: HeadSpec) -> str:
    return canonical_json({name: value for name, value in spec.settings.items() if name != "epochs"})


@dataclass(frozen=True)
class _Trajectory:
    """What an epoch needs: data, settings and the one source of randomness."""

    features: Tensor  # (n, d) float32
    labels: Tensor  # (n,) int64
    weights: Tensor  # (n,) float32, mean 1
    spec: HeadSpec
    generator: torch.Generator

    def loss(self, parameters: Sequence[Tensor], batch: Tensor) -> Tensor:
        """Weighted mean cross-entropy of a batch, with a fresh dropout mask."""
        hidden_weights, hidden_bias, output_weights, output_bias = parameters
        activation = ACTIVATIONS[str(self.spec.settings["activation"])]
        hidden = activation(linear(self.features[batch], hidden_weights, hidden_bias))
        scores = linear(hidden * self.dropout_mask(hidden.shape), output_weights, output_bias)
        losses = cross_entropy(scores, self.labels[batch], reduction="none")
        return (losses * self.weights[batch]).mean()

    def dropout_mask(self, shape: torch.Size) -> Tensor:
        """0 with probability `dropout`, else 1 / (1 - dropout)."""
        rate = self.spec.number("dropout")
        return (torch.rand(shape, generator=self.generator) >= rate).float() / (1.0 - rate)


def _epochs(spec: HeadSpec, rows: TrainingRows, n_epochs: int) -> Iterator[list[Tensor]]:
    """Parameters after each epoch; the tensors are those in training, to be copied by who keeps them."""
    trajectory = _Trajectory(
        features=torch.from_numpy(rows.standardised).float(),
        labels=torch.from_numpy(rows.labels),
        weights=torch.from_numpy(rows.weights / rows.weights.mean()).float(),
        spec=spec,
        generator=torch.Generator().manual_seed(rows.seed),
    )
    n_rows, n_features = rows.standardised.shape
    parameters = _initial(n_features, spec.whole("units"), rows.n_present, trajectory.generator)
    optimizer = _optimizer(spec, parameters)
    size = batch_rows(spec.whole("batch_size"), n_rows)
    for _ in range(n_epochs):
        for batch in torch.split(torch.randperm(n_rows, generator=trajectory.generator), size):
            optimizer.zero_grad()
            trajectory.loss(parameters, batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        yield parameters


def _optimizer(spec: HeadSpec, parameters: list[Tensor]) -> torch.optim.Optimizer:
    rate, decay = spec.number("learning_rate"), spec.number("weight_decay")
    if spec.settings["optimizer"] == "adamax":
        return torch.optim.Adamax(parameters, lr=rate, weight_decay=decay)
    # Fused: one pass over the parameters a step, half the time.
    return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)


def _initial(n_features: int, n_units: int, n_classes: int, generator: torch.Generator) -> list[Tensor]:
    """Starting parameters, uniform within 1 / sqrt(inputs) as those of `torch.nn.Linear`."""

    def uniform(shape: tuple[int, ...], n_inputs: int) -> Tensor:
        bound = 1.0 / math.sqrt(n_inputs)
        values: Tensor = bound * (2.0 * torch.rand(shape, generator=generator) - 1.0)
        return values.requires_grad_()

    return [
        uniform((n_units, n_features), n_features),
        uniform((n_units,), n_features),
        uniform((n_classes, n_units), n_units),
        uniform((n_classes,), n_units),
    ]
