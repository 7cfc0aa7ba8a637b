"""Do the intervals of a count of dead cells cover? Simulated assays, plain intervals beside ours.

Cells of one field are alike (beta-binomial, correlation 0.1), the classifier errs, and how often is learned from
micrographs whose truth is known: 369 of them with 16.6 cells on average, as in the paper's third application, or 40.
Its errors come alone, or those of one field together. Judged are the share of dead among the very cells of every image,
and the share in every well; beside them Wilson's interval of the share as called, which knows no errors and no fields.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import table, write_results

from headstart.cells.counting.shares import FieldCount, count_class
from headstart.cells.micrographs.plate import PlatePosition
from headstart.metrics.limits_of_agreement import limits_of_agreement
from headstart.metrics.prevalence import (
    NOTHING_KNOWN,
    ErrorRates,
    Likeness,
    called_share,
    counted_share,
    error_rates,
    likeness,
)

SEED = 90177
CELLS = 16.6
"""Mean number of cells of a micrograph: 6,112 in 369."""
ALIKE = 0.1
N_REPEATS = 100
LEAST_COVERAGE = 0.93
MAX_BIAS = 0.01
"""Most bias of the corrected share over all images, where shares of every size occur."""


@dataclass(frozen=True)
class Assay:
    """One kind of assay.

    Attributes
    ----------
    name : str
    n_known : int
        Micrographs that the errors are learned from.
    sensitivity, specificity : float
    together : float
        Correlation of the errors of one field.
    n_wells, n_fields : int
        Wells that are counted, and fields of each.
    share : float or None
        Share of dead in every well; None: any from 0 to 1.
    known_fields : int
        Fields of a well among the known micrographs; with one, they cannot tell how alike cells of a field are.
    """

    name: str
    n_known: int = 369
    sensitivity: float = 0.92
    specificity: float = 0.945
    together: float = 0.02
    n_wells: int = 24
    n_fields: int = 4
    share: float | None = None
    known_fields: int = 1


ASSAYS = (
    Assay("errors alone", together=0.0),
    Assay("errors together"),
    Assay("40 micrographs known", n_known=40, together=0.05),
    Assay("a poor classifier", n_known=40, sensitivity=0.8, specificity=0.85),
    Assay("a good classifier", sensitivity=0.98, specificity=0.99),
    Assay("2 % dead", share=0.02),
    Assay("98 % dead", share=0.98),
    Assay("one well", n_known=40, n_wells=1),
    Assay("wells of 2 fields", n_fields=2),
    Assay("wells of 1 field, known of 3", n_fields=1, known_fields=3),
    Assay("wells of 1 field", n_fields=1),
)


@dataclass(frozen=True, eq=False)
class Counted:
    """Fields with what is true of them and what was called."""

    sizes: np.ndarray
    dead: np.ndarray
    called: np.ndarray
    truth: np.ndarray
    calls: np.ndarray
    field: np.ndarray


def drawn(rng: np.random.Generator, mean: float, alike: float) -> float:
    """A rate of a beta distribution with this mean and correlation."""
    if alike == 0 or mean in (0, 1):
        return mean
    strength = 1 / alike - 1
    return float(rng.beta(mean * strength, (1 - mean) * strength))


def photographed(rng: np.random.Generator, assay: Assay, shares: np.ndarray) -> Counted:
    """A micrograph for each share."""
    sizes = rng.poisson(CELLS - 1, len(shares)) + 1
    field = np.repeat(np.arange(len(sizes)), sizes)
    truth = rng.random(len(field)) < np.array([drawn(rng, share, ALIKE) for share in shares])[field]
    found = np.array([drawn(rng, assay.sensitivity, assay.together) for _ in shares])[field]
    kept = np.array([drawn(rng, assay.specificity, assay.together) for _ in shares])[field]
    calls = rng.random(len(field)) < np.where(truth, found, 1 - kept)
    return Counted(sizes, np.bincount(field, truth), np.bincount(field, calls), truth, calls, field)


def judge(assay: Assay, n_repeats: int) -> dict[str, Any]:
    """Coverage, mean width and bias for images and wells of one kind of assay."""
    rng = np.random.default_rng([SEED, ASSAYS.index(assay)])
    images: list[tuple[bool, float, float, float, bool]] = []
    wells: list[tuple[bool, float, bool]] = []
    for _ in range(n_repeats):
        known_well = np.arange(assay.n_known) // assay.known_fields
        known = photographed(rng, assay, rng.uniform(0.02, 0.98, known_well[-1] + 1)[known_well])
        rates = error_rates(known.truth, known.calls, known.field)
        before = likeness(known.called, known.sizes, known_well)
        shares = rng.uniform(0, 1, assay.n_wells) if assay.share is None else np.full(assay.n_wells, assay.share)
        well = np.repeat(np.arange(assay.n_wells), assay.n_fields)
        seen = photographed(rng, assay, shares[well])
        images += judged_images(seen, rates)
        wells += judged_wells(seen, rates, before, shares, well)
    return {**summary(images, wells), "images": len(images), "wells": len(wells)}


def judged_images(seen: Counted, rates: ErrorRates) -> Iterator[tuple[bool, float, float, float, bool]]:
    """Whether the interval covers, its width, the share found and the true one, whether the plain interval covers."""
    for dead, called, size in zip(seen.dead, seen.called, seen.sizes, strict=True):
        ours = counted_share(int(called), int(size), rates)
        plain = called_share([called], [size], NOTHING_KNOWN)
        truth = float(dead / size)
        yield holds(ours, truth), ours.high - ours.low, ours.value, truth, holds(plain, truth)


def judged_wells(
    seen: Counted, rates: ErrorRates, before: Likeness, shares: np.ndarray, well: np.ndarray
) -> Iterator[tuple[bool, float, bool]]:
    """Whether the interval covers, its width, whether the plain interval covers."""
    counted = [
        FieldCount("", PlatePosition("", f"{number:03d}"), int(size), int(called))
        for number, size, called in zip(well, seen.sizes, seen.called, strict=True)
    ]
    found = count_class(counted, rates, before).wells
    for number, share in enumerate(shares):
        fields = well == number
        ours = found[number].corrected
        plain = called_share([seen.called[fields].sum()], [seen.sizes[fields].sum()], NOTHING_KNOWN)
        yield holds(ours, share), ours.high - ours.low, holds(plain, share)


def holds(interval: Any, share: float) -> bool:
    """Whether the interval holds a share."""
    return bool(interval.low - 1e-9 <= share <= interval.high + 1e-9)


def summary(
    images: list[tuple[bool, float, float, float, bool]], wells: list[tuple[bool, float, bool]]
) -> dict[str, Any]:
    """Means over all images and wells."""
    covered, width, found, truth, plain = (np.array(one, dtype=float) for one in zip(*images, strict=True))
    of_wells, width_of_wells, plain_of_wells = (np.array(one, dtype=float) for one in zip(*wells, strict=True))
    agreement = limits_of_agreement(found, truth)
    return {
        "image": {"coverage": covered.mean(), "width": width.mean(), "plain": plain.mean()},
        "well": {"coverage": of_wells.mean(), "width": width_of_wells.mean(), "plain": plain_of_wells.mean()},
        "agreement": agreement.to_json(),
        "error_per_image": math.sqrt(float(((found - truth) ** 2).mean())),
    }


def main() -> int:
    """Judge every kind of assay; 1 when an interval covers too little or shares are biased."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4 repeats of each, no targets")
    quick = parser.parse_args().quick
    found = {assay.name: judge(assay, 4 if quick else N_REPEATS) for assay in ASSAYS}
    if not quick:
        write_results("cells_count", {"seed": SEED, "repeats": N_REPEATS, "assays": found})
    columns = ["assay", "images covered", "width", "plain", "error", "bias", "wells covered", "width", "plain"]
    print(table(columns, [row(name, one) for name, one in found.items()]))
    missed = [] if quick else list(misses(found))
    print("\n".join(missed))
    return 1 if missed else 0


def row(name: str, one: dict[str, Any]) -> list[str]:
    """Line of the table, in per cent and points."""
    image, well = one["image"], one["well"]
    percents = (image["coverage"], image["width"], image["plain"], one["error_per_image"], one["agreement"]["bias"])
    return [name, *(f"{100 * value:.1f}" for value in (*percents, well["coverage"], well["width"], well["plain"]))]


def misses(found: dict[str, Any]) -> Iterator[str]:
    """Targets that were missed, in words."""
    for assay in ASSAYS:
        one = found[assay.name]
        for what in ("image", "well"):
            if one[what]["coverage"] < LEAST_COVERAGE:
                yield f"{assay.name}: intervals of the {what}s cover {one[what]['coverage']:.1%}"
        if assay.share is None and abs(one["agreement"]["bias"]) > MAX_BIAS:
            yield f"{assay.name}: a bias of {100 * one['agreement']['bias']:+.1f} points"


if __name__ == "__main__":
    raise SystemExit(main())
