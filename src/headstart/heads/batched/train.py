"""Training a chunk of dense heads on one or several training sets, with snapshots along the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from headstart.errors import InputError
from headstart.heads.arithmetic import Features, Floats, over_all_classes, standardised
from headstart.heads.batched.device import PRECISIONS, checked_device, checked_precision, threads
from headstart.heads.batched.plan import Chunk, Lane, Shape, batch_rows, lane_bytes, layer_names
from headstart.heads.batched.random_draws import RandomDraws
from headstart.heads.batched.rows import padded, stack_rows
from headstart.heads.batched.stack import Stack
from headstart.heads.batched.step import Workspace
from headstart.heads.training_rows import TrainingRows

CACHE_BYTES = 16 * 2**20
"""Memory of the lanes that a CPU trains at a time: half of a usual level-3 cache, which two processes share."""

SCORED_ROWS = 512


@dataclass(frozen=True, eq=False)
class TrainedSet:
    """Result of training a chunk's candidates on one training set.

    Attributes
    ----------
    failed : ndarray of shape (n_specs,), bool
        Whether a candidate diverged: parameters or probabilities that are not finite.
    probabilities : ndarray of shape (n_specs, n_rows, n_classes), float64, or None
        Probabilities of the validation rows, where such were given; nan for a candidate that failed.
    arrays : tuple of dict of str to ndarray
        Parameters of every candidate, where no validation rows were given; nan for one that failed.
    """

    failed: npt.NDArray[np.bool_]
    probabilities: Floats | None
    arrays: tuple[dict[str, npt.NDArray[Any]], ...]


def train_chunk(
    chunk: Chunk,
    training_sets: Sequence[TrainingRows],
    validation: Sequence[Features] | None = None,
    *,
    device: str = "cpu",
    precision: str = "fp32",
    n_threads: int | None = None,
) -> list[TrainedSet]:
    """Train all heads of a chunk on every training set.

    The result depends on the arguments alone, bit for bit on one machine: not on what else is trained, before or
    beside it. Training sets run one after the other: their rows differ, so that no product could be shared.

    Parameters
    ----------
    chunk : Chunk
    training_sets : sequence of TrainingRows
        Training rows of each fold.
    validation : sequence of ndarray of shape (n_rows, n_features), float32, optional
        Rows to predict for each fold. Given them, probabilities leave and parameters do not.
    device : str
        "cpu", or a CUDA device by torch's name.
    precision : {"fp32", "bf16"}
        Precision of the two large products of a step; weights are kept and updated in fp32 either way.
    n_threads : int, optional
        Number of threads of torch meanwhile; None leaves them as they are. Another number may change last bits.

    Returns
    -------
    list of TrainedSet
        One for each training set.

    Raises
    ------
    InputError
        When device or precision are unknown or the validation sets do not match the training sets.
    """
    where = checked_device(device)
    checked_precision(precision)
    if validation is not None and len(validation) != len(training_sets):
        raise InputError(
            f"{len(training_sets)} training sets need as many validation sets, not {len(validation)}. Give one each."
        )
    validated: Sequence[Features | None] = [None] * len(training_sets) if validation is None else validation
    with threads(n_threads), torch.inference_mode():
        return [
            _Collector(chunk, rows, features, where).filled(precision)
            for rows, features in zip(training_sets, validated, strict=True)
        ]


class _Collector:
    """Trains a chunk on one training set and gathers the results of its candidates."""

    def __init__(self, chunk: Chunk, rows: TrainingRows, features: Features | None, device: torch.device) -> None:
        self.chunk, self.rows, self.device = chunk, rows, device
        self.shape = Shape.of(chunk.specs[0], rows.standardised.shape[1], rows.n_present)
        n_specs = len(chunk.specs)
        self.failed = np.zeros(n_specs, dtype=bool)
        self.arrays: list[dict[str, npt.NDArray[Any]]] = [{} for _ in range(n_specs)]
        self.probabilities: Floats | None = None
        if features is not None:
            self.probabilities = np.ones((n_specs, len(features), rows.n_present))
            self.validation = padded(standardised(features, rows.common_arrays()), self.shape).to(device)

    def filled(self, precision: str) -> TrainedSet:
        """Train, and hand out everything gathered."""
        if self.rows.n_present > 1:  # else there is nothing to learn
            inputs = padded(self.rows.standardised, self.shape).to(self.device, PRECISIONS[precision])
            for lanes in tiles(self.chunk.lanes, self.shape, self.device, len(inputs)):
                for epoch, stack in enumerate(_epochs(lanes, self.shape, inputs, self.rows), start=1):
                    if any(epoch in lane.places for lane in lanes):
                        self._take(epoch, lanes, stack)
        return TrainedSet(self.failed, self._over_all_classes(), tuple(self.arrays))

    def _take(self, epoch: int, lanes: Sequence[Lane], stack: Stack) -> None:
        """Keep parameters or probabilities of the candidates that end with this epoch."""
        finite = stack.finite().cpu().numpy()
        scored = None if self.probabilities is None else _scored(stack, self.validation)
        for number, lane in enumerate(lanes):
            for place in lane.places.get(epoch, ()):
                self.failed[place] = not finite[number]
                if self.probabilities is not None and scored is not None:
                    self.failed[place] |= not np.isfinite(scored[number]).all()
                    self.probabilities[place] = np.nan if self.failed[place] else scored[number]
                else:
                    self.arrays[place] = _arrays(stack, number, failed=bool(self.failed[place]))

    def _over_all_classes(self) -> Floats | None:
        if self.probabilities is None:
            return None
        flat = self.probabilities.reshape(-1, self.rows.n_present)
        size = (*self.probabilities.shape[:2], self.rows.present.size)
        return over_all_classes(flat, self.rows.present).reshape(size)


def tiles(lanes: Sequence[Lane], shape: Shape, device: torch.device, n_rows: int) -> Iterator[list[Lane]]:
    """Lanes that are trained at a time on `n_rows` training rows.

    On a CPU as many as fit into the cache, since a step reads and writes all their weights; and only such as train
    equally long. A CUDA device takes them all: many small kernels are what costs there.
    """
    size = len(lanes)
    if device.type == "cpu":
        size = max(1, CACHE_BYTES // max(lane_bytes(lane, shape, n_rows) for lane in lanes))
    start = 0
    while start < len(lanes):
        alike = [lane for lane in lanes[start : start + size] if lane.n_epochs == lanes[start].n_epochs]
        yield alike
        start += len(alike)


def _epochs(lanes: Sequence[Lane], shape: Shape, inputs: Tensor, rows: TrainingRows) -> Iterator[Stack]:
    """The stack after each epoch; the same object, to be read by who wants a snapshot."""
    draws = RandomDraws(rows.seed)
    precision = "fp32" if inputs.dtype == torch.float32 else "bf16"
    stack = Stack(lanes, shape, draws, inputs.device, precision)
    data = stack_rows(inputs, rows, lanes)
    size = batch_rows(lanes[0].spec.whole("batch_size"), len(inputs))
    workspaces: dict[int, Workspace] = {}
    for _ in range(lanes[0].n_epochs):
        for batch in torch.split(draws.order(len(inputs)).to(inputs.device), size):
            if len(batch) not in workspaces:  # the last batch of an epoch is smaller
                workspaces[len(batch)] = Workspace(stack, len(batch))
            workspace = workspaces[len(batch)]
            targets, totals = data.load(batch, workspace)
            workspace.step(targets, totals, draws)
        yield stack


def _scored(stack: Stack, inputs: Tensor) -> Floats:
    """Probabilities (lanes, rows, classes) of the classes seen in training."""
    parts = [torch.softmax(stack.scores(part).double(), dim=1) for part in torch.split(inputs, SCORED_ROWS)]
    return np.asarray(torch.cat(parts, dim=2).transpose(1, 2).cpu().numpy())


def _arrays(stack: Stack, lane: int, *, failed: bool) -> dict[str, npt.NDArray[Any]]:
    """Parameters of one lane under the names a stored head has."""
    arrays = {}
    for (names, inputs), stacked in zip(
        zip(layer_names(stack.shape.n_layers), [inputs for inputs, _ in stack.shape.layers], strict=True),
        stack.weights,
        strict=True,
    ):
        weights = stacked[lane].cpu().numpy()
        arrays[names[0]] = np.array(weights[:, :inputs], order="C")
        arrays[names[1]] = np.array(weights[:, inputs])
    return {name: np.full_like(array, np.nan) for name, array in arrays.items()} if failed else arrays
