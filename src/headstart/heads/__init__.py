"""Heads: what is trained on frozen features, and the plain code that predicts with it."""

from headstart.heads.fit import fit_heads
from headstart.heads.fitted import FittedHead
from headstart.heads.grids import cost, grid, total_cost
from headstart.heads.spec import HeadSpec, kinds

__all__ = ["FittedHead", "HeadSpec", "cost", "fit_heads", "grid", "kinds", "total_cost"]
