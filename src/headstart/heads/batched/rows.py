"""Training rows as the stack reads them: features with a column of ones, targets weighted and smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from headstart.heads.batched.plan import Lane, Shape
from headstart.heads.batched.step import Workspace
from headstart.heads.training_rows import TrainingRows


@dataclass(frozen=True, eq=False)
class StackRows:
    """Training rows of one tile of lanes, on their device.

    Attributes
    ----------
    inputs : Tensor of shape (n, columns)
        Standardised features, a one, zeros; in the precision of the products.
    targets : Tensor of shape (n, lanes or 1, classes), float32
        Target of each class: the row's weight, spread by label smoothing. Lanes with the same settings share one
        entry.
    totals : Tensor of shape (n, lanes or 1, 1), float32
        Sum of the targets over the classes.
    """

    inputs: Tensor
    targets: Tensor
    totals: Tensor

    def load(self, batch: Tensor, into: Workspace) -> tuple[Tensor, Tensor]:
        """Copy a batch's inputs into the workspace; its targets and totals, divided by its number of rows."""
        torch.index_select(self.inputs, 0, batch, out=into.inputs)
        targets = self.targets[batch].permute(1, 2, 0).div(len(batch))
        return targets, self.totals[batch].permute(1, 2, 0).div(len(batch))


def padded(values: npt.NDArray[np.float64], shape: Shape) -> Tensor:
    """Standardised features (n, d) as float32 with a column of ones and zeros up to `shape.n_columns`."""
    inputs = torch.zeros((len(values), shape.n_columns))
    inputs.numpy()[:, : shape.n_features] = values  # by numpy, which takes arrays that are not to be written to
    inputs[:, shape.n_features] = 1.0
    return inputs


def stack_rows(inputs: Tensor, rows: TrainingRows, lanes: Sequence[Lane]) -> StackRows:
    """Inputs with the targets that the lanes' label smoothing and class weights ask for."""
    requested = [(lane.spec.number("label_smoothing"), str(lane.spec.settings["class_weight"])) for lane in lanes]
    if len(set(requested)) == 1:
        requested = requested[:1]
    weights = {kind: row_weights(rows, kind) for kind in {kind for _, kind in requested}}
    hits = np.eye(rows.n_present)[rows.labels]  # (n, classes)
    targets = [
        ((1.0 - smoothing) * hits + smoothing / rows.n_present) * weights[kind][:, None]
        for smoothing, kind in requested
    ]
    totals = [weights[kind][:, None] for _, kind in requested]
    return StackRows(inputs, _stacked(targets, inputs.device), _stacked(totals, inputs.device))


def row_weights(rows: TrainingRows, class_weight: str) -> npt.NDArray[np.float64]:
    """Weight of every row in the loss, of mean 1; (n,).

    "balanced" gives every class the same total, as scikit-learn does.
    """
    weights = rows.weights / rows.weights.mean()
    if class_weight == "none":
        return np.asarray(weights)
    totals = np.bincount(rows.labels, weights=weights, minlength=rows.n_present)
    return np.asarray(weights * weights.sum() / (rows.n_present * totals[rows.labels]))


def _stacked(values: list[npt.NDArray[np.float64]], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(values, axis=1)).float().to(device)
