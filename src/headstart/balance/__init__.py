"""Balancing of uneven classes, in a training fold and nowhere else."""

from headstart.balance.registry import METHODS, SMOTE_WINDOWS, balance_notes, check_method
from headstart.balance.resample import Balanced, balanced

__all__ = ["METHODS", "SMOTE_WINDOWS", "Balanced", "balance_notes", "balanced", "check_method"]
