"""One-class heads: fitted on rows of normal running alone, they say how far a row lies from these."""

from headstart.heads.one_class.head import ONE_CLASS_KINDS, OneClassHead, fit_one_class

__all__ = ["ONE_CLASS_KINDS", "OneClassHead", "fit_one_class"]
