"""Pretraining: a whole network trained on a source task of the user's own, written as weights for later fits."""

from headstart.pretraining.settings import PretrainSettings

__all__ = ["PretrainSettings"]
