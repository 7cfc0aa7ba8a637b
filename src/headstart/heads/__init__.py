"""Heads: what is trained on frozen features, and the plain code that predicts with it."""

from headstart.heads.batched.plan import Chunk, batch_notes, plan_chunks
from headstart.heads.chunks import faster_precision, train_chunk
from headstart.heads.fit import fit_heads
from headstart.heads.fitted import FittedHead
from headstart.heads.grids import cost, grid, total_cost
from headstart.heads.spec import HeadSpec, kinds
from headstart.heads.training_rows import TrainingRows, training_rows

__all__ = [
    "Chunk",
    "FittedHead",
    "HeadSpec",
    "TrainingRows",
    "batch_notes",
    "cost",
    "faster_precision",
    "fit_heads",
    "grid",
    "kinds",
    "plan_chunks",
    "total_cost",
    "train_chunk",
    "training_rows",
]
