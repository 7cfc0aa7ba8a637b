"""Candidate settings offered by default, and what heads cost to fit and to predict with."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.errors import InputError, unknown_name
from headstart.heads.spec import KINDS, FitSize, HeadSpec

GRID_NAMES = ("quick", "wide", "paper")
MANY_CLASSES = 64
"""Classes from which on the quick grid holds other settings."""
OF_MANY_CLASSES = "quick, many classes"
"""Name under which a kind lists these, where they are not those of few classes."""
PREDICTION_FLOPS = 30e9
"""Speed of predictions in float64: half that of a large product, since blocks are small."""


def grid(name: str = "quick", *, ordered: bool = False, n_classes: int = 2) -> list[HeadSpec]:
    """Candidate heads, those of a kind together; `HeadKind.grids` lists what each kind adds.

    Parameters
    ----------
    name : {"quick", "wide", "paper"}
        "quick" keeps what gained on real data and is the default; "wide" searches several times as many; "paper" is
        the paper's search over dense heads: 324 of them.
    ordered : bool
        Whether the classes are ordered, so that heads of ordered classes are tried too.
    n_classes : int
        From 64 on "quick" has weaker penalties of logistic regression, since each class has few of the images, and one
        SVM, whose machines for every class take most of the time.

    Raises
    ------
    InputError
        When the name is unknown.

    Examples
    --------
    >>> sorted({spec.kind for spec in grid()})
    ['dense', 'knn', 'logistic', 'svm']
    """
    if name not in GRID_NAMES:
        raise InputError(unknown_name("grid of heads", name, GRID_NAMES))
    kinds = [kind for kind in KINDS.values() if ordered or not kind.needs_order]
    first = OF_MANY_CLASSES if name == "quick" and n_classes >= MANY_CLASSES else name
    return [
        HeadSpec(kind.name, settings) for kind in kinds for settings in kind.grids.get(first, kind.grids.get(name, ()))
    ]


def cost(spec: HeadSpec, n_rows: int, n_features: int, n_classes: int, *, precision: str = "fp32") -> float:
    """Rough seconds to fit one head alone, on one core of 2023 (60 GFLOP/s in float64); half or double is usual.

    `precision` is that of the products of dense heads; "bf16" speaks of a processor that has it.

    >>> cost(HeadSpec("logistic"), 2000, 1280, 2) < cost(HeadSpec("logistic", {"C": 1.0}), 2000, 1280, 2)
    True
    """
    found = KINDS[spec.kind].cost(spec, FitSize(n_rows, n_features, n_classes, precision))
    return found.shared_s + found.own_s


def total_cost(
    specs: Iterable[HeadSpec], n_rows: int, n_features: int, n_classes: int, *, precision: str = "fp32"
) -> float:
    """Rough seconds to fit all heads once, with the work `fit_heads` shares among them counted once."""
    size = FitSize(n_rows, n_features, n_classes, precision)
    shared_seconds: dict[tuple[str, str], float] = {}
    own_seconds = 0.0
    for spec in specs:
        found = KINDS[spec.kind].cost(spec, size)
        key = (spec.kind, found.shared_by)
        shared_seconds[key] = max(found.shared_s, shared_seconds.get(key, 0.0))
        own_seconds += found.own_s
    return own_seconds + sum(shared_seconds.values())


def prediction_cost(specs: Iterable[HeadSpec], n_rows: int, n_features: int, n_classes: int) -> float:
    """Rough seconds to predict one row with all heads, at 30 GFLOP/s; what they compute together is counted once.

    >>> knn = HeadSpec("knn", {"k": 5}), HeadSpec("knn", {"k": 50})
    >>> prediction_cost(knn, 2000, 1280, 2) == prediction_cost(knn[:1], 2000, 1280, 2)
    True
    """
    size = FitSize(n_rows, n_features, n_classes)
    shared: dict[str, float] = {}
    own = 0.0
    for spec in specs:
        kind = KINDS[spec.kind]
        n_products = kind.n_products(spec, size)
        if kind.predictors is None:
            own += n_products
        else:
            shared[spec.kind] = max(n_products, shared.get(spec.kind, 0.0))
    return 2 * (own + sum(shared.values())) / PREDICTION_FLOPS
