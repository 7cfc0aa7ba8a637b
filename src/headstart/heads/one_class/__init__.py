"""One-class heads: fitted on rows of normal running alone, they say how far a row lies from these."""

from headstart.heads.one_class.head import MIN_ROWS, ONE_CLASS_KINDS, OneClassHead, fit_one_class

__all__ = ["MIN_ROWS", "ONE_CLASS_KINDS", "OneClassHead", "fit_one_class"]
