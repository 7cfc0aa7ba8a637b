"""Heads: what is trained on frozen features, and the plain code that predicts with it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headstart.heads.batched.plan import Chunk, batch_notes, plan_chunks
from headstart.heads.fit import fit_heads
from headstart.heads.fitted import FittedHead
from headstart.heads.grids import cost, grid, prediction_cost, total_cost
from headstart.heads.spec import HeadSpec, searchable_kinds
from headstart.heads.training_rows import TrainingRows, training_rows

if TYPE_CHECKING:
    from headstart.heads.batched.device import faster_precision
    from headstart.heads.batched.train import train_chunk

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
    "plan_chunks",
    "prediction_cost",
    "searchable_kinds",
    "total_cost",
    "train_chunk",
    "training_rows",
]

_NEED_TORCH = {"faster_precision": "headstart.heads.batched.device", "train_chunk": "headstart.heads.batched.train"}


def __getattr__(name: str) -> Any:
    if name not in _NEED_TORCH:
        raise AttributeError(f"module 'headstart.heads' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NEED_TORCH[name]), name)
    globals()[name] = value
    return value
