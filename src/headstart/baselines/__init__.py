"""Baselines that every result is held against: the backbone with random weights."""
