"""Methods that make class heatmaps, and the choice of one that fits a model."""

from headstart.explain.methods.choice import EXACT, INTEGRATED_GRADIENTS, METHODS, OCCLUSION, SHARP, Method

__all__ = ["EXACT", "INTEGRATED_GRADIENTS", "METHODS", "OCCLUSION", "SHARP", "Method"]
