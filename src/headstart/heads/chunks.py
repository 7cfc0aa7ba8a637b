"""Dense heads by the hundred: what to train together, and the training itself, torch loaded where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.heads.arithmetic import Features
from headstart.heads.batched.plan import Chunk
from headstart.heads.training_rows import TrainingRows

if TYPE_CHECKING:
    from headstart.heads.batched.train import TrainedSet


def train_chunk(
    chunk: Chunk,
    training_sets: Sequence[TrainingRows],
    validation: Sequence[Features] | None = None,
    *,
    device: str = "cpu",
    precision: str = "fp32",
    n_threads: int | None = None,
) -> list[TrainedSet]:
    """Train all heads of a chunk on every training set: `headstart.heads.batched.train.train_chunk`."""
    from headstart.heads.batched.train import train_chunk as train

    return train(chunk, training_sets, validation, device=device, precision=precision, n_threads=n_threads)


def faster_precision(device: str = "cpu") -> str:
    """The precision to train in, "bf16" where the hardware has it: `batched.device.faster_precision`."""
    from headstart.heads.batched.device import faster_precision as measure

    return measure(device)
