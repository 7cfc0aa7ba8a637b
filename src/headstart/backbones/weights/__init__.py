"""Weights: where they come from, read without running anything, checked key by key before they are used."""

from headstart.backbones.weights.load import load_into
from headstart.backbones.weights.locate import LocatedWeights, available_from, find_weights
from headstart.backbones.weights.match import fit_state, hash_tensors
from headstart.backbones.weights.provenance import RANDOM, WeightsSource
from headstart.backbones.weights.read import read_state

__all__ = [
    "RANDOM",
    "LocatedWeights",
    "WeightsSource",
    "available_from",
    "find_weights",
    "fit_state",
    "hash_tensors",
    "load_into",
    "read_state",
]
