"""Share of a class among answers of a classifier that errs, whose answers come in clusters: cells in fields, say.

`called_share` and `corrected_share` speak of what the clusters are a sample of, a well; `counted_share` of the very
answers of one cluster, the cells of a micrograph.
"""

from headstart.metrics.prevalence.clusters import NOTHING_KNOWN, Likeness, effective_size, likeness
from headstart.metrics.prevalence.counted import counted_share
from headstart.metrics.prevalence.error_rates import ErrorRates, Rate, error_rates
from headstart.metrics.prevalence.share import Share, called_share, corrected_share, rogan_gladen

__all__ = [
    "NOTHING_KNOWN",
    "ErrorRates",
    "Likeness",
    "Rate",
    "Share",
    "called_share",
    "corrected_share",
    "counted_share",
    "effective_size",
    "error_rates",
    "likeness",
    "rogan_gladen",
]
