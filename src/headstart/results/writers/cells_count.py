"""A count of cells as the document of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from headstart.cells.counting.known import KnownCounts
from headstart.cells.counting.shares import CountedCells
from headstart.metrics.limits_of_agreement import LimitsOfAgreement
from headstart.metrics.prevalence import Share
from headstart.results.models.cells_count import AgreementFacts, CountedFacts, KnownFacts, RateFacts, ShareFacts


def counted_facts(found: CountedCells, about: Callable[[str, str], Mapping[str, str]]) -> CountedFacts:
    """A micrograph or a well; `about` tells what is known of a plate's well."""
    position = found.position
    return CountedFacts(
        image=found.name,
        plate=position.plate,
        well=position.well,
        field=position.field,
        n_fields=found.n_fields,
        n_cells=found.n,
        n_counted=found.counted,
        called=_share(found.called),
        corrected=_share(found.corrected),
        of_these=_share(found.of_these),
        about=dict(about(position.plate, position.well)),
    )


def known_facts(known: KnownCounts) -> KnownFacts:
    """What is known of the model's counting."""
    rates = known.rates.to_json()
    return KnownFacts(
        sensitivity=RateFacts(**rates["sensitivity"]),
        specificity=RateFacts(**rates["specificity"]),
        sizes=tuple(known.sizes.tolist()),
        truth=tuple(known.truth.tolist()),
        called=tuple(known.called.tolist()),
        corrected=tuple(None if math.isnan(share) else share for share in known.corrected.tolist()),
        agreement=_agreement(known.agreement),
        corrected_agreement=_agreement(known.corrected_agreement),
    )


def _share(found: Share | None) -> ShareFacts | None:
    return None if found is None else ShareFacts(value=found.value, ci95=(found.low, found.high))


def _agreement(found: LimitsOfAgreement | None) -> AgreementFacts | None:
    if found is None:
        return None
    values: dict[str, Any] = found.to_json()
    low, high = values["limits_ci95"]
    ends = {name: tuple(values[name]) for name in ("bias_ci95", "limits")}
    return AgreementFacts(**{**values, **ends, "limits_ci95": (tuple(low), tuple(high))})
