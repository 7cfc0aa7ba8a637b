"""The documents of a run as typed models: written by a fit, read back, checked, and without names of images."""

from headstart.results.models.run_results import RunResults

__all__ = ["RunResults"]
